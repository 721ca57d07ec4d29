"""Waiting for what other processes do without telling."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from urllib.request import urlopen

__all__ = ["appears", "ready"]

_POLL_S = 0.03


async def appears(path: Path) -> None:
    """Wait until another process has written a file."""

    def written() -> bool:
        return path.exists() and bool(path.read_text(encoding="utf-8").strip())

    await _until(written)


async def ready(health: Path) -> None:
    """Wait until the service whose health pages this file names answers that it is ready."""
    await appears(health)

    def answers() -> bool:
        # Read each time: after a restart the file names the ended process's port for a while.
        url = health.read_text(encoding="utf-8").strip() + "/ready"
        with contextlib.suppress(OSError), urlopen(url, timeout=2) as reply:  # noqa: S310 - ours
            return bool(reply.status == HTTPStatus.OK)
        return False

    await _until(answers)


async def _until(holds: Callable[[], bool]) -> None:
    while not await asyncio.to_thread(holds):  # noqa: ASYNC110 - nothing tells of it
        await asyncio.sleep(_POLL_S)
