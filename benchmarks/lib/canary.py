"""Records written beside the servers, with and without a flush, to see what a cut really takes.

One canary says a record is safe only after its flush: if a cut takes such a record, the disk does
not keep its word, and the run shows nothing. The other never flushes: if its records survive, the
cut takes nothing, and the run shows nothing either.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Canary", "Lost"]

_RECORD = 16
_PAUSE_S = 0.02


@dataclass(frozen=True, slots=True)
class Lost:
    """What one cut took."""

    flushed: int
    """Records that had been flushed, and are gone: must be none."""
    unflushed: int
    """Records that had only been written, and are gone."""
    written: int
    """Records that had only been written, in all."""


class Canary:
    """Both writers, in a thread of their own, in a directory."""

    def __init__(self, directory: Path) -> None:
        self._flushed_path = directory / "canary-flushed"
        self._unflushed_path = directory / "canary-unflushed"
        self._safe = 0
        self._written = 0
        self._before = (0, 0)
        self._end = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def written(self) -> int:
        """Records written without a flush so far."""
        return self._written

    def start(self) -> None:
        """Begin with empty files."""
        self._safe = self._written = 0
        self._end.clear()
        self._thread = threading.Thread(target=self._write, name="canary", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End, if the disk has not ended it; no file is open afterwards."""
        self._end.set()
        if self._thread is not None:
            self._thread.join()

    def note(self) -> None:
        """Right before a cut: what is safe, and what was written.

        A flush during the cut may say that it worked. Whoever has really lost the power is not
        there to hear that.
        """
        self._before = self._safe, self._written

    def lost(self) -> Lost:
        """Of what was noted; count once the disk is back."""
        safe, written = self._before
        flushed, unflushed = _records(self._flushed_path), _records(self._unflushed_path)
        return Lost(max(0, safe - flushed), max(0, written - unflushed), written)

    def _write(self) -> None:
        # Unbuffered: our own buffer is none of the disk's business.
        try:
            with (
                self._flushed_path.open("wb", buffering=0) as flushed,
                self._unflushed_path.open("wb", buffering=0) as unflushed,
            ):
                # The files' names must last, or the counts below would speak of those instead.
                for file in (flushed, unflushed):
                    os.fsync(file.fileno())
                _fsync_directory(self._flushed_path.parent)
                number = 0
                while not self._end.wait(_PAUSE_S):
                    number += 1
                    record = b"%0*d\n" % (_RECORD - 1, number)
                    unflushed.write(record)
                    self._written = number
                    flushed.write(record)
                    os.fsync(flushed.fileno())
                    self._safe = number
        except OSError:
            return  # The power is gone.


def _records(path: Path) -> int:
    """Records in order from the first one; what follows a torn one does not count."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return 0
    count = 0
    for start in range(0, len(raw), _RECORD):
        if raw[start : start + _RECORD] != b"%0*d\n" % (_RECORD - 1, count + 1):
            break
        count += 1
    return count


def _fsync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
