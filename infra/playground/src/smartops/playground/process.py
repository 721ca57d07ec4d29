"""Runs a playground as a child process: for tests, demonstrations and experiments."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from smartops.playground.errors import StartFailed

__all__ = ["PlaygroundProcess", "running_playground"]


@dataclass(frozen=True, slots=True)
class PlaygroundProcess:
    """A playground that listens."""

    url: str
    """Where it listens, without a slash at the end."""
    process: asyncio.subprocess.Process

    async def kill(self) -> None:
        """End it as a power switch would (SIGKILL); returns once it is gone."""
        if self.process.returncode is None:
            self.process.kill()
        await self.process.communicate()

    async def stop(self) -> int:
        """End it tidily (SIGTERM) and return its exit status."""
        if self.process.returncode is None:
            self.process.terminate()
        await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode


@asynccontextmanager
async def running_playground(
    record: Path, state: Path, *options: str, start_timeout_s: float = 20.0
) -> AsyncIterator[PlaygroundProcess]:
    """A playground on a free port; killed at the end, if it still runs.

    Args:
        record: The file to append requests to.
        state: The file that keeps the fleet.
        options: Further options of `python -m smartops.playground`.
        start_timeout_s: Seconds to wait for it to listen.

    Raises:
        StartFailed: It did not begin to listen; the message holds what it said.
    """
    files = ("--record", str(record), "--state", str(state))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "smartops.playground"),
        *files,
        *options,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        said = await asyncio.wait_for(process.stdout.readline(), start_timeout_s)
    except TimeoutError:
        said = b""
    except BaseException:
        process.kill()
        await process.communicate()
        raise
    if not said:
        if process.returncode is None:
            process.kill()
        _, complaint = await process.communicate()
        raise StartFailed(complaint.decode(errors="replace").strip())
    child = PlaygroundProcess(said.decode().split()[-1], process)
    try:
        yield child
    finally:
        await child.kill()
