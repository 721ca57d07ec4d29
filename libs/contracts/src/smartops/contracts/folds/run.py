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
    TaskRollbackStarted,
    TaskRolledBack,
    TaskStarted,
    ToolCallRequested,
)
from smartops.contracts.wire import EventData

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
                requests={**view.requests, event.call: event},
                asked=(*view.asked, event),
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
        case _:
            return view
