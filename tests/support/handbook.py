"""The documentation as data: pages, fenced blocks, links, and the commands that it shows."""

from __future__ import annotations

import importlib.util
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

__all__ = [
    "ROOT",
    "Block",
    "Shown",
    "blocks",
    "generator",
    "make_targets",
    "pages",
    "prose",
    "shown",
]

ROOT = Path(__file__).resolve().parents[2]

_FENCE = re.compile(r"^```(?P<info>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`([^`\n]+)`")
_ENDS = frozenset({"|", "||", "&&", ";", ">", "2>", "&"})


class Block(NamedTuple):
    """A fenced block."""

    page: Path
    info: str
    """The language, and what is to be done with it: `python run`."""
    text: str


class Shown(NamedTuple):
    """A command that a page shows."""

    page: Path
    words: tuple[str, ...]


def pages() -> list[Path]:
    """Every page of the repository."""
    patterns = ("*.md", "docs/**/*.md", "services/*/*.md", "libs/*/*.md", "infra/**/*.md")
    return sorted({page for pattern in patterns for page in ROOT.glob(pattern)})


def blocks(page: Path, info: str = "") -> Iterator[Block]:
    """The fenced blocks of a page whose info begins so."""
    for match in _FENCE.finditer(page.read_text("utf-8")):
        if match["info"].startswith(info):
            yield Block(page, match["info"].strip(), match["text"])


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return _FENCE.sub("", page.read_text("utf-8"))


def shown(page: Path, program: str, *, inline: bool = True) -> Iterator[Shown]:
    """The calls of a program in shell blocks, then those in inline code."""
    lines = [line for block in blocks(page, "sh") for line in block.text.splitlines()]
    for line in [*lines, *(_INLINE.findall(prose(page)) if inline else ())]:
        for match in re.finditer(rf"(?:^|\$\(|\| |; )(?:\.venv/bin/)?({program} .*)", line):
            words = _words(match[1])
            if words is not None:
                yield Shown(page, words)


def make_targets() -> set[str]:
    """What `make` can make here."""
    text = (ROOT / "Makefile").read_text("utf-8")
    return set(re.findall(r"^([a-z]+):.*##", text, re.MULTILINE))


def generator() -> ModuleType:
    """`docs/generate.py` as a module."""
    name = "docs_generate"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / "generate.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


def _words(text: str) -> tuple[str, ...] | None:
    """The words of one command, without what follows it on its line."""
    try:
        words = shlex.split(text, comments=True)
    except ValueError:
        words = shlex.split(text.partition(")")[0], comments=True)
    kept: list[str] = []
    for word in words:
        if word in _ENDS:
            break
        kept.append(word.rstrip(")") if word.endswith(")") and "(" not in word else word)
    return tuple(kept) if len(kept) > 1 else None
