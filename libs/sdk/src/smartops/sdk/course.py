"""How far a task has come, folded from its events: enough to know when watching may end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from smartops.contracts.events import (
    TaskApprovalExpired,
    TaskApprovalGranted,
    TaskApprovalRejected,
    TaskApprovalRequired,
    TaskCancelled,
    TaskCancelRequested,
    TaskCompleted,
    TaskEscalated,
    TaskFailed,
    TaskGrantRevoked,
    TaskHalted,
    TaskPlanEditAccepted,
    TaskPlanRefused,
    TaskPlanSuperseded,
    TaskResumed,
    TaskRollbackStarted,
    TaskRolledBack,
)
from smartops.contracts.wire import EventData
from smartops.sdk.event import Event

__all__ = ["Course", "Outcome", "fold", "follow"]

Outcome = Literal[
    "completed",
    "rolled_back",
    "failed_retryable",
    "failed_terminal",
    "escalated_to_human",
    "rejected",
    "cancelled",
]
"""The end states among the statuses that people see."""


@dataclass(frozen=True, slots=True)
class Course:
    """Where a task stands."""

    waiting: bool = False
    """A person's approval is awaited."""
    outcome: Outcome | None = None
    """None while it is under way."""


def fold(events: Iterable[Event]) -> Course:
    """Where a task stands after these events."""
    course = Course()
    for event in events:
        course = follow(course, event.data)
    return course


def follow(course: Course, data: EventData | None) -> Course:
    """Fold one event of a task."""
    match data:
        case TaskApprovalRequired():
            return replace(course, waiting=True)
        case TaskApprovalGranted():
            return replace(course, waiting=False)
        case TaskCompleted():
            return replace(course, outcome="completed")
        case TaskRolledBack():
            return replace(course, outcome="rolled_back")
        case TaskCancelled():
            return replace(course, waiting=False, outcome="cancelled")
        case TaskFailed():
            return replace(
                course, outcome="failed_retryable" if data.retryable else "failed_terminal"
            )
        case TaskEscalated():
            return replace(course, outcome="escalated_to_human")
        case TaskPlanEditAccepted() | TaskPlanSuperseded() | TaskApprovalRejected(then="replan"):
            return replace(course, waiting=False)  # Another plan is on its way.
        case TaskPlanRefused() if data.unasked:
            return course
        case TaskPlanRefused() | TaskApprovalRejected() | TaskApprovalExpired():
            return replace(course, waiting=False, outcome="rejected")
        case TaskGrantRevoked():
            return replace(course, waiting=False)  # It may have come back from its run.
        case TaskHalted(run=None):
            # There will be no run, so no runner is left to say that a person must look.
            return replace(course, waiting=False, outcome="escalated_to_human")
        case TaskCancelRequested() | TaskResumed() | TaskRollbackStarted() if (
            course.outcome == "escalated_to_human"
        ):
            # Cancelling an escalated run sets it in motion again: it takes back what is left. So
            # does settling the last of its calls of which nobody knew the outcome.
            return replace(course, waiting=False, outcome=None)
        case TaskCancelRequested():
            return replace(course, waiting=False)
        case _:
            return course
