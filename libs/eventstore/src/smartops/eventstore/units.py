"""The unit: all that one decision writes, stored atomically or not at all."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

__all__ = [
    "Citation",
    "NewEvent",
    "Outcome",
    "ReadCondition",
    "TimerCancel",
    "TimerSet",
    "Trigger",
    "Unit",
    "Write",
]

Outcome = Literal["handled", "refused", "parked"]
"""How a trigger ended: decided (also with no events), refused by a decision, or set aside."""


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event that has yet to be stored."""

    event_id: UUID
    """Unique for ever; derive it from cause, stream and ordinal, so that a repeat has the same."""

    topic: str
    """Stable name and version, e.g. `task.planned.v1`; at most 200 characters."""

    task: UUID | None
    """Correlation: `EventStore.history` finds the event by it."""

    cause: UUID | None
    """The event, command key or timer that led to this event."""

    party: str
    """The one service the event is meant for, or `-`."""

    state: bytes
    """The canonical bytes: stored, hashed and published as they are."""

    subject: str | None
    """Where the relay publishes it; None keeps it in the log only."""


@dataclass(frozen=True, slots=True)
class Write:
    """Events for one stream, given the version the decision was made on."""

    stream: str
    expected_version: int
    """The stream's current version; 0 means that it must not exist yet."""

    events: Sequence[NewEvent]
    """In order; they get the versions `expected_version + 1` and on. Empty acts as a read."""


@dataclass(frozen=True, slots=True)
class ReadCondition:
    """A stream the decision relied on without writing it."""

    stream: str
    version: int
    """The version it was decided on; 0 means that it must still not exist."""


@dataclass(frozen=True, slots=True)
class Citation:
    """An event the decision was made on as a message told of it, without reading the log.

    The unit conflicts unless the log holds these very bytes there. Not for decisions that act
    before the append: what was acted on by then may have been a forgery.
    """

    stream: str
    version: int
    digest: bytes
    """SHA-256 of the event's state."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """What made us decide; stored as the inbox row (role, handler, cause)."""

    handler: str
    cause: UUID
    """Event id, command key or timer id."""

    outcome: Outcome = "handled"
    reason: str | None = None
    is_timer: bool = False
    """The cause is a timer id: the timer goes with this unit, and if it has been cancelled (or has
    fired) meanwhile the unit answers `Already`."""


@dataclass(frozen=True, slots=True)
class TimerSet:
    """A timer to be set with the unit. Setting a pending id again moves its due time."""

    timer_id: UUID
    """One id per arming: an id that has fired never fires again."""

    handler: str
    stream: str
    """The stream the timer is about."""

    name: str
    """What is due, e.g. `approval.expired`."""

    due: datetime | timedelta
    """Aware time, or a delay from the database's clock at the commit."""

    payload: bytes | None = None


@dataclass(frozen=True, slots=True)
class TimerCancel:
    """A timer to be cancelled with the unit; nothing happens if it is gone already."""

    timer_id: UUID


@dataclass(frozen=True, slots=True)
class Unit:
    """One atomic step.

    A unit belongs to one tenant: all written streams and blobs. Conditions may name streams of
    other tenants. A stream is written at most once per unit.
    """

    triggers: Sequence[Trigger] = ()
    """Empty only for units that nothing asked for; then the event ids settle a repeat."""

    writes: Sequence[Write] = ()
    reads: Sequence[ReadCondition] = ()
    cites: Sequence[Citation] = ()
    timers: Sequence[TimerSet | TimerCancel] = ()
    blobs: Sequence[bytes] = ()
    """Stored under their SHA-256, which the database computes; storing one twice is fine."""

    tenant: str | None = None
    """Taken from the written streams if None; needed for blobs without writes."""
