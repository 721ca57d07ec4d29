"""What a role does with its own rows beside the append: outbox, timers, handlers, parking."""

import time
from abc import abstractmethod
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
from smartops.eventstore.reader import COLUMNS
from smartops.eventstore.rows import (
    Backlog,
    DueTimers,
    HandlerMarks,
    OutboxRow,
    ParkedRow,
    Publication,
    SettledRow,
    StoredRow,
    TimerRow,
)
from smartops.eventstore.sweeps import LIMIT, OLDER_THAN, Handler
from smartops.eventstore.timers import DEFAULT_LIMIT

__all__ = ["Housekeeping"]

_UNHANDLED = f"select {COLUMNS} from smartops_log.unhandled($1, $2, $3, $4, $5)"  # noqa: S608

_DUE_TIMERS = (
    "select clock_timestamp(), t.* "
    "from (values (0)) one left join smartops_log.due_timers($1) t on true"
)
"""One row at least: the clock is told even if there is no timer."""


class Housekeeping:
    """A part of `EventStore`. During an outage these calls wait."""

    @abstractmethod
    async def _call(self, sql: str, *arguments: Any) -> list[asyncpg.Record]:
        """Run a statement that may safely run twice."""

    @abstractmethod
    def _observe(self, now: datetime, sent: float) -> None:
        """Learn the database's clock from an answer to what was sent at a monotonic time."""

    async def outbox_pending(
        self, older_than: timedelta = OLDER_THAN, limit: int = 500
    ) -> list[OutboxRow]:
        """Own events that are not known to be published, oldest first.

        Args:
            older_than: Age by the database's clock; younger ones are probably under way.
            limit: At most so many.
        """
        rows = await self._call(
            "select * from smartops_log.outbox_pending($1, $2)", older_than, limit
        )
        return [OutboxRow._make(row) for row in rows]

    async def outbox_backlog(self) -> Backlog:
        """How many own events are not known to be published, and since when."""
        [row] = await self._call("select * from smartops_log.outbox_backlog()")
        return Backlog(*row)

    async def note_published(
        self, position: int, medium: str, place: int, witness: UUID, keep: timedelta
    ) -> None:
        """Note that own events up to a position were acknowledged, but for what the outbox holds.

        Args:
            position: in the log.
            medium: which incarnation of which stream acknowledged.
            place: of the witness, in it.
            witness: id of the event that was acknowledged last.
            keep: how long notes are kept.
        """
        await self._call(
            "select smartops_log.note_published($1, $2, $3, $4, $5)",
            position,
            medium,
            place,
            witness,
            keep,
        )

    async def publications(
        self, before: datetime | None = None, limit: int = 50
    ) -> list[Publication]:
        """What was noted of own events, newest first."""
        rows = await self._call(
            "select * from smartops_log.publications_before($1, $2)", before, limit
        )
        return [Publication(*row) for row in rows]

    async def due_timers(self, limit: int = DEFAULT_LIMIT) -> DueTimers:
        """Own timers that are due by the database's clock, and when the next one will be.

        Tells the clock on the way: so whoever looks regularly knows it, even if it writes nothing.
        """
        sent = time.monotonic()
        rows = await self._call(_DUE_TIMERS, limit)
        self._observe(rows[0][0], sent)
        timers = [_timer(*row[1:]) for row in rows if row[1] is not None]
        coming = [timer for timer in timers if timer.late < timedelta(0)]
        return DueTimers(
            [timer for timer in timers if timer.late >= timedelta(0)],
            -coming[0].late if coming else None,
        )

    async def alive(self, incarnations: Sequence[UUID]) -> frozenset[UUID]:
        """Which of these processes live; one that has ended never comes back.

        Only for the role whose processes have incarnations.
        """
        rows = await self._call(
            "select smartops_log.incarnations_alive($1)", list(dict.fromkeys(incarnations))
        )
        return frozenset(row[0] for row in rows)

    async def register_handlers(self, handlers: Sequence[Handler]) -> Sequence[HandlerMarks]:
        """Make handlers known; known ones keep their marks.

        A new one begins at the end of the log, unless its `from_position` says otherwise.
        """
        rows = await self._call(
            "select * from smartops_log.register_handlers($1, $2)",
            [handler.name for handler in handlers],
            [handler.from_position for handler in handlers],
        )
        return [HandlerMarks(*row) for row in rows]

    async def unhandled(
        self, handler: Handler, older_than: timedelta = OLDER_THAN, limit: int = LIMIT
    ) -> list[StoredRow]:
        """Events of the handler's topics without an inbox row, oldest first.

        Raises the handler's low-water mark on the way.

        Raises:
            InvalidUnit: The handler is not registered.
        """
        parties = None if handler.parties is None else list(handler.parties)
        rows = await self._call(
            _UNHANDLED, handler.name, list(handler.topics), parties, older_than, limit
        )
        return [StoredRow._make(row) for row in rows]

    async def park(
        self,
        handler: str,
        cause: UUID,
        reason: str,
        payload: bytes | None = None,
        tenant: str | None = None,
    ) -> bool:
        """Set a trigger aside, durably, until `unpark`.

        Args:
            handler: The handler's name.
            cause: As in `Trigger.cause`.
            reason: For people.
            payload: What was to be handled, where the log does not hold it (a command).
            tenant: Whose a command was; that of an event is known.

        Returns:
            False if the trigger was settled already.
        """
        [[is_new]] = await self._call(
            "select smartops_log.park($1, $2, $3, $4, $5)",
            handler,
            cause,
            reason,
            payload,
            tenant,
        )
        return bool(is_new)

    async def settled(self, handler: str, cause: UUID) -> SettledRow | None:
        """How a trigger of this role ended; None if it has not."""
        rows = await self._call("select * from smartops_log.settled($1, $2)", handler, cause)
        return SettledRow(*rows[0]) if rows else None

    async def parked(self, limit: int = 100) -> list[ParkedRow]:
        """Own parked triggers, oldest first."""
        rows = await self._call("select * from smartops_log.parked($1)", limit)
        return [ParkedRow(*row) for row in rows]

    async def unpark(self, handler: str, cause: UUID) -> ParkedRow | None:
        """Give a parked trigger another chance: the next sweep finds it, if it is an event.

        Returns:
            What was parked, so that a command can be handled again; None if nothing was.
        """
        rows = await self._call("select * from smartops_log.unpark($1, $2)", handler, cause)
        return ParkedRow(*rows[0]) if rows else None


def _timer(
    timer_id: UUID,
    handler: str,
    stream: str,
    name: str,
    due_at: datetime,
    cause: UUID | None,
    payload: bytes | None,
    late: float,
) -> TimerRow:
    return TimerRow(
        timer_id, handler, stream, name, due_at, cause, payload, timedelta(seconds=late)
    )
