"""What a decider returns: events, and the timers that belong to them. Pure values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from smartops.contracts.deciding import Decisions
from smartops.contracts.wire import EventData

__all__ = [
    "NOTHING",
    "Answer",
    "CancelTimer",
    "Decision",
    "Elsewhere",
    "Refusal",
    "SetTimer",
    "Timer",
]


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Wake the stream's owner at a time of the database's clock.

    Set again before it has fired, it moves; a name that has fired is used up, so names carry a
    number where a timer recurs.
    """

    name: str
    due: datetime | timedelta
    """A moment, or a delay from the commit."""
    handler: str
    """The timer handler that decides when it fires."""
    payload: bytes | None = None
    """What the handler needs and the stream does not hold yet."""


@dataclass(frozen=True, slots=True)
class CancelTimer:
    """Forget a timer; one that was never set, or has fired, is no error."""

    name: str


Timer = SetTimer | CancelTimer


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a command changes nothing. Written as `command.refused`, never raised."""

    code: str
    message: str
    field: str | None = None
    decisions: Decisions = ()
    """What policy answered, where it was asked."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Why a command changes nothing and need not: what it asks for is so already.

    Written as `command.answered`, so that who asked hears it at once.
    """

    outcome: str
    message: str


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Events for another stream of the same service, in the same unit."""

    stream: str
    expected: int
    events: Sequence[EventData]


@dataclass(frozen=True, slots=True)
class Decision:
    """What follows from a trigger. Empty means: already done, or nothing to do."""

    events: Sequence[EventData] = ()
    timers: Sequence[Timer] = ()
    elsewhere: Sequence[Elsewhere] = ()
    reads: Sequence[tuple[str, int]] = ()
    """(stream, version) of what the decision rests on; checked in the append."""
    cites: Sequence[tuple[str, int, bytes]] = ()
    """(stream, version, SHA-256 of the state) of events taken from messages, unread;
    checked in the append."""
    blobs: Sequence[bytes] = ()
    refusal: Refusal | None = None
    answer: Answer | None = None
    after: object = None
    """The state that the events lead to, where the decider has folded them already."""


NOTHING = Decision()
