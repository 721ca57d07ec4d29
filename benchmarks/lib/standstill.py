"""Processes that stand still, with calls held at a known place, and go on much later."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

__all__ = ["Held", "Standstill"]

_LOOK_S = 0.05
_QUIET_S = 1.0
"""Without another one arriving: whoever comes to this process has come."""


@dataclass(frozen=True, slots=True)
class Held:
    """A process that stands still.

    Attributes:
        pid: of it.
        tasks: whose calls are exactly at the place.
    """

    pid: int
    tasks: set[UUID]


class Standstill:
    """The folder in which places hold, and the signals."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._stopped: set[int] = set()

    async def hold(
        self,
        pids: Iterable[int],
        place: str,
        tasks: Iterable[UUID],
        begin: asyncio.Event,
        patience_s: float,
    ) -> Held:
        """Hold these tasks' calls at a place, and stop the process that has most of them there.

        The calls that the others hold go on.

        Args:
            pids: processes of one service.
            place: as `failpoints.reach` is told.
            tasks: which.
            begin: set as soon as calls that come to the place are held.
            patience_s: until the first must have come; without any one is stopped as it is.
        """
        files = {pid: self._folder / f"{place}.hold.{pid}" for pid in pids}
        named = json.dumps([str(task) for task in tasks])
        await asyncio.gather(*(asyncio.to_thread(_write, file, named) for file in files.values()))
        begin.set()
        end = time.monotonic() + patience_s
        came: dict[int, set[UUID]] = {}
        while time.monotonic() < end:
            await asyncio.sleep(_LOOK_S)  # Other processes write them down.
            now = {pid: await asyncio.to_thread(_held, file) for pid, file in files.items()}
            if now != came:
                came, end = now, time.monotonic() + _QUIET_S
        victim = max(came, key=lambda pid: len(came[pid]))
        self.stop(victim)
        held = Held(victim, await asyncio.to_thread(_held, files[victim]))
        await asyncio.gather(*(asyncio.to_thread(_remove, file) for file in files.values()))
        return held

    def stop(self, pid: int) -> None:
        """Let a process stand still, wherever it is."""
        os.kill(pid, signal.SIGSTOP)
        self._stopped.add(pid)

    def go_on(self, pid: int) -> None:
        """Let it go on."""
        os.kill(pid, signal.SIGCONT)
        self._stopped.discard(pid)

    def all_go_on(self) -> None:
        """Let everybody go on."""
        for pid in list(self._stopped):
            self.go_on(pid)


def _write(file: Path, text: str) -> None:
    beside = file.with_name(f".{file.name}")
    beside.write_text(text, encoding="utf-8")
    beside.replace(file)


def _remove(file: Path) -> None:
    file.unlink()
    _beside(file).unlink(missing_ok=True)


def _held(file: Path) -> set[UUID]:
    noted = _beside(file)
    if not noted.exists():
        return set()
    return {UUID(line) for line in noted.read_text(encoding="utf-8").split()}


def _beside(file: Path) -> Path:
    return file.with_name(f"{file.name}.held")
