"""The one status of a task that people see, as a table.

Facts of one task come from several streams (planner, gate, run), in the order of the log. Each says
something only in some states: a plan that is refused while an earlier one runs does not fail the
task, and what has ended for good stays as it ended.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from smartops.contracts.events import (
    TaskApprovalExpired,
    TaskApprovalGranted,
    TaskApprovalRejected,
    TaskApprovalRequired,
    TaskCancelled,
    TaskCompleted,
    TaskEscalated,
    TaskEvidenceAttached,
    TaskFailed,
    TaskGrantRevoked,
    TaskHalted,
    TaskPaused,
    TaskPlanEditAccepted,
    TaskPlanned,
    TaskPlanRefused,
    TaskPlanSuperseded,
    TaskResumed,
    TaskRollbackStarted,
    TaskRolledBack,
    TaskSpecified,
    TaskStarted,
    TaskStopping,
    TaskWaiting,
)
from smartops.contracts.wire import EventData

__all__ = ["ENDED", "Move", "Status", "next_status"]


class Status(StrEnum):
    """The one status."""

    QUEUED = "queued"
    RUNNING = "running"
    """Being understood, investigated and planned."""
    NEEDS_APPROVAL = "needs_approval"
    EXECUTING = "executing"
    """Granted: a run is queued, under way, or taking its changes back."""
    PAUSED = "paused"
    COMPLETED = "completed"
    ROLLED_BACK = "rolled_back"
    FAILED_RETRYABLE = "failed_retryable"
    FAILED_TERMINAL = "failed_terminal"
    ESCALATED_TO_HUMAN = "escalated_to_human"
    REJECTED = "rejected"
    CANCELLED = "cancelled"


class Move(NamedTuple):
    """In these states, an event leads to that one."""

    origins: frozenset[Status]
    to: Status


S = Status
_PLANNING = frozenset({S.QUEUED, S.RUNNING, S.NEEDS_APPROVAL})
_FAILED = frozenset({S.FAILED_RETRYABLE, S.FAILED_TERMINAL})
_OPEN = _PLANNING | {S.EXECUTING, S.PAUSED}
_UNSETTLED = _OPEN | {S.ESCALATED_TO_HUMAN}
"""Who was called for help may still end the task in any way."""
_REPLANNED = _PLANNING | _FAILED | {S.REJECTED}
"""A plan that failed or was rejected may be followed by a better one."""

ENDED = _FAILED | {S.COMPLETED, S.ROLLED_BACK, S.REJECTED, S.CANCELLED}
"""Nothing is under way and nobody is waited for."""

_MOVES: Mapping[type[EventData], Move] = {
    TaskSpecified: Move(frozenset({S.QUEUED, S.RUNNING}), S.RUNNING),
    TaskEvidenceAttached: Move(frozenset({S.QUEUED, S.RUNNING}), S.RUNNING),
    # Another one is asked for by the gate first: a plan that nobody asked for changes nothing here.
    TaskPlanned: Move(frozenset({S.QUEUED, S.RUNNING}), S.RUNNING),
    TaskPlanEditAccepted: Move(_PLANNING, S.RUNNING),
    TaskPlanSuperseded: Move(_OPEN, S.RUNNING),
    TaskPlanRefused: Move(_PLANNING, S.FAILED_TERMINAL),
    TaskApprovalRequired: Move(_REPLANNED | {S.PAUSED}, S.NEEDS_APPROVAL),
    TaskApprovalGranted: Move(_REPLANNED | {S.PAUSED}, S.EXECUTING),
    TaskApprovalRejected: Move(_PLANNING, S.REJECTED),
    TaskApprovalExpired: Move(_PLANNING, S.FAILED_TERMINAL),
    # What came back from its run waits for people, with a grant that can be taken back.
    TaskGrantRevoked: Move(frozenset({S.EXECUTING, S.PAUSED, S.NEEDS_APPROVAL}), S.PAUSED),
    TaskHalted: Move(_UNSETTLED, S.ESCALATED_TO_HUMAN),
    TaskStarted: Move(_OPEN, S.EXECUTING),
    TaskWaiting: Move(frozenset({S.EXECUTING, S.PAUSED}), S.PAUSED),
    TaskStopping: Move(frozenset({S.EXECUTING, S.PAUSED}), S.PAUSED),
    TaskPaused: Move(frozenset({S.EXECUTING, S.PAUSED}), S.PAUSED),
    # Who was called for help may let it go on, too, by settling what nobody knew.
    TaskResumed: Move(frozenset({S.EXECUTING, S.PAUSED, S.ESCALATED_TO_HUMAN}), S.EXECUTING),
    TaskRollbackStarted: Move(_UNSETTLED, S.EXECUTING),
    TaskCompleted: Move(_UNSETTLED, S.COMPLETED),
    TaskRolledBack: Move(_UNSETTLED, S.ROLLED_BACK),
    TaskCancelled: Move(_UNSETTLED, S.CANCELLED),
    TaskFailed: Move(_UNSETTLED, S.FAILED_TERMINAL),
    TaskEscalated: Move(_UNSETTLED, S.ESCALATED_TO_HUMAN),
}


def next_status(status: Status, event: EventData) -> Status | None:
    """The status after an event; None when the event says nothing about it in this state."""
    move = _MOVES.get(type(event))
    if move is None or status not in move.origins:
        return None
    if isinstance(event, TaskFailed) and event.retryable:
        return Status.FAILED_RETRYABLE
    if isinstance(event, TaskApprovalRejected) and event.then == "replan":
        return Status.RUNNING
    if isinstance(event, TaskPlanRefused) and event.unasked:
        return None
    return move.to
