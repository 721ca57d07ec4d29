"""Timers: durable rows, due by the database's clock, handed out as triggers."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from smartops.eventstore.errors import StoreError
from smartops.eventstore.rows import DueTimers, TimerRow

__all__ = ["DEFAULT_LIMIT", "POLL", "TimerSource", "Timers"]

POLL = timedelta(seconds=1)
"""Longest sleep: covers timers set by other processes of the service and steps of the clock."""

DEFAULT_LIMIT = 100
"""Due timers read at a time."""

RETRY = timedelta(seconds=1)
"""Pause before a timer is handed out again whose callback left it pending."""


class TimerSource(Protocol):
    """What the wheel needs of the store."""

    async def due_timers(self, limit: int = 100) -> DueTimers:
        """The role's due timers."""
        ...

    def on_timer_set(self, callback: Callable[[datetime], None]) -> Callable[[], None]:
        """Register for the due times of timers set by this process; returns the way out."""
        ...

    def db_now(self) -> datetime:
        """The database's clock, estimated."""
        ...


class Timers:
    """Wakes at the earliest own timer and hands out what is due.

    The callback decides and appends a unit with `Trigger(handler, timer_id, is_timer=True)`; that
    removes the row. A timer is handed out again after a while if its row is still there, and
    possibly to several processes of a service at once: the inbox settles it. One that was due
    while nobody ran fires once, late, with its lateness.
    """

    def __init__(
        self,
        store: TimerSource,
        callback: Callable[[TimerRow], Awaitable[None]],
        *,
        limit: int = DEFAULT_LIMIT,
        poll: timedelta = POLL,
        on_error: Callable[[TimerRow | None, Exception], None] | None = None,
    ) -> None:
        """Prepare; nothing runs before `start`.

        Args:
            store: The store, connected as the service's role.
            callback: Handles one timer. Calls run side by side, at most `limit` of them.
            limit: Most timers in hand.
            poll: Longest time between two looks at the table.
            on_error: Told what a callback, or the look itself (row None), raised. Work goes on.
        """
        self._store = store
        self._callback = callback
        self._limit = limit
        self._poll = poll.total_seconds()
        self._on_error = on_error
        self._in_hand: set[UUID] = set()
        self._calls: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._wake_at: float | None = None
        self._loop_task: asyncio.Task[None] | None = None
        self._unregister: Callable[[], None] | None = None

    async def start(self) -> None:
        """Begin to watch."""
        self._unregister = self._store.on_timer_set(self._hint)
        self._loop_task = asyncio.create_task(self._run(), name="timers")

    async def stop(self) -> None:
        """Stop handing out and wait for the callbacks in hand."""
        if self._unregister is not None:
            self._unregister()
        if self._loop_task is not None:
            self._loop_task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._loop_task
        if self._calls:
            await asyncio.gather(*self._calls, return_exceptions=True)

    def poke(self) -> None:
        """Look at the table now."""
        self._wake.set()

    def _hint(self, due: datetime) -> None:
        """Wake earlier if this process has just set an earlier timer."""
        loop = asyncio.get_running_loop()
        at = loop.time() + max(0.0, (due - self._store.db_now()).total_seconds())
        if self._wake_at is None or at >= self._wake_at:
            return
        self._wake_at = at
        loop.call_at(at, self._wake.set)

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            sleep = await self._look()
            loop = asyncio.get_running_loop()
            # A hint may have come while the look was under way, for a row the look did not see.
            if self._wake.is_set():
                continue
            self._wake_at = loop.time() + sleep
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), sleep)
            self._wake_at = None

    async def _look(self) -> float:
        """Hand out what is due; returns the seconds to sleep."""
        # Any hint that arrives from here on must wake us: the statement may be past its snapshot.
        self._wake_at = float("inf")
        room = self._limit - len(self._in_hand)
        if room <= 0:
            return self._poll
        try:
            found = await self._store.due_timers(self._limit)
        except StoreError as error:
            self._report(None, error)
            return self._poll
        for row in found.due:
            if row.timer_id not in self._in_hand and len(self._in_hand) < self._limit:
                self._hand_out(row)
        if found.next_in is None:
            return self._poll
        return min(self._poll, max(0.0, found.next_in.total_seconds()))

    def _hand_out(self, row: TimerRow) -> None:
        self._in_hand.add(row.timer_id)
        call = asyncio.create_task(self._call(row), name=f"timer {row.name}")
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)

    async def _call(self, row: TimerRow) -> None:
        loop = asyncio.get_running_loop()
        try:
            await self._callback(row)
        except Exception as error:  # noqa: BLE001 - reported; the row stays and is tried again.
            self._report(row, error)
        # Its row is gone by now if the callback appended; if not, it rests before the next try.
        loop.call_later(RETRY.total_seconds(), self._in_hand.discard, row.timer_id)

    def _report(self, row: TimerRow | None, error: Exception) -> None:
        if self._on_error is not None:
            self._on_error(row, error)
