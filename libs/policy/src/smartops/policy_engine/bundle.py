"""A policy bundle: its files, read once, and the digest that names them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from smartops.contracts.canonical import canonical, digest_of
from smartops.contracts.errors import Malformed
from smartops.contracts.parsing import strict_json
from smartops.policy_engine.errors import BundleNotFound, BundleRefused

__all__ = ["CASES", "DATA", "MAX_BUNDLE_BYTES", "MAX_FILES", "MODULE", "Bundle"]

MODULE = ".rego"
CASES = ".cases.json"
"""Inputs with the decisions that they must get; not visible to the policy."""
DATA = ".json"
"""Any other JSON file: merged into `data`."""

MAX_BUNDLE_BYTES = 1024 * 1024
MAX_FILES = 200

_V0_MARKER = "# rego: v0"
_PATH = re.compile(r"(?!\.)[A-Za-z0-9_.-]+(/(?!\.)[A-Za-z0-9_.-]+)*")
"""Plain names, so that a path means the same in a folder, in a message and in a URL."""
_LONGEST_PATH = 200


@dataclass(frozen=True)
class Bundle:
    """Files by path relative to the bundle's root, in sorted order."""

    files: Mapping[str, bytes]

    def __post_init__(self) -> None:
        if not any(path.endswith(MODULE) for path in self.files):
            raise BundleRefused(f"no {MODULE} file")
        if len(self.files) > MAX_FILES:
            raise BundleRefused(f"{len(self.files)} files, at most {MAX_FILES} are allowed")
        for path in self.files:
            if len(path) > _LONGEST_PATH or not _PATH.fullmatch(path):
                raise BundleRefused(f"{path[:_LONGEST_PATH]!r} is no path of plain names")
        size = sum(len(content) for content in self.files.values())
        if size > MAX_BUNDLE_BYTES:
            raise BundleRefused(f"{size} bytes, at most {MAX_BUNDLE_BYTES} are allowed")
        ordered = {path: self.files[path] for path in sorted(self.files)}
        object.__setattr__(self, "files", MappingProxyType(ordered))

    @classmethod
    def read(cls, root: Path) -> Bundle:
        """Read a directory.

        Other file types are left out, and names that begin with a dot: a mounted ConfigMap keeps
        its older versions in such directories.

        Raises:
            BundleNotFound: not a directory.
            BundleRefused: without modules, too large, or unreadable.
        """
        if not root.is_dir():
            raise BundleNotFound(root)
        try:
            return cls({path: place.read_bytes() for path, place in _members(root)})
        except OSError as error:
            raise BundleRefused(f"cannot be read: {error.strerror}") from error

    @classmethod
    def from_document(cls, document: bytes) -> Bundle:
        """Read what `document` wrote.

        Raises:
            BundleRefused: not such a document.
        """
        try:
            files = strict_json(document, max_bytes=4 * MAX_BUNDLE_BYTES)
        except Malformed as error:
            raise BundleRefused(f"no bundle document: {error}") from error
        if not isinstance(files, dict) or not all(isinstance(v, str) for v in files.values()):
            raise BundleRefused("no bundle document: not an object of file texts")
        try:
            return cls({path: text.encode() for path, text in files.items()})
        except UnicodeEncodeError as error:
            raise BundleRefused("no bundle document: a text is not Unicode") from error

    def document(self) -> bytes:
        """The bundle as one canonical JSON object of file texts, to be stored as a blob."""
        return canonical({path: self.text(path) for path in self.files})

    @property
    def digest(self) -> str:
        """SHA-256 over canonical `{path: sha256(file)}`: names the whole bundle, cases included."""
        return digest_of({p: hashlib.sha256(c).hexdigest() for p, c in self.files.items()})

    def modules(self) -> Iterator[tuple[str, str, bool]]:
        """Path, text, and whether it is Rego v0: a comment `# rego: v0` before the package."""
        for path in self.files:
            if path.endswith(MODULE):
                text = self.text(path)
                yield path, text, _marked_v0(text)

    def data(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Path and object of each data file."""
        for path in self.files:
            if path.endswith(DATA) and not path.endswith(CASES):
                yield path, self._object(path)

    def cases(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Path and object of each file of conformance cases."""
        for path in self.files:
            if path.endswith(CASES):
                yield path, self._object(path)

    def text(self, path: str) -> str:
        """A file's text.

        Raises:
            BundleRefused: not UTF-8.
        """
        try:
            return self.files[path].decode("utf-8")
        except UnicodeDecodeError as error:
            raise BundleRefused(f"not UTF-8 at byte {error.start}", file=path) from error

    def _object(self, path: str) -> dict[str, Any]:
        try:
            value = strict_json(self.files[path], max_bytes=MAX_BUNDLE_BYTES)
        except Malformed as error:
            raise BundleRefused(str(error), file=path) from error
        if not isinstance(value, dict):
            raise BundleRefused("must hold a JSON object", file=path)
        return value


def _members(root: Path) -> Iterator[tuple[str, Path]]:
    for place in root.rglob("*"):
        relative = place.relative_to(root)
        if any(part.startswith(".") for part in relative.parts) or not place.is_file():
            continue
        if place.name.endswith((MODULE, DATA)):
            yield relative.as_posix(), place


def _marked_v0(text: str) -> bool:
    for line in text.splitlines():
        bare = line.strip()
        if bare == _V0_MARKER:
            return True
        if bare and not bare.startswith("#"):
            return False
    return False
