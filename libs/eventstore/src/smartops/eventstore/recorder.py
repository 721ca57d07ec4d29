"""The `eventsourcing` library's recorder, on our log: its names, arguments and errors, but async.

An originator is a stream `lib/agg-<id>`. The library lets a stream start at any version; ours
start at 1. So each state carries the library's version in front, and a stream's first one fixes
the distance. Versions of a stream must be consecutive, which the library's aggregates always are.
"""

import asyncio
import struct
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import Literal
from uuid import UUID, uuid4

from eventsourcing.persistence import (
    DatabaseError,
    DataError,
    IntegrityError,
    Notification,
    OperationalError,
    PersistenceError,
    ProgrammingError,
    StoredEvent,
)
from smartops.eventstore.errors import (
    CategoryForbidden,
    InvalidUnit,
    RecordConflict,
    StoreClosed,
    StoreError,
    StoreUnavailable,
)
from smartops.eventstore.results import Already, Committed, Conflict
from smartops.eventstore.rows import StoredRow
from smartops.eventstore.store import EventStore
from smartops.eventstore.units import NewEvent, Unit, Write

__all__ = ["CATEGORY", "POLL", "TENANT", "AsyncRecorder"]

TENANT = "lib"
CATEGORY = "agg"
"""A role needs a row (role, `agg`) in smartops_log.writers; no service has one."""

POLL = 0.05
"""Seconds between two looks for events of other processes, while a subscription waits."""

_PREFIX = f"{TENANT}/{CATEGORY}-"
_VERSION = struct.Struct(">q")


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
        writes: list[Write] = []
        with _translated():
            grouped = groupby(stored_events, key=lambda event: str(event.originator_id))
            for originator_id, events in grouped:
                writes.append(await self._write(_PREFIX + originator_id, list(events)))
            result = await self._store.append(Unit(writes=writes))
        match result:
            case Committed(positions):
                found = list(positions)
            case Already(event_ids):
                # The ids are new with each call, so this is our own commit, whose answer was lost.
                found = await self._positions(event_ids)
            case Conflict(stream, expected, actual):
                raise IntegrityError(f"{stream} has {actual} events, expected {expected}")
        for write in writes:
            if write.expected_version == 0:
                self._first_versions[write.stream] = _version_of(write.events[0].state)
        self._inserted.set()
        self._inserted = asyncio.Event()
        return found

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
        with _translated():
            rows = await self._store.read_stream(f"{_PREFIX}{originator_id}")
        events = [
            StoredEvent(originator_id, _version_of(row.state), row.topic, row.state[8:])
            for row in rows
        ]
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
            with _translated():
                rows = await self._store.read_log(after, limit, topics or None)
            for row in rows:
                if stop is not None and row.position > stop:
                    return found[:limit]
                if row.stream.startswith(_PREFIX):
                    found.append(self._notification(row))
            if len(rows) < limit:
                break
            after = rows[-1].position
        return found[:limit]

    async def max_notification_id(self) -> int | None:
        """The last position; None for an empty log."""
        with _translated():
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
            for notification in found:
                last = notification.id
                yield notification
            if len(found) < 500:  # noqa: PLR2004 - a short page is the last one.
                try:
                    async with asyncio.timeout(POLL):
                        await inserted.wait()
                except TimeoutError:
                    continue

    async def _write(self, stream: str, events: Sequence[StoredEvent]) -> Write:
        first = events[0].originator_version
        if [event.originator_version for event in events] != list(
            range(first, first + len(events))
        ):
            raise IntegrityError(f"versions for {stream} are not consecutive")
        if stream not in self._first_versions:
            rows = await self._store.read_stream(stream, limit=1)
            if rows:
                self._first_versions[stream] = _version_of(rows[0].state)
        expected = first - self._first_versions.get(stream, first)
        if expected < 0:
            raise IntegrityError(f"{stream} starts after version {first}")
        new = [
            NewEvent(
                event_id=uuid4(),
                topic=event.topic,
                task=None,
                cause=None,
                party="-",
                state=_VERSION.pack(event.originator_version) + event.state,
                subject=None,
            )
            for event in events
        ]
        return Write(stream, expected, new)

    async def _positions(self, event_ids: Sequence[UUID]) -> list[int]:
        rows = [await self._store.event(event_id) for event_id in event_ids]
        return sorted(row.position for row in rows if row is not None)

    def _notification(self, row: StoredRow) -> Notification:
        return Notification(
            originator_id=self._id(row.stream.removeprefix(_PREFIX)),
            originator_version=_version_of(row.state),
            topic=row.topic,
            state=row.state[8:],
            id=row.position,
        )


def _version_of(state: bytes) -> int:
    version: int = _VERSION.unpack_from(state)[0]
    return version


@contextmanager
def _translated() -> Iterator[None]:
    """Our errors as the library's."""
    try:
        yield
    except PersistenceError:
        raise
    except RecordConflict as error:
        raise IntegrityError(str(error)) from error
    except (StoreUnavailable, StoreClosed) as error:
        raise OperationalError(str(error)) from error
    except CategoryForbidden as error:
        raise ProgrammingError(str(error)) from error
    except InvalidUnit as error:
        raise DataError(str(error)) from error
    except StoreError as error:
        raise DatabaseError(str(error)) from error
