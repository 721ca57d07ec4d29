"""Group commit: concurrent units of a process share one statement and one flush to disk."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence

from smartops.eventstore.admission import Admitted, admit
from smartops.eventstore.batch import APPEND, Batch
from smartops.eventstore.clock import DatabaseClock
from smartops.eventstore.errors import StoreClosed, StoreUnavailable
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

    def fail(self, error: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class _Call:
    """A statement to be sent: built up while the one before it is in flight."""

    __slots__ = ("_keys", "batch", "size", "waiting")

    def __init__(self, first: _Waiting) -> None:
        self._keys: set[Hashable] = set()
        self.batch = Batch()
        self.waiting: list[_Waiting] = []
        self.size = 0
        self.add(first)

    def takes(self, admitted: Admitted) -> bool:
        """Whether the unit may still join.

        Not if it names what the call names already. Two units with one trigger, say: the statement
        looks triggers up before it walks the units, so the second must come in a later statement
        to find the first's inbox row.
        """
        return (
            len(self.waiting) < MAX_BATCH_UNITS
            and self.size + admitted.size <= MAX_BATCH_BYTES
            and self._keys.isdisjoint(admitted.keys)
        )

    def add(self, waiting: _Waiting) -> None:
        try:
            self.batch.add(waiting.admitted)
        except Exception:
            # It may be half in. The neighbours' columns must not shift by what is missing of it.
            self.batch = Batch(other.admitted for other in self.waiting)
            raise
        self.waiting.append(waiting)
        self._keys |= waiting.admitted.keys
        self.size += waiting.admitted.size


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
        self._queue: deque[_Call] = deque()
        self._queued_units = 0
        self._queued_bytes = 0
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._in_flight: _Call | None = None
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
            self._queued_units >= MAX_QUEUE_UNITS
            or self._queued_bytes + admitted.size > MAX_QUEUE_BYTES
        ):
            raise StoreUnavailable(self._link.trouble or "more units than the database can take")
        waiting = _Waiting(admitted, asyncio.get_running_loop().create_future())
        if self._queue and self._queue[-1].takes(admitted):
            self._queue[-1].add(waiting)
        else:
            self._queue.append(_Call(waiting))
        self._queued_units += 1
        self._queued_bytes += admitted.size
        self._wake.set()
        return await waiting.future

    async def close(self, grace: float) -> None:
        """Refuse new units, flush what waits for `grace` seconds, then fail the rest."""
        self._is_closing = True
        self._wake.set()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=grace)
            self._task.cancel()
            await asyncio.wait({self._task})
        left = [self._in_flight] if self._in_flight is not None else []
        for call in [*left, *self._queue]:
            for waiting in call.waiting:
                waiting.fail(StoreClosed())
        self._queue.clear()

    async def _run(self) -> None:
        while True:
            while self._queue:
                call = self._in_flight = self._queue.popleft()
                self._queued_units -= len(call.waiting)
                self._queued_bytes -= call.size
                await self._flush(call)
                self._in_flight = None  # Not if cancelled: `close` fails what was under way.
            if self._is_closing:
                return
            self._wake.clear()
            await self._wake.wait()

    async def _flush(self, call: _Call) -> None:
        try:
            await self._send(call)
        except StoreClosed as error:
            for waiting in call.waiting:
                waiting.fail(error)
        except Exception as error:  # noqa: BLE001 - raised where the unit came from.
            if len(call.waiting) == 1:
                call.waiting[0].fail(error)
            else:
                # One of them is bad and the statement does not say which: it shall fail alone.
                for waiting in call.waiting:
                    await self._flush(_Call(waiting))

    async def _send(self, call: _Call) -> None:
        """Send a call until there is an answer.

        (1) The statement commits, (2) the answer is lost, (3) it is sent again: each unit that (1)
        stored now answers `Already`, by its inbox rows or its event ids. So sending again is safe,
        even while the first try is still waiting for the lock in a backend that lost its client.
        """
        arguments = call.batch.arguments()
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
        results, now = call.batch.results(answer)
        self._clock.observe(now, sent, time.monotonic())
        self.batches += 1
        self.units += len(call.waiting)
        committed = [
            (waiting.admitted.unit, result)
            for waiting, result in zip(call.waiting, results, strict=True)
            if isinstance(result, Committed)
        ]
        if committed:
            self._stored(committed)
        if is_repeat and any(isinstance(result, Already) for result in results):
            self._unsure()
        for waiting, result in zip(call.waiting, results, strict=True):
            waiting.answer(result)
