"""The far end of the outbox: rows of published events are deleted in the background."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable

from smartops.eventstore.errors import StoreError
from smartops.eventstore.link import LAST_DELAY, pause

__all__ = ["OutboxDone"]

GATHER = 0.25
"""Seconds to gather positions: a row deleted late costs nothing, a statement per row would. Well
below the age at which a row counts as left over."""

MAX_POSITIONS = 2_000
"""Positions per statement."""


class OutboxDone:
    """Collects positions and deletes their rows.

    The statement does not wait for the disk: a row that a crash brings back is published again,
    under the same message id.
    """

    def __init__(self, delete: Callable[[list[int]], Awaitable[object]]) -> None:
        self._delete = delete
        self._positions: list[int] = []
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to delete."""
        self._task = asyncio.create_task(self._run(), name="outbox done")

    def add(self, positions: Iterable[int]) -> None:
        """These events are published."""
        self._positions.extend(positions)
        self._wake.set()

    async def close(self, grace: float) -> None:
        """Delete what is known, for `grace` seconds; the rest is published again some day."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        with contextlib.suppress(TimeoutError, StoreError):
            async with asyncio.timeout(grace):
                while self._positions:
                    await self._delete_some()

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            await asyncio.sleep(GATHER)
            self._wake.clear()
            while self._positions:
                try:
                    await self._delete_some()
                except StoreError:
                    # The rows are still there, and so are the positions: later is early enough.
                    await pause(LAST_DELAY)

    async def _delete_some(self) -> None:
        some = self._positions[:MAX_POSITIONS]
        await self._delete(some)
        del self._positions[: len(some)]
