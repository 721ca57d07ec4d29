"""Group commit: concurrent units of a process share one statement and one flush to disk."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence

from smartops.eventstore.admission import Admitted, admit
from smartops.eventstore.batch import APPEND, Batch
from smartops.eventstore.clock import DatabaseClock
from smartops.eventstore.errors import StoreClosed, StoreError, StoreUnavailable
from smartops.eventstore.limits import (
    MAX_BATCH_BYTES,
    MAX_BATCH_UNITS,
    MAX_QUEUE_BYTES,
    MAX_QUEUE_UNITS,
)
from smartops.eventstore.link import FIRST_DELAY, LAST_DELAY, Link, LinkLost, pause
from smartops.eventstore.results import Already, AppendResult, Committed
from smartops.eventstore.units import Unit

__all__ = ["Appender", "Stored"]

STATEMENT_TIMEOUT = 30.0
"""Seconds until an append without an answer counts as lost. Longer than the server's own timeout
(`store.py`), so that the server has given up before the batch is sent again."""

Stored = Callable[[Sequence[tuple[Unit, Committed]]], None]
"""Told of each batch's committed units, in order, before their callers are."""


class _Waiting:
    """A unit in the queue, and who waits for it."""

    __slots__ = ("admitted", "future")

    def __init__(self, admitted: Admitted, future: asyncio.Future[AppendResult]) -> None:
        self.admitted = admitted
        self.future = future

    def answer(self, result: AppendResult) -> None:
        if not self.future.done():  # The caller may have been cancelled; the commit stands.
            self.future.set_result(result)

    def fail(self, error: StoreError) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class Appender:
    """Queues units and flushes them, one batch in flight at a time.

    One batch, because the database takes them one at a time anyway: while one is being flushed to
    disk the next one gathers. Units keep their order.
    """

    def __init__(
        self,
        link: Link,
        clock: DatabaseClock,
        stored: Stored,
        unsure: Callable[[], None],
    ) -> None:
        """Prepare; nothing runs before `start`.

        Args:
            link: A connection for appends only.
            clock: Learns from each answer.
            stored: Told of what was committed.
            unsure: Told when a repeated batch found units settled: an earlier try of ours may have
                committed them, and nobody has published their events yet.
        """
        self._link = link
        self._clock = clock
        self._stored = stored
        self._unsure = unsure
        self._queue: deque[_Waiting] = deque()
        self._queued_bytes = 0
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._in_flight: Sequence[_Waiting] = ()
        self._is_closing = False
        self.batches = 0
        """Statements answered so far."""
        self.units = 0
        """Units answered so far."""

    def start(self) -> None:
        """Begin to flush."""
        self._task = asyncio.create_task(self._run(), name="append")

    async def append(self, unit: Unit) -> AppendResult:
        """See `EventStore.append`."""
        if self._is_closing:
            raise StoreClosed
        admitted = admit(unit)
        if self._queue and (
            len(self._queue) >= MAX_QUEUE_UNITS
            or self._queued_bytes + admitted.size > MAX_QUEUE_BYTES
        ):
            raise StoreUnavailable(self._link.trouble or "more units than the database can take")
        waiting = _Waiting(admitted, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        self._queued_bytes += admitted.size
        self._wake.set()
        return await waiting.future

    async def close(self, grace: float) -> None:
        """Refuse new units, flush what waits for `grace` seconds, then fail the rest."""
        self._is_closing = True
        self._wake.set()
        if self._task is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace):
                    await asyncio.shield(self._task)
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        for waiting in [*self._in_flight, *self._queue]:
            waiting.fail(StoreClosed())
        self._queue.clear()

    async def _run(self) -> None:
        while True:
            while self._queue:
                await self._flush(self._take())
            if self._is_closing:
                return
            self._wake.clear()
            await self._wake.wait()

    def _take(self) -> list[_Waiting]:
        """The next batch: in order, and cut where a unit names what the batch names already.

        Two units with one trigger, say: the statement looks triggers up before it walks the units,
        so the second must come in a later statement to find the first's inbox row.
        """
        batch: list[_Waiting] = []
        keys: set[Hashable] = set()
        size = 0
        while self._queue and len(batch) < MAX_BATCH_UNITS:
            admitted = self._queue[0].admitted
            if batch and (
                size + admitted.size > MAX_BATCH_BYTES or not keys.isdisjoint(admitted.keys)
            ):
                break
            batch.append(self._queue.popleft())
            keys |= admitted.keys
            size += admitted.size
        self._queued_bytes -= size
        return batch

    async def _flush(self, batch: Sequence[_Waiting]) -> None:
        self._in_flight = batch
        try:
            await self._send(batch)
        except StoreClosed as error:
            for waiting in batch:
                waiting.fail(error)
        except StoreError as error:
            if len(batch) == 1:
                batch[0].fail(error)
            else:
                # One of them is bad and the statement does not say which: it shall fail alone.
                for waiting in batch:
                    await self._flush([waiting])
        finally:
            self._in_flight = ()

    async def _send(self, batch: Sequence[_Waiting]) -> None:
        """Send the batch until there is an answer.

        (1) The statement commits, (2) the answer is lost, (3) it is sent again: each unit that (1)
        stored now answers `Already`, by its inbox rows or its event ids. So sending again is safe,
        even while the first try is still waiting for the lock in a backend that lost its client.
        """
        call = Batch([waiting.admitted for waiting in batch])
        arguments = call.arguments()
        delay = FIRST_DELAY
        is_repeat = False
        while True:
            sent = time.monotonic()
            try:
                [answer] = await self._link.once(APPEND, *arguments, timeout=STATEMENT_TIMEOUT)
                break
            except LinkLost:
                is_repeat = True
                await pause(delay)
                delay = min(2 * delay, LAST_DELAY)
        results, now = call.results(answer)
        self._clock.observe(now, sent, time.monotonic())
        self.batches += 1
        self.units += len(batch)
        committed = [
            (waiting.admitted.unit, result)
            for waiting, result in zip(batch, results, strict=True)
            if isinstance(result, Committed)
        ]
        if committed:
            self._stored(committed)
        if is_repeat and any(isinstance(result, Already) for result in results):
            self._unsure()
        for waiting, result in zip(batch, results, strict=True):
            waiting.answer(result)
