"""What each command visibly does, and how to tell that it was done already."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from smartops.contracts.events import (
    ActorDelegated,
    ActorDelegationEnded,
    AutonomyChanged,
    CommandAnswered,
    ParkedRetried,
    PiiErased,
    PiiRevealed,
    StandingGiven,
    StandingRevoked,
    TaskApprovalGranted,
    TaskApprovalRecorded,
    TaskApprovalRejected,
    TaskBreakGlassUsed,
    TaskCancelled,
    TaskCancelRequested,
    TaskGrantRevoked,
    TaskHalted,
    TaskPaused,
    TaskPlanEditAccepted,
    TaskResumed,
    TaskStopping,
    TaskSubmitted,
    ToolCallSettled,
)
from smartops.contracts.wire import EventData
from smartops.sdk.event import Event

__all__ = [
    "AUTONOMY",
    "BREAK_GLASS",
    "CANCEL",
    "DECIDE",
    "DELEGATE",
    "EDIT",
    "END_DELEGATION",
    "ERASE",
    "GIVE",
    "HALT",
    "PAUSE",
    "RESUME",
    "RETRY",
    "REVEAL",
    "REVOKE",
    "SETTLE",
    "SUBMIT",
    "TAKE_BACK",
    "Effect",
]


def _names(*events: type[EventData]) -> tuple[str, ...]:
    return tuple(event.topic for event in events)


@dataclass(frozen=True, slots=True)
class Effect:
    """The events by which a command's success shows."""

    shows: tuple[str, ...]
    provisional: tuple[str, ...] = ()
    """Those among them that a further one of the same commit may follow."""
    undone_by: tuple[str, ...] = ()
    """Events after which the effect no longer holds."""
    own_only: bool = True
    """Only events caused by this very command count. Otherwise another's equal command will do:
    a repeat of what is done already leaves no event of its own."""

    def standing(self, events: Iterable[Event]) -> Event | None:
        """The event by which the effect holds now, whoever caused it; None if it does not."""
        found: Event | None = None
        for event in events:
            if event.name in self.shows:
                found = event
            elif event.name in self.undone_by:
                found = None
        return found


SUBMIT = Effect(_names(TaskSubmitted))
DECIDE = Effect(
    _names(TaskApprovalRecorded, TaskApprovalGranted, TaskApprovalRejected),
    provisional=_names(TaskApprovalRecorded),
)
EDIT = Effect(_names(TaskPlanEditAccepted))
CANCEL = Effect(_names(TaskCancelRequested, TaskCancelled), own_only=False)
HALT = Effect(_names(TaskHalted), own_only=False)
REVOKE = Effect(_names(TaskGrantRevoked), undone_by=_names(TaskApprovalGranted), own_only=False)
PAUSE = Effect(_names(TaskStopping, TaskPaused), undone_by=_names(TaskResumed), own_only=False)
RESUME = Effect(_names(TaskResumed), undone_by=_names(TaskStopping, TaskPaused), own_only=False)
AUTONOMY = Effect(_names(AutonomyChanged, CommandAnswered))
RETRY = Effect(_names(ParkedRetried))
REVEAL = Effect(_names(PiiRevealed))
ERASE = Effect(_names(PiiErased))
BREAK_GLASS = Effect(_names(TaskBreakGlassUsed))
DELEGATE = Effect(_names(ActorDelegated))
END_DELEGATION = Effect(_names(ActorDelegationEnded))
GIVE = Effect(_names(StandingGiven))
TAKE_BACK = Effect(_names(StandingRevoked))
SETTLE = Effect(_names(ToolCallSettled), own_only=False)
