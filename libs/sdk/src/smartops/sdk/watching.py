"""Watching: the log first, then the bus, and the log again whenever the bus is silent."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from uuid import UUID

from smartops.contracts.catalogue import EVENTS
from smartops.contracts.events import AutonomyChanged
from smartops.contracts.subjects import Subjects
from smartops.sdk.bus import Bus
from smartops.sdk.course import Course, follow
from smartops.sdk.errors import Unreachable
from smartops.sdk.event import Event
from smartops.sdk.reader import Reader

__all__ = ["filters_of", "live", "watch"]

_LOOK = 3.0
"""Seconds of silence after which the log is asked whether something was missed."""


async def watch(
    bus: Bus, reader: Reader, subjects: Subjects, task: UUID
) -> AsyncGenerator[Event, None]:
    """What has happened in a task, and what happens, until it has ended.

    Each event comes once, in the order of the log as far as it was there at the beginning, and
    in the bus's order from then on. Notes that are only in the log are left out.

    Raises:
        Unreachable: the database does not answer at the beginning.
    """
    seen: set[UUID] = set()
    course = Course()
    async with bus.listen(
        filters_of(subjects, reader.tenant, task), needle=str(task).encode()
    ) as inbox:
        batch = await reader.events(task)
        position = _last(batch, 0)
        # Those stand in their agents' streams, which are no task's.
        batch = sorted([*batch, *await reader.falls(task)], key=lambda one: one.position or 0)
        while True:
            for event in batch:
                if event.id in seen or not _about(event, task) or not _published(event):
                    continue
                seen.add(event.id)
                course = follow(course, event.data)
                yield event
            if course.outcome is not None and inbox.empty():
                break
            event_or_none = await inbox.next(_LOOK)
            if event_or_none is not None:
                # Its position is not noted: an earlier event may still be on its way.
                batch = [event_or_none]
            else:
                batch = await _missed(reader, task, position)
                position = _last(batch, position)
        for event in await _missed(reader, task, position):
            if event.id not in seen and _published(event):
                yield event


async def live(
    bus: Bus, reader: Reader, subjects: Subjects, *, last: int = 0
) -> AsyncGenerator[Event, None]:
    """The last events of a tenant, then every one as the bus brings it."""
    async with bus.listen([subjects.tenant_events(reader.tenant)]) as inbox:
        seen: set[UUID] = set()
        for event in await reader.newest_events(last) if last else ():
            seen.add(event.id)
            yield event
        while True:
            event_or_none = await inbox.next(_LOOK)
            if event_or_none is None:
                seen.clear()  # What came by both ways has come by now.
            elif event_or_none.id not in seen:
                yield event_or_none


async def _missed(reader: Reader, task: UUID, position: int) -> list[Event]:
    try:
        return await reader.events(task, after=position)
    except Unreachable:
        return []  # The bus may still tell, and the log is asked again after the next silence.


def filters_of(subjects: Subjects, tenant: str, task: UUID) -> list[str]:
    """All about the task: its own events, and calls and levels, whose entities are others."""
    lengths = {
        spec.data.topic.count(".")
        for spec in EVENTS.values()
        if spec.data.topic.startswith("task.")
    }
    return [
        *(
            subjects.event_filter("task" + ".*" * length, tenant=tenant, entity=str(task))
            for length in sorted(lengths)
        ),
        subjects.event_filter("tool.call.*", tenant=tenant),
        subjects.event_filter(AutonomyChanged.topic, tenant=tenant),
    ]


def _about(event: Event, task: UUID) -> bool:
    """Whether an event is one of the task, or of what it cost its agent."""
    fell = isinstance(event.data, AutonomyChanged) and event.data.task == task
    return event.task == task or fell


def _published(event: Event) -> bool:
    spec = EVENTS.get(event.topic)
    return spec is None or spec.published


def _last(batch: list[Event], position: int) -> int:
    return max((event.position or 0 for event in batch), default=position)
