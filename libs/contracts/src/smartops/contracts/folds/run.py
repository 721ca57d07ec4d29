"""What others know of a run: which calls it asked for, and how far it has come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from uuid import UUID

from smartops.contracts.events import (
    TaskCancelled,
    TaskCompleted,
    TaskEscalated,
    TaskFailed,
    TaskPhaseCompleted,
    TaskPhaseStarted,
    TaskResumed,
    TaskRollbackStarted,
    TaskRolledBack,
    TaskStarted,
    ToolCallRequested,
)
from smartops.contracts.wire import EventData, Purpose

__all__ = ["RunView", "evolve_run"]


@dataclass(frozen=True, slots=True)
class RunView:
    """A run as the gateway and policy see it."""

    started: TaskStarted | None = None
    phase: int = -1
    """The phase begun last; -1 before the first."""
    phases_completed: int = 0
    requests: Mapping[UUID, ToolCallRequested] = field(default_factory=dict)
    asked: tuple[ToolCallRequested, ...] = ()
    """One per event, in their order."""
    reads: int = 0
    """How many of them only look."""
    rolling_back: bool = False
    ended: str | None = None
    """completed, rolled_back, cancelled, failed or escalated."""


def evolve_run(view: RunView, event: EventData) -> RunView:
    """Fold one event of `run-<run>`."""
    match event:
        case TaskStarted():
            return replace(view, started=event)
        case TaskPhaseStarted():
            return replace(view, phase=event.phase)
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
            return replace(view, rolling_back=True)
        case TaskCompleted():
            return replace(view, ended="completed")
        case TaskRolledBack():
            return replace(view, ended="rolled_back")
        case TaskCancelled():
            return replace(view, ended="cancelled")
        case TaskFailed():
            return replace(view, ended="failed")
        case TaskEscalated():
            return replace(view, ended="escalated")
        case TaskResumed():
            # Also an escalated run goes on, once a person has cleared up what it waited for.
            return replace(view, ended=None)
        case _:
            return view
