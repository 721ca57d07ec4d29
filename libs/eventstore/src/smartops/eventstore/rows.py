"""What the store reads back."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

__all__ = [
    "Backlog",
    "DueTimers",
    "HandlerMarks",
    "Head",
    "OutboxRow",
    "ParkedRow",
    "Publication",
    "SettledRow",
    "StoredRow",
    "TimerRow",
]


class StoredRow(NamedTuple):
    """One event of the log, exactly as stored."""

    position: int
    """Place in the whole log: 1-based, without gaps, in commit order."""

    tenant: str
    ordinal: int
    """Place in the tenant's hash chain: 1-based, without gaps."""

    stream: str
    version: int
    """Place in its stream: 1-based, without gaps."""

    event_id: UUID
    topic: str
    task: UUID | None
    cause: UUID | None
    party: str
    state: bytes
    hash: bytes
    """Chain value, 32 bytes; see `chain.py`."""

    recorded_at: datetime
    """The database's clock; rises with the position unless that clock was set back."""


class OutboxRow(NamedTuple):
    """One event that is to be published."""

    position: int
    subject: str
    event_id: UUID
    state: bytes


@dataclass(frozen=True, slots=True)
class TimerRow:
    """A timer that is due."""

    timer_id: UUID
    handler: str
    stream: str
    name: str
    due_at: datetime
    cause: UUID | None
    """What set it: the first trigger of the unit, if it had one."""

    payload: bytes | None
    late: timedelta
    """How long ago it was due, by the database's clock."""


@dataclass(frozen=True, slots=True)
class SettledRow:
    """How a trigger ended."""

    outcome: str
    """handled, refused or parked."""

    reason: str | None
    """As given with the trigger, or why it was parked."""


@dataclass(frozen=True, slots=True)
class ParkedRow:
    """A trigger set aside."""

    handler: str
    cause: UUID
    reason: str
    recorded_at: datetime
    payload: bytes | None
    """What was to be handled, where the cause is not in the log (a command)."""

    position: int | None
    """Of the cause, where it is an event of the log."""


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a tenant's chain."""

    tenant: str
    position: int
    count: int
    """Number of events of the tenant."""

    hash: bytes


@dataclass(frozen=True, slots=True)
class DueTimers:
    """An answer of `EventStore.due_timers`."""

    due: Sequence[TimerRow]
    """Due now, earliest first."""

    next_in: timedelta | None
    """Until the earliest timer that is not due yet; None without one."""


@dataclass(frozen=True, slots=True)
class HandlerMarks:
    """How far a handler is."""

    handler: str
    from_position: int
    """Events up to here are history to it: it never acts on them."""

    low_water: int
    """All its events up to here are handled or parked."""


@dataclass(frozen=True, slots=True)
class Publication:
    """How far own events were known to be published, and where."""

    noted_at: datetime
    position: int
    """Own events up to here were acknowledged."""

    medium: str
    """Which incarnation of which stream did so."""

    place: int
    """The witness's place in it."""

    witness: UUID
    """The event that was acknowledged last."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """Events that are committed and not known to be published."""

    count: int
    oldest: datetime | None
    """When the first of them was recorded."""
