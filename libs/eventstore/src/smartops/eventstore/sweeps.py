"""Sweeps: find trigger events that nobody handled, without help from the bus."""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from smartops.eventstore.errors import StoreError
from smartops.eventstore.rows import HandlerMarks, StoredRow

__all__ = ["INTERVAL", "LIMIT", "OLDER_THAN", "PATIENCE", "Handler", "SweepSource", "Sweeper"]

INTERVAL = timedelta(seconds=2)
"""Mean pause between two sweeps; jittered by a quarter, so that processes spread out."""

OLDER_THAN = timedelta(seconds=3)
"""Age from which an unhandled event counts as forgotten by the bus rather than under way."""

LIMIT = 200
"""Unhandled events taken per handler and sweep."""

PATIENCE = timedelta(seconds=5)
"""How long a sweep waits for one callback before it goes on to the next event."""

MOST_IN_HAND = 32
"""Callbacks that were not waited for to the end; beyond that a sweep waits for one of them."""


@dataclass(frozen=True, slots=True)
class Handler:
    """What a handler is triggered by."""

    name: str
    """As in `Trigger.handler`; unique within its role."""

    topics: Sequence[str] = ()
    """Event topics; none for a handler of commands, which no sweep can find."""

    parties: Sequence[str] | None = None
    """Only events for these parties; None for any."""

    from_position: int | None = None
    """Only events above this position; None means: those after its first registration."""


class SweepSource(Protocol):
    """What the sweeper needs of the store."""

    async def register_handlers(self, handlers: Sequence[Handler]) -> Sequence[HandlerMarks]:
        """Make the handlers known."""
        ...

    async def unhandled(
        self, handler: Handler, older_than: timedelta = OLDER_THAN, limit: int = LIMIT
    ) -> list[StoredRow]:
        """Its events without an inbox row."""
        ...


class Sweeper:
    """Asks regularly for unhandled events and hands them to a callback, oldest first.

    One callback at a time, as long as they are quick: a sweep is the slow, sure way behind the fast
    one. One that takes long, such as a call that works for minutes, goes on by itself. An event is
    handed out on each sweep until it has an inbox row; handled and parked ones lie below the
    handler's low-water mark sooner or later and cost nothing any more.
    """

    def __init__(
        self,
        store: SweepSource,
        handlers: Sequence[Handler],
        callback: Callable[[str, StoredRow], Awaitable[None]],
        *,
        interval: timedelta = INTERVAL,
        older_than: timedelta = OLDER_THAN,
        patience: timedelta = PATIENCE,
        on_error: Callable[[str, StoredRow | None, Exception], None] | None = None,
    ) -> None:
        """Prepare; nothing runs before `start`.

        Args:
            store: The store, connected as the service's role.
            handlers: All handlers of the service.
            callback: Handles (handler name, event) as if it had come by the bus.
            interval: Mean pause between sweeps.
            older_than: Younger events are left to the bus.
            patience: How long to wait for one callback before going on.
            on_error: Told what a callback, or the sweep itself (row None), raised. Work goes on.
        """
        self._store = store
        self._handlers = tuple(handlers)
        self._callback = callback
        self._interval = interval.total_seconds()
        self._older_than = older_than
        self._patience = patience.total_seconds()
        self._on_error = on_error
        self._in_hand: dict[tuple[str, UUID], asyncio.Task[None]] = {}
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Register the handlers and begin.

        Raises:
            StoreUnavailable: The handlers could not be registered.
        """
        await self._store.register_handlers(self._handlers)
        self._task = asyncio.create_task(self._run(), name="sweeper")

    async def stop(self) -> None:
        """Stop; callbacks in hand are cancelled, their events stay unhandled."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        left = list(self._in_hand.values())
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def poke(self) -> None:
        """Sweep now, e.g. after the bus came back."""
        self._wake.set()

    async def sweep(self) -> int:
        """One round over all handlers; returns the number of events handed out."""
        count = 0
        for handler in self._handlers:
            if not handler.topics:
                continue
            try:
                rows = await self._store.unhandled(handler, self._older_than)
            except StoreError as error:
                self._report(handler.name, None, error)
                return count
            for row in rows:
                if (handler.name, row.event_id) not in self._in_hand:
                    count += 1
                    await self._hand_out(handler.name, row)
        return count

    async def _hand_out(self, name: str, row: StoredRow) -> None:
        task = asyncio.create_task(self._call(name, row), name=f"swept {name}")
        key = (name, row.event_id)
        self._in_hand[key] = task
        task.add_done_callback(lambda _: self._in_hand.pop(key, None))
        await asyncio.wait({task}, timeout=self._patience)
        if len(self._in_hand) >= MOST_IN_HAND:
            await asyncio.wait(self._in_hand.values(), return_when=asyncio.FIRST_COMPLETED)

    async def _call(self, name: str, row: StoredRow) -> None:
        try:
            await self._callback(name, row)
        except Exception as error:  # noqa: BLE001 - reported; found again next time.
            self._report(name, row, error)

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            await self.sweep()
            pause = self._interval * random.uniform(0.75, 1.25)  # noqa: S311 - spreads load only.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), pause)

    def _report(self, handler: str, row: StoredRow | None, error: Exception) -> None:
        if self._on_error is not None:
            self._on_error(handler, row, error)
