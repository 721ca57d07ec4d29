"""SIGKILL for everybody, at seeded random times, and what that did."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.lib.experiment import progress
from benchmarks.lib.supervised import Wards

__all__ = ["Kill", "Nemesis"]

BACK_S = 90.0
"""A killed part that does not serve again within this time is itself a broken promise."""


@dataclass(slots=True)
class Kill:
    """One SIGKILL."""

    part: str
    at: float
    """Seconds of the epoch."""
    in_flight: int
    """Tasks accepted and neither ended nor with a human at that moment."""
    back_at: float | None = None
    """When it served again."""


class Nemesis:
    """Kills each part so many times, in a seeded order, with seeded pauses."""

    def __init__(self, wards: Wards, seed: int, in_flight: Callable[[], int]) -> None:
        self._wards = wards
        self._random = random.Random(seed)
        self._in_flight = in_flight
        self._returns: dict[str, asyncio.Task[None]] = {}
        self.kills: list[Kill] = []

    def order(self, parts: Sequence[str], times: int) -> list[str]:
        """Who is killed when."""
        order = [part for part in parts for _ in range(times)]
        self._random.shuffle(order)
        return order

    async def strike(self, order: Sequence[str], longest_pause_s: float) -> None:
        """Kill one after the other; a part that is still coming back is awaited first."""
        for part in order:
            pending = self._returns.get(part)
            if pending is not None:
                await pending
            await asyncio.sleep(self._random.uniform(0.2, 1.0) * longest_pause_s)
            kill = Kill(part, time.time(), self._in_flight())
            self.kills.append(kill)
            restart = self._wards.kill(part)
            progress(f"killed {part}, {kill.in_flight} tasks in flight")
            self._returns[part] = asyncio.create_task(self._await_return(kill, restart))

    async def all_back(self) -> list[str]:
        """Wait until everything serves again; names what does not."""
        if self._returns:
            await asyncio.wait(self._returns.values())
        return [
            f"{kill.part} did not serve again within {BACK_S:g} s"
            for kill in self.kills
            if kill.back_at is None
        ]

    async def _await_return(self, kill: Kill, restart: int) -> None:
        try:
            async with asyncio.timeout(BACK_S):
                kill.back_at = await self._wards.back(kill.part, restart)
        except TimeoutError:
            return
