"""One server per directory: a lock that lives exactly as long as the server's processes."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final

__all__ = ["DirectoryInUseError", "directory_lock"]

_POLL_S: Final = 0.02


class DirectoryInUseError(Exception):
    """Another server's processes still hold the directory; the server says so in its own words."""


@asynccontextmanager
async def directory_lock(
    directory: Path, patience: timedelta, *, meanwhile: Callable[[], None] = lambda: None
) -> AsyncIterator[int]:
    """Take the lock beside `directory` and give out its descriptor, to be inherited by the server.

    The lock belongs to the open file, not to us: it is free again only when the last process that
    inherited the descriptor has ended. So a server that is killed keeps its directory until its
    workers are gone too, and nobody starts a second one over them.

    Args:
        directory: What is locked; the lock file is its sibling.
        patience: How long to wait for processes that are just ending.
        meanwhile: Called at each try, to help them along.

    Raises:
        DirectoryInUseError: It is still held after `patience`.
    """
    directory.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = directory.with_name(directory.name + ".lock")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline = asyncio.get_running_loop().time() + patience.total_seconds()
        while not _taken(descriptor):
            if asyncio.get_running_loop().time() > deadline:
                raise DirectoryInUseError
            meanwhile()
            await asyncio.sleep(_POLL_S)
        yield descriptor
    finally:
        os.close(descriptor)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
