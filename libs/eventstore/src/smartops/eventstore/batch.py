"""Units to the arguments of `append_units()`, and its answer back to results."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
from smartops.eventstore.admission import Admitted
from smartops.eventstore.results import Already, AppendResult, Committed, Conflict
from smartops.eventstore.streams import tenant_of
from smartops.eventstore.units import NewEvent, TimerSet, Trigger, Unit

__all__ = ["APPEND", "PARAMETERS", "Batch"]

PARAMETERS = 41
"""Of `append_units()`."""

APPEND = (
    "select o_status, o_first, o_stream, o_actual, o_settled, o_now "
    "from smartops_log.append_units(" + ", ".join(f"${n}" for n in range(1, PARAMETERS + 1)) + ")"
)
"""The one statement of a group commit."""


class Batch:
    """One call. Names travel once; everything else refers to them by 1-based ordinals."""

    def __init__(self, units: Iterable[Admitted] = ()) -> None:
        self._units: list[Admitted] = []
        self._tenants: dict[str, int] = {}
        self._streams: dict[str, int] = {}
        self._stream_tenant: list[int] = []
        self._checks: tuple[list[Any], ...] = ([], [], [], [])
        self._events: tuple[list[Any], ...] = ([], [], [], [], [], [], [])
        self._cites: tuple[list[Any], ...] = ([], [], [], [])
        self._bare: tuple[list[int], list[int]] = ([], [])
        self._triggers: tuple[list[Any], ...] = ([], [], [], [], [], [])
        self._timers: tuple[list[Any], ...] = ([], [], [], [], [], [], [], [], [])
        self._cancels: tuple[list[Any], ...] = ([], [])
        self._blobs: tuple[list[Any], ...] = ([], [], [])
        for admitted in units:
            self.add(admitted)

    def add(self, admitted: Admitted) -> None:
        """Append a unit; its place is that of its result."""
        self._units.append(admitted)
        place = len(self._units)
        unit = admitted.unit
        units, streams, versions, counts = self._checks
        for write in unit.writes:
            units.append(place)
            streams.append(self._stream(write.stream))
            versions.append(write.expected_version)
            counts.append(len(write.events))
            for event in write.events:
                self._add_event(event)
        for read in unit.reads:
            units.append(place)
            streams.append(self._stream(read.stream))
            versions.append(read.version)
            counts.append(0)
        for cite in unit.cites:
            row = (place, self._stream(cite.stream), cite.version, cite.digest)
            for column, value in zip(self._cites, row, strict=True):
                column.append(value)
        if unit.triggers:
            for trigger in unit.triggers:
                self._add_trigger(place, trigger)
        else:
            last = len(self._events[0])
            for ordinal in range(last - admitted.event_count + 1, last + 1):
                self._bare[0].append(place)
                self._bare[1].append(ordinal)
        for timer in unit.timers:
            if isinstance(timer, TimerSet):
                cause = unit.triggers[0].cause if unit.triggers else None
                self._add_timer(place, timer, cause)
            else:
                self._cancels[0].append(place)
                self._cancels[1].append(timer.timer_id)
        if unit.blobs:
            assert admitted.tenant is not None
            tenant = self._tenant(admitted.tenant)
            for blob in unit.blobs:
                self._blobs[0].append(place)
                self._blobs[1].append(tenant)
                self._blobs[2].append(blob)

    def arguments(self) -> tuple[Any, ...]:
        """In the order of `append_units()`."""
        return (
            list(self._tenants),
            list(self._streams),
            self._stream_tenant,
            len(self._units),
            *self._checks,
            *self._events,
            *self._cites,
            *self._bare,
            *self._triggers,
            *self._timers,
            *self._cancels,
            *self._blobs,
        )

    def results(
        self, answer: asyncpg.Record | Sequence[Any]
    ) -> tuple[list[AppendResult], datetime]:
        """One result per unit, in order, and the database's time."""
        statuses, firsts, streams, actuals, settled, now = answer
        results: list[AppendResult] = []
        names: list[str] = []
        causes = self._settled(settled) if settled else {}
        for place, admitted in enumerate(self._units):
            match statuses[place]:
                case 0:
                    first = firsts[place]
                    count = admitted.event_count
                    results.append(Committed(tuple(range(first, first + count)) if count else ()))
                case 1:
                    results.append(Already(tuple(causes.get(place + 1, ()))))
                case _:
                    names = names or list(self._streams)
                    stream = names[streams[place] - 1]
                    expected = _expected(admitted.unit, stream)
                    results.append(Conflict(stream, expected, actuals[place]))
        return results, now

    def _add_event(self, event: NewEvent) -> None:
        ids, topics, tasks, causes, parties, states, subjects = self._events
        ids.append(event.event_id)
        topics.append(event.topic)
        tasks.append(event.task)
        causes.append(event.cause)
        parties.append(event.party)
        states.append(event.state)
        subjects.append(event.subject)

    def _add_trigger(self, place: int, trigger: Trigger) -> None:
        units, handlers, causes, outcomes, reasons, timers = self._triggers
        units.append(place)
        handlers.append(trigger.handler)
        causes.append(trigger.cause)
        outcomes.append(trigger.outcome)
        reasons.append(trigger.reason)
        timers.append(trigger.is_timer)

    def _add_timer(self, place: int, timer: TimerSet, cause: UUID | None) -> None:
        fixed = isinstance(timer.due, datetime)
        row = (
            place,
            timer.timer_id,
            timer.handler,
            timer.stream,
            timer.name,
            timer.due if fixed else None,
            None if isinstance(timer.due, datetime) else timer.due.total_seconds(),
            cause,
            timer.payload,
        )
        for column, value in zip(self._timers, row, strict=True):
            column.append(value)

    def _stream(self, name: str) -> int:
        ordinal = self._streams.get(name)
        if ordinal is None:
            ordinal = self._streams[name] = len(self._streams) + 1
            self._stream_tenant.append(self._tenant(tenant_of(name)))
        return ordinal

    def _tenant(self, name: str) -> int:
        return self._tenants.setdefault(name, len(self._tenants) + 1)

    def _settled(self, ordinals: Sequence[int]) -> dict[int, list[UUID]]:
        """Causes, or event ids of units without triggers, by the unit's place."""
        found: dict[int, list[UUID]] = {}
        for ordinal in ordinals:
            if ordinal > 0:
                place, cause = self._triggers[0][ordinal - 1], self._triggers[2][ordinal - 1]
            else:
                place = self._bare[0][self._bare[1].index(-ordinal)]
                cause = self._events[0][-ordinal - 1]
            found.setdefault(place, []).append(cause)
        return found


def _expected(unit: Unit, stream: str) -> int:
    for write in unit.writes:
        if write.stream == stream:
            return write.expected_version
    for read in unit.reads:
        if read.stream == stream:
            return read.version
    return next(cite.version for cite in unit.cites if cite.stream == stream)
