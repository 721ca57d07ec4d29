"""SIGKILL by lot: each kind of process again and again, whatever else is down at that time."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable, Sequence

from smartops.eventstore.faults import AWAY

from benchmarks.lib.experiment import progress
from benchmarks.lib.nemesis import BACK_S, Kill
from benchmarks.lib.postgres_kills import BACKEND, POSTMASTER, kill_backend, kill_postmaster
from benchmarks.lib.supervised import POSTGRES, Wards

__all__ = ["Lottery"]

POSTGRES_WAYS = (POSTGRES, POSTMASTER, BACKEND)
"""All of its processes at once, the postmaster alone, one backend of a service."""

_TELL_EVERY = 70


class Lottery:
    """Draws, for each kind of process and each turn, a moment; kills of one kind never overlap.

    The n-th kill of a kind falls somewhere into the n-th slot of `every_s` seconds, but not before
    that kind has served again since its last one: else the kill would show nothing.

    Attributes:
        kills: what was done so far, in order.
        broken: kinds that did not come back; the lottery then ends early.
    """

    def __init__(
        self,
        wards: Wards,
        seed: int,
        every_s: float,
        in_flight: Callable[[], int],
        struck: asyncio.Event,
    ) -> None:
        """Prepare.

        Args:
            wards: the stack.
            seed: of the draws.
            every_s: length of a slot.
            in_flight: counts tasks.
            struck: set with the last kill.
        """
        self._wards = wards
        self._seed = seed
        self._every_s = every_s
        self._in_flight = in_flight
        self._struck = struck
        self._over = asyncio.Event()
        self._left = 0
        self.kills: list[Kill] = []
        self.broken: list[str] = []

    async def run(self, kinds: Sequence[str], times: int) -> None:
        """Kill each kind so often, all kinds at the same time; returns once all serve again."""
        began = asyncio.get_running_loop().time()
        self._left = times * len(kinds)
        async with asyncio.TaskGroup() as group:
            for kind in kinds:
                group.create_task(self._draw(kind, times, began), name=f"lottery of {kind}")

    async def _draw(self, kind: str, times: int, began: float) -> None:
        # Of its own: how long another kind takes to come back must not change this one's draws.
        chance = random.Random(f"{self._seed}/{kind}")
        loop = asyncio.get_running_loop()
        done = 0
        while done < times:
            due = began + (done + chance.random()) * self._every_s
            # Late already: still a random moment of its new life.
            pause = max(due - loop.time(), chance.uniform(0.05, 0.5))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), pause)
            if self._over.is_set():
                return
            way = POSTGRES_WAYS[done % len(POSTGRES_WAYS)] if kind == POSTGRES else kind
            try:
                kill, back = await self._strike(way, chance)
            except (*AWAY, LookupError):
                continue  # No database, or no backend, to kill just now: draw another moment.
            done += 1
            try:
                async with asyncio.timeout(BACK_S):
                    await back
            except TimeoutError:
                self.broken.append(f"{way} did not serve again within {BACK_S:g} s")
                self._over.set()
                return
            kill.back_at = time.time()

    async def _strike(self, way: str, chance: random.Random) -> tuple[Kill, Awaitable[object]]:
        """Kill; returns what to await until it serves again."""
        back: Awaitable[object]
        if way == BACKEND:
            back = await kill_backend(self._wards.stack, chance)
            return self._note(way), back
        kill = self._note(way)
        if way == POSTMASTER:
            back = self._wards.back(POSTGRES, kill_postmaster(self._wards))
        else:
            back = self._wards.back(way, self._wards.kill(way))
        return kill, back

    def _note(self, way: str) -> Kill:
        kill = Kill(way, time.time(), self._in_flight())
        self.kills.append(kill)
        self._left -= 1
        if not self._left:
            self._struck.set()
        if len(self.kills) % _TELL_EVERY == 0:
            progress(f"{len(self.kills)} kills; {kill.in_flight} tasks in flight")
        return kill
