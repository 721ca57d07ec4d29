"""Timers of our own, set and fired as services do it, each counted."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
from smartops.devstack.stack import Stack
from smartops.eventstore import (
    Committed,
    EventStore,
    TimerRow,
    Timers,
    TimerSet,
    Trigger,
    Unit,
)

from benchmarks.lib.clock_history import ClockHistory

__all__ = ["TimerProbe"]

ROLE = "smartops_audit"
"""Sets no timers of its own, so these are alone."""
HANDLER = "probe.timer"

_FIRED = "select cause, recorded_at from smartops_log.inbox where handler = $1"


class TimerProbe:
    """Two wheels, as of two processes of one service, over the same timers.

    Attributes:
        due: of each timer that was set, by the database's clock.
        fired: how often each was taken by a unit of ours.
    """

    def __init__(self, stack: Stack, store: EventStore) -> None:
        """Use `running`."""
        self._stack = stack
        self._store = store
        self._news = asyncio.Event()
        self.due: dict[UUID, datetime] = {}
        self.fired: Counter[UUID] = Counter()

    @classmethod
    @asynccontextmanager
    async def running(cls, stack: Stack) -> AsyncIterator[TimerProbe]:
        """Both wheels turn during the block."""
        dsn = stack.postgres.dsn(ROLE, stack.passwords[ROLE])
        async with AsyncExitStack() as cleanup:
            stores = []
            for _ in range(2):
                store = await EventStore.connect(dsn)
                cleanup.push_async_callback(store.close)
                stores.append(store)
            probe = cls(stack, stores[0])
            for store in stores:
                wheel = Timers(store, probe._handed_out(store))
                await wheel.start()
                cleanup.push_async_callback(wheel.stop)
            yield probe

    async def set(self, delays: Sequence[timedelta]) -> None:
        """Set one timer by its time, and one by its delay, for each of these."""
        for delay in delays:
            now = self._store.db_now()
            for due in (now + delay, delay):
                timer = TimerSet(uuid4(), HANDLER, "_platform/probe-1", "due", due)
                await self._store.append(Unit([Trigger("probe.set", uuid4())], timers=[timer]))
                self.due[timer.timer_id] = now + delay

    async def all_fired(self, patience_s: float) -> bool:
        """Wait until each has fired."""
        try:
            async with asyncio.timeout(patience_s):
                while self.fired.keys() < self.due.keys():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            return False
        return True

    async def judge(self, clock: ClockHistory) -> dict[str, int]:
        """Timers that fired twice, never, or before their time; by the log, not by our count."""
        connection = await asyncpg.connect(self._stack.postgres.dsn())
        try:
            rows = await connection.fetch(_FIRED, HANDLER)
        finally:
            await connection.close()
        settled = {row[0]: row[1] for row in rows}
        early = [
            timer
            for timer, reading in settled.items()
            if max(clock.readings(clock.true_time(reading))) < self.due[timer]
        ]
        return {
            "set": len(self.due),
            "fired_twice": sum(times > 1 for times in self.fired.values()),
            "never_fired": len(self.due.keys() - settled.keys()),
            "fired_early": len(early),
        }

    def _handed_out(self, store: EventStore) -> Callable[[TimerRow], Awaitable[None]]:
        async def fire(row: TimerRow) -> None:
            trigger = Trigger(row.handler, row.timer_id, is_timer=True)
            if isinstance(await store.append(Unit([trigger])), Committed):
                self.fired[row.timer_id] += 1
                self._news.set()

        return fire
