"""What others know of a run: which calls it asked for, and how far it has come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from uuid import UUID

from smartops.contracts.events import (
    TaskBatchCompleted,
    TaskCancelled,
    TaskCompleted,
    TaskConditionChecked,
    TaskEscalated,
    TaskFailed,
    TaskPaused,
    TaskPhaseCompleted,
    TaskPhaseStarted,
    TaskPreconditionsStale,
    TaskResumed,
    TaskRollbackStarted,
    TaskRolledBack,
    TaskStarted,
    TaskStepWithheld,
    TaskStopping,
    ToolCallRequested,
)
from smartops.contracts.wire import EventData, Purpose

__all__ = ["FINAL", "STOPPING", "RunView", "evolve_run"]

FINAL = frozenset({"completed", "rolled_back", "cancelled", "failed", "stale"})
"""Ends that nothing comes after; an escalated run may go on, or be taken back."""

STOPPING = "stopping"
"""Reason code of a call that was not let out because its run was stopping: not applied, and asked
for again if the run goes on."""


@dataclass(frozen=True, slots=True)
class RunView:
    """A run as the gateway and policy see it."""

    started: TaskStarted | None = None
    phase: int = -1
    """The phase begun last; -1 before the first."""
    phases_completed: int = 0
    batch: int = 0
    """The batch of that phase under way, from 0."""
    requests: Mapping[UUID, ToolCallRequested] = field(default_factory=dict)
    asked: tuple[ToolCallRequested, ...] = ()
    """One per event, in their order."""
    reads: int = 0
    """How many of them only look."""
    since: int = 0
    """How many it had asked for when the batch under way began, or when it was last resumed."""
    held: TaskConditionChecked | None = None
    """Where the run says that its grant's condition held, since then."""
    rolling_back: bool = False
    stopping: TaskStopping | None = None
    """Nothing more goes out, and what was asked for is awaited; until that has led somewhere."""
    paused: bool = False
    withheld: tuple[TaskStepWithheld, ...] = ()
    """Steps that policy denied, for which the run waits, or will once it is at rest."""
    ended: str | None = None
    """completed, rolled_back, cancelled, failed, escalated, or stale: it never began."""


def evolve_run(view: RunView, event: EventData) -> RunView:
    """Fold one event of `run-<run>`.

    What is over stays over: else whoever may write there could say behind its end that it was
    resumed, and have its changes taken back long after, or its last steps carried out.
    """
    after = _evolve(view, event)
    return replace(after, ended=view.ended) if view.ended in FINAL else after


def _evolve(view: RunView, event: EventData) -> RunView:
    match event:
        case TaskStarted():
            return replace(view, started=event)
        case TaskPhaseStarted():
            return replace(view, phase=event.phase, batch=0, since=len(view.asked), held=None)
        case TaskBatchCompleted():
            return replace(view, batch=event.batch + 1, since=len(view.asked), held=None)
        case TaskConditionChecked():
            return replace(view, held=event if event.outcome == "holds" else None)
        case ToolCallRequested():
            return replace(
                view,
                # A call is what was first asked for under its id: what is said under it later would
                # be held against its undo.
                requests=view.requests
                if event.call in view.requests
                else {**view.requests, event.call: event},
                asked=(*view.asked, event),
                reads=view.reads + (event.purpose in (Purpose.EVIDENCE, Purpose.OBSERVE)),
            )
        case TaskPhaseCompleted():
            return replace(view, phases_completed=event.phase + 1)
        case TaskRollbackStarted():
            return replace(view, rolling_back=True, stopping=None, paused=False)
        case TaskStopping():
            return replace(view, stopping=event)
        case TaskStepWithheld():
            return replace(view, withheld=(*view.withheld, event))
        case TaskPaused():
            return replace(view, stopping=None, paused=True)
        case TaskCompleted():
            return replace(view, ended="completed")
        case TaskRolledBack():
            return replace(view, ended="rolled_back")
        case TaskCancelled():
            return replace(view, ended="cancelled")
        case TaskFailed():
            return replace(view, ended="failed")
        case TaskEscalated():
            return replace(view, ended="escalated", stopping=None)
        case TaskPreconditionsStale():
            return replace(view, ended="stale")
        case TaskResumed():
            # Also an escalated run goes on, once a person has cleared up what it waited for.
            # One that comes to rest by that still waits for the gate.
            withheld = () if view.paused else view.withheld
            return replace(
                view,
                ended=None,
                stopping=None,
                paused=False,
                withheld=withheld,
                since=len(view.asked),
                held=None,
            )
        case _:
            return view
