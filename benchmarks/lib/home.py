"""Directories for stacks that live as long as an experiment."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.lib.experiment import progress

__all__ = ["disk_gb", "scratch_home"]

BLOCK_BYTES = 512
"""What `st_blocks` counts in, whatever the file system."""


@contextmanager
def scratch_home(keep: Path | None = None) -> Iterator[Path]:
    """A fresh directory, removed at the end; or `keep`, which stays.

    It lies where temporary files lie: that must be a real disk, or the figures mean nothing.
    """
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True, mode=0o700)
        progress(f"the stack's data stay in {keep}")
        yield keep
        return
    home = Path(tempfile.mkdtemp(prefix="smartops-experiment-"))
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


def disk_gb(home: Path) -> float:
    """What a directory takes on disk, in GB of 10^9 bytes."""
    used = 0
    for directory, _, names in os.walk(home):
        for name in names:
            with contextlib.suppress(FileNotFoundError):  # Servers come and go with their files.
                used += Path(directory, name).lstat().st_blocks * BLOCK_BYTES
    return used / 1e9
