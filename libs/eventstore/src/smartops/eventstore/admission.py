"""Checks on one unit before it joins a batch: what can be refused early is refused alone."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from uuid import UUID

from smartops.eventstore.errors import InvalidUnit, TenantMismatch, TooLarge
from smartops.eventstore.limits import (
    MAX_BLOB_BYTES,
    MAX_STATE_BYTES,
    MAX_UNIT_BYTES,
    MAX_UNIT_EVENTS,
)
from smartops.eventstore.streams import tenant_of
from smartops.eventstore.units import TimerSet, Unit

__all__ = ["Admitted", "admit"]


@dataclass(frozen=True, slots=True)
class Admitted:
    """A unit that is sound in itself."""

    unit: Unit
    tenant: str | None
    """None: the unit writes no stream and no blob."""

    event_count: int
    size: int
    """Bytes it brings into a batch, roughly."""

    keys: frozenset[Hashable]
    """What no other unit of the same batch may name: triggers, timers, and the event ids of a unit
    without triggers. The append looks these up once per batch, before it walks the units."""


def admit(unit: Unit) -> Admitted:
    """Check a unit.

    Raises:
        InvalidUnit: It names a stream, trigger or timer twice, or it cannot be stored at all.
    """
    tenant = _tenant(unit)
    size = 0
    count = 0
    for write in unit.writes:
        count += len(write.events)
        for event in write.events:
            length = len(event.state)
            if length > MAX_STATE_BYTES:
                raise TooLarge(f"event {event.topic!r}: its state (bytes)", length, MAX_STATE_BYTES)
            size += length + 300  # Names, ids and index entries.
    for blob in unit.blobs:
        if len(blob) > MAX_BLOB_BYTES:
            raise TooLarge("a blob (bytes)", len(blob), MAX_BLOB_BYTES)
        size += len(blob)
    for timer in unit.timers:
        size += len(timer.payload or b"") if isinstance(timer, TimerSet) else 0
    if count > MAX_UNIT_EVENTS:
        raise TooLarge("the unit (events)", count, MAX_UNIT_EVENTS)
    if size > MAX_UNIT_BYTES:
        raise TooLarge("the unit (bytes)", size, MAX_UNIT_BYTES)
    if not unit.triggers and not count:
        raise InvalidUnit("a unit needs a trigger or an event: nothing else makes a repeat safe")
    return Admitted(unit, tenant, count, size, _keys(unit))


def _tenant(unit: Unit) -> str | None:
    tenant = unit.tenant
    streams = []
    for write in unit.writes:
        if write.events:
            owner = tenant_of(write.stream)
            if tenant is None:
                tenant = owner
            elif owner != tenant:
                raise TenantMismatch(
                    f"stream {write.stream!r} does not belong to tenant {tenant!r} of the unit; "
                    "write one unit per tenant"
                )
        streams.append(write.stream)
    streams += [read.stream for read in unit.reads]
    _once("stream", streams)
    # What is cited may be read or written as well: it is an event, not a version of the stream.
    if unit.blobs and tenant is None:
        raise InvalidUnit("a unit with blobs and no events needs a tenant: set Unit.tenant")
    return tenant


def _keys(unit: Unit) -> frozenset[Hashable]:
    keys: list[Hashable] = [(trigger.handler, trigger.cause) for trigger in unit.triggers]
    timers: list[UUID] = [timer.timer_id for timer in unit.timers]
    timers += [trigger.cause for trigger in unit.triggers if trigger.is_timer]
    if not keys:
        keys = [event.event_id for write in unit.writes for event in write.events]
    _once("trigger or event", keys)
    _once("timer", timers)
    return frozenset([*keys, *(("timer", timer) for timer in timers)])


def _once(what: str, names: Iterable[Hashable]) -> None:
    names = list(names)
    if len(names) != len(set(names)):
        twice = next(name for place, name in enumerate(names) if name in names[:place])
        raise InvalidUnit(f"the unit names {what} {twice!r} twice; once is enough")
