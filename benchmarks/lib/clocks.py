"""Wall clocks that can be set while their processes run, by libfaketime.

Only what a process asks of the C library is faked, and only the wall clock: the monotonic one goes
on as it is. A program that asks the kernel itself, such as nats-server, cannot be deceived.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

__all__ = ["HOW_TO_GET_IT", "Clock", "clear_traces", "find_library"]

HOW_TO_GET_IT = "libfaketime is missing: install it (Debian: `apt-get install libfaketime`)"

_PLACES = (
    "/usr/lib/*/faketime/libfaketimeMT.so.1",
    "/usr/lib*/faketime/libfaketimeMT.so.1",
    "/usr/local/lib/faketime/libfaketimeMT.so.1",
)


def find_library() -> Path | None:
    """The library: of the system, or else what the Python package of that name brings."""
    for pattern in _PLACES:
        for found in sorted(Path("/").glob(pattern.lstrip("/"))):
            return found
    spec = importlib.util.find_spec("libfaketime")
    if spec is not None and spec.origin is not None:
        found = Path(spec.origin).parent / "vendor/libfaketime/src/libfaketime.so.1"
        return found if found.exists() else None
    return None


def clear_traces() -> None:
    """Remove what the library leaves in shared memory for processes that were killed."""
    for trace in Path("/dev/shm").glob("*faketime_s*_[0-9]*"):
        if not Path("/proc", trace.name.rpartition("_")[2]).exists():
            trace.unlink(missing_ok=True)


class Clock:
    """The wall clock of some processes: the true time, and so much.

    Attributes:
        offset: by how much it is ahead.
    """

    def __init__(self, library: Path, file: Path) -> None:
        """Right at first; `file` tells the processes."""
        self._library = library
        self._file = file
        self.offset = timedelta(0)
        self.set(self.offset)

    def set(self, offset: timedelta) -> None:
        """Set it, at once and for all of its processes."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{offset.total_seconds():+.0f}\n", encoding="ascii")
        new.replace(self._file)  # A process never reads half a line.
        self.offset = offset

    def environment(self) -> Mapping[str, str]:
        """What makes a process go by it."""
        return {
            "LD_PRELOAD": os.fspath(self._library),
            "FAKETIME_TIMESTAMP_FILE": os.fspath(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }

    def launcher(self) -> list[str]:
        """The same, for a process whose environment is not ours to make."""
        return ["env", *(f"{name}={value}" for name, value in self.environment().items())]
