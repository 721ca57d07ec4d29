"""Appending anchors to files, flushed to the disk line by line."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from smartops.audit.anchors import (
    FIRST,
    Anchor,
    Rewind,
    digest_of_line,
    files_of,
    line_of,
    read_file,
    standing,
)
from smartops.audit.read_models.tenants import TenantRow

__all__ = ["AnchorLog"]


class AnchorLog:
    """The anchor files of one directory. One process at a time writes: the projecting one.

    All methods block on the disk: call them from a thread.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._previous = FIRST
        self._newest = ""
        self._latest: dict[str, Anchor] = {}

    @property
    def latest(self) -> Sequence[Anchor]:
        """The last anchor of each tenant, as far as the newest file and our own writing tell."""
        return tuple(self._latest.values())

    def open(self) -> None:
        """Find the end of the chain of lines.

        Raises:
            AnchorsDamaged: the newest file is not what was written.
            OSError: the directory cannot be made or read.
        """
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._previous, self._newest, self._latest = FIRST, "", {}
        files = files_of(self._directory)
        said: list[Anchor | Rewind] = []
        # The day's first line links to the last line of the file before: two files tell the end.
        for file in files[-2:]:
            previous = self._previous if self._newest else None
            for read, line in read_file(file, previous):
                self._previous = digest_of_line(line)
                said.append(read)
            self._newest = file.name
        self._latest = {anchor.tenant: anchor for anchor in standing(said)}
        if files:
            _cut_off_torn_line(files[-1])

    def append(self, ends: Sequence[TenantRow]) -> Sequence[Anchor]:
        """Write down those heads that have moved since; on disk when this returns.

        Raises:
            OSError: the disk refuses. Nothing is anchored then; call again later.
        """
        now = datetime.now(UTC)
        at = _text(now)
        anchors: list[Anchor] = []
        lines: list[bytes] = []
        previous = self._previous
        for end in sorted(ends):
            known = self._latest.get(end.tenant)
            if known is not None and known.position >= end.verified_position:
                continue
            anchor = Anchor(
                tenant=end.tenant,
                position=end.verified_position,
                count=end.events,
                head=end.verified_hash.hex(),
                at=at,
                previous=previous,
            )
            line = line_of(anchor)
            previous = digest_of_line(line)
            anchors.append(anchor)
            lines.append(line + b"\n")
        if not anchors:
            return ()
        self._write(now, b"".join(lines))
        self._previous = previous
        self._latest.update({anchor.tenant: anchor for anchor in anchors})
        return anchors

    def rewind(self, position: int, anchored: int, by: str) -> Rewind:
        """Write down that the log was restored to this position; on disk when this returns.

        Raises:
            OSError: as `append`.
        """
        now = datetime.now(UTC)
        rewind = Rewind(position, anchored, by, _text(now), self._previous)
        line = line_of(rewind)
        self._write(now, line + b"\n")
        self._previous = digest_of_line(line)
        self._latest = {t: a for t, a in self._latest.items() if a.position <= position}
        return rewind

    def _write(self, now: datetime, lines: bytes) -> None:
        # Never an older name than the newest: a clock set back must not reorder the lines.
        name = max(self._newest, f"anchors-{now:%Y-%m-%d}.jsonl")
        _append(self._directory / name, lines)
        self._newest = name


def _text(now: datetime) -> str:
    return now.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def _append(file: Path, content: bytes) -> None:
    is_new = not file.exists()
    handle = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        size = os.fstat(handle).st_size
        try:
            while content:
                content = content[os.write(handle, content) :]
            os.fsync(handle)
        except OSError:
            # Half a line would break the chain for whatever is written next.
            os.ftruncate(handle, size)
            raise
    finally:
        os.close(handle)
    if is_new:
        _flush_directory(file.parent)


def _flush_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _cut_off_torn_line(file: Path) -> None:
    """Remove what a crash left of a line: it never counted, and would swallow the next one."""
    content = file.read_bytes()
    end = content.rfind(b"\n") + 1
    if end != len(content):
        os.truncate(file, end)
