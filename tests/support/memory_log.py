"""The store's answers from memory: enough of it for reactions, with its own admission checks."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import UUID

from smartops.eventstore.admission import admit
from smartops.eventstore.results import Already, AppendResult, Committed, Conflict
from smartops.eventstore.rows import SettledRow, StoredRow
from smartops.eventstore.units import TimerCancel, TimerSet, Unit

__all__ = ["MemoryLog"]

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class MemoryLog:
    """Streams, inbox and timers of one role.

    Attributes:
        units: all that were asked for, in order.
        answers: what to answer instead, one by one; None lets a unit through.
        hold: appends wait here while it is set, so that a crowd can gather.
    """

    def __init__(self) -> None:
        self.rows: list[StoredRow] = []
        self.inbox: dict[tuple[str, UUID], SettledRow] = {}
        self.timers: dict[UUID, TimerSet] = {}
        self.blobs: list[bytes] = []
        self.units: list[Unit] = []
        self.answers: list[AppendResult | Exception | None] = []
        self.hold: asyncio.Event | None = None
        self.reads = 0
        self._asked = asyncio.Condition()

    async def asked_for(self, count: int = 1) -> None:
        """Wait until so many units were asked for."""
        async with self._asked:
            await self._asked.wait_for(lambda: len(self.units) >= count)

    def db_now(self) -> datetime:
        return NOW + timedelta(seconds=len(self.rows))

    def stream(self, name: str) -> list[StoredRow]:
        """All events of a stream."""
        return [row for row in self.rows if row.stream == name]

    async def read_stream(
        self, stream: str, after: int = 0, limit: int | None = None
    ) -> list[StoredRow]:
        self.reads += 1
        await asyncio.sleep(0)
        return self.stream(stream)[after:][:limit]

    async def settled(self, handler: str, cause: UUID) -> SettledRow | None:
        return self.inbox.get((handler, cause))

    async def append(self, unit: Unit) -> AppendResult:
        async with self._asked:
            self.units.append(unit)
            self._asked.notify_all()
        admit(unit)
        if self.hold is not None:
            await self.hold.wait()
        await asyncio.sleep(0)
        if self.answers and (answer := self.answers.pop(0)) is not None:
            if isinstance(answer, Exception):
                raise answer
            return answer
        return self._store(unit)

    def _store(self, unit: Unit) -> AppendResult:
        known = [t.cause for t in unit.triggers if (t.handler, t.cause) in self.inbox]
        if known:
            return Already(known)
        conditions = [(write.stream, write.expected_version) for write in unit.writes]
        conditions += [(read.stream, read.version) for read in unit.reads]
        for name, expected in conditions:
            actual = len(self.stream(name))
            if actual != expected:
                return Conflict(name, expected, actual)
        for cite in unit.cites:
            held = self.stream(cite.stream)[cite.version - 1 : cite.version]
            if [sha256(row.state).digest() for row in held] != [cite.digest]:
                return Conflict(cite.stream, cite.version, len(self.stream(cite.stream)))
        positions = []
        for write in unit.writes:
            for event in write.events:
                positions.append(len(self.rows) + 1)
                self.rows.append(
                    StoredRow(
                        position=positions[-1],
                        tenant=write.stream.partition("/")[0],
                        ordinal=positions[-1],
                        stream=write.stream,
                        version=len(self.stream(write.stream)) + 1,
                        event_id=event.event_id,
                        topic=event.topic,
                        task=event.task,
                        cause=event.cause,
                        party=event.party,
                        state=event.state,
                        hash=b"",
                        recorded_at=self.db_now(),
                    )
                )
        for trigger in unit.triggers:
            self.inbox[trigger.handler, trigger.cause] = SettledRow(trigger.outcome, trigger.reason)
        for timer in unit.timers:
            match timer:
                case TimerSet():
                    self.timers[timer.timer_id] = timer
                case TimerCancel():
                    self.timers.pop(timer.timer_id, None)
        self.blobs += unit.blobs
        return Committed(positions)
