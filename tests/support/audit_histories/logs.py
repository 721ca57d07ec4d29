"""Stories as rows of a log, or appended through the real store."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from smartops.contracts.subjects import Subjects
from smartops.eventstore.chain import GENESIS, chain_hash
from smartops.eventstore.results import Committed
from smartops.eventstore.rows import StoredRow
from smartops.eventstore.store import EventStore
from smartops.eventstore.units import NewEvent, Trigger, Unit, Write
from smartops.runtime.recording import Cause, Recorder
from support.audit_histories.stories import Story
from support.audit_histories.telling import SERVICES, Said

__all__ = ["append", "log_of", "populate"]

_SUBJECTS = Subjects()
_RECORDERS = {service: Recorder(service, _SUBJECTS) for service in SERVICES}


def log_of(stories: Sequence[Story]) -> list[StoredRow]:
    """The rows that a log would hold: one unit after the other, with a sound chain."""
    rows: list[StoredRow] = []
    versions: dict[str, int] = {}
    heads: dict[str, tuple[int, bytes]] = {}
    start = datetime(2026, 8, 7, 9, 0, tzinfo=UTC)
    for story in stories:
        cause: UUID = story.task
        for unit in story.said:
            for event in _events(unit, versions.get(unit.stream, 0), cause, story, start):
                ordinal, previous = heads.get(story.tenant, (0, GENESIS))
                version = versions[unit.stream] = versions.get(unit.stream, 0) + 1
                row = StoredRow(
                    position=len(rows) + 1,
                    tenant=story.tenant,
                    ordinal=ordinal + 1,
                    stream=unit.stream,
                    version=version,
                    event_id=event.event_id,
                    topic=event.topic,
                    task=event.task,
                    cause=event.cause,
                    party=event.party,
                    state=event.state,
                    hash=b"",
                    recorded_at=start + timedelta(seconds=len(rows)),
                )
                row = row._replace(hash=chain_hash(previous, row))
                heads[story.tenant] = (ordinal + 1, row.hash)
                rows.append(row)
                cause = event.event_id
    return rows


async def append(stores: Mapping[str, EventStore], story: Story) -> None:
    """Append one task's units in order, each caused by the one before."""
    versions: dict[str, int] = {}
    cause = uuid4()
    for unit in story.said:
        store = stores[unit.service]
        version = versions.get(unit.stream, 0)
        events = _events(unit, version, cause, story, store.db_now())
        result = await store.append(
            Unit(
                triggers=[Trigger("test", cause)],
                writes=[Write(unit.stream, version, events)],
                blobs=unit.blobs,
            )
        )
        assert isinstance(result, Committed), result
        versions[unit.stream] = version + len(events)
        cause = events[-1].event_id


async def populate(
    stores: Mapping[str, EventStore], stories: Sequence[Story], *, at_once: int = 64
) -> None:
    """Append many tasks, side by side."""
    queue = iter(stories)
    chunks = iter(lambda: list(itertools.islice(queue, at_once)), [])
    for chunk in chunks:
        await asyncio.gather(*(append(stores, story) for story in chunk))


def _events(
    unit: Said, version: int, cause: UUID, story: Story, now: datetime
) -> Sequence[NewEvent]:
    """A unit's events as the store takes them."""
    why = Cause(Trigger("test", cause), _correlation(story))
    return [
        _RECORDERS[unit.service].event(unit.stream, version + place, data, why, place - 1, now)
        for place, data in enumerate(unit.events, start=1)
    ]


def _correlation(story: Story) -> UUID | None:
    return None if story.name == "who" else story.task
