"""The `eventsourcing` library's recorder, on our log: its names, arguments and errors, but async.

Versions of a stream must be consecutive, which the library's aggregates always are.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from itertools import groupby
from typing import Literal
from uuid import UUID

from eventsourcing.persistence import IntegrityError, Notification, StoredEvent
from smartops.eventstore.recorder_events import (
    TENANT,
    is_recorded,
    new_event,
    notification,
    stored_event,
    stream_of,
    translated,
    version_of,
)
from smartops.eventstore.results import Already, AppendResult, Committed, Conflict
from smartops.eventstore.store import EventStore
from smartops.eventstore.units import Trigger, Unit, Write

__all__ = ["POLL", "AsyncRecorder"]

POLL = 0.05
"""Seconds between two looks for events of other processes, while a subscription waits."""


class AsyncRecorder:
    """What `eventsourcing.persistence.ApplicationRecorder` promises, as coroutines."""

    def __init__(self, store: EventStore, *, originator_id_type: Literal["uuid", "text"]) -> None:
        """Record in a store.

        Args:
            store: Connected as a role that may write the category `agg`.
            originator_id_type: What the originator ids of the rows read back are.
        """
        self._store = store
        self._id = UUID if originator_id_type == "uuid" else str
        self._first_versions: dict[str, int] = {}
        """The library's version of each known stream's first event; never changes once stored."""
        self._inserted = asyncio.Event()

    async def insert_events(self, stored_events: Sequence[StoredEvent]) -> list[int]:
        """Store the events, all or none; returns their positions.

        Raises:
            IntegrityError: A version exists already, or leaves a gap. Nothing was stored.
            OperationalError: The database is out of reach; the outcome may be unknown.
        """
        if not stored_events:
            return []
        return await self._insert(stored_events, self._store.append)

    async def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> list[StoredEvent]:
        """An originator's events; reads the whole stream whatever the limits say."""
        with translated():
            rows = await self._store.read_stream(stream_of(originator_id))
        events = [stored_event(originator_id, row) for row in rows]
        if desc:
            events.reverse()
        return [
            event
            for event in events
            if (gt is None or event.originator_version > gt)
            and (lte is None or event.originator_version <= lte)
        ][:limit]

    async def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> list[Notification]:
        """Events by position, of this recorder's category only."""
        after = 0 if start is None else start - inclusive_of_start
        found: list[Notification] = []
        while len(found) < limit:
            with translated():
                rows = await self._store.read_log(after, limit, topics or None)
            for row in rows:
                if stop is not None and row.position > stop:
                    return found[:limit]
                if is_recorded(row):
                    found.append(notification(self._id, row))
            if len(rows) < limit:
                break
            after = rows[-1].position
        return found[:limit]

    async def max_notification_id(self) -> int | None:
        """The last position; None for an empty log."""
        with translated():
            head = await self._store.head(TENANT)
        return None if head is None else head.position

    async def subscribe(
        self, gt: int | None = None, topics: Sequence[str] = ()
    ) -> AsyncIterator[Notification]:
        """All events above a position, then those to come; ends with the task that iterates."""
        last = gt
        while True:
            inserted = self._inserted
            found = await self.select_notifications(
                last, 500, topics=topics, inclusive_of_start=False
            )
            for told in found:
                last = told.id
                yield told
            if len(found) < 500:  # noqa: PLR2004 - a short page is the last one.
                try:
                    async with asyncio.timeout(POLL):
                        await inserted.wait()
                except TimeoutError:
                    continue

    async def _insert(
        self,
        stored_events: Sequence[StoredEvent],
        append: Callable[[Unit], Awaitable[AppendResult]],
        triggers: Sequence[Trigger] = (),
    ) -> list[int]:
        writes: list[Write] = []
        with translated():
            grouped = groupby(stored_events, key=lambda event: str(event.originator_id))
            for originator_id, events in grouped:
                writes.append(await self._write(stream_of(originator_id), list(events)))
            result = await append(Unit(triggers=triggers, writes=writes))
        match result:
            case Committed(positions):
                found = list(positions)
            case Already():
                # The ids are new with each call, so this is our own commit, whose answer was lost.
                found = await self._positions(writes)
            case Conflict(stream, expected, actual):
                raise IntegrityError(f"{stream} has {actual} events, expected {expected}")
        for write in writes:
            if write.expected_version == 0:
                self._first_versions[write.stream] = version_of(write.events[0].state)
        self._inserted.set()
        self._inserted = asyncio.Event()
        return found

    async def _write(self, stream: str, events: Sequence[StoredEvent]) -> Write:
        first = events[0].originator_version
        if [event.originator_version for event in events] != list(
            range(first, first + len(events))
        ):
            raise IntegrityError(f"versions for {stream} are not consecutive")
        if stream not in self._first_versions:
            rows = await self._store.read_stream(stream, limit=1)
            if rows:
                self._first_versions[stream] = version_of(rows[0].state)
        expected = first - self._first_versions.get(stream, first)
        if expected < 0:
            raise IntegrityError(f"{stream} starts after version {first}")
        return Write(stream, expected, [new_event(event) for event in events])

    async def _positions(self, writes: Sequence[Write]) -> list[int]:
        rows = [
            await self._store.event(event.event_id) for write in writes for event in write.events
        ]
        return [row.position for row in rows if row is not None]
