"""What others know of a task."""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import UUID

from smartops.contracts.events import (
    TaskFailed,
    TaskPlanned,
    TaskSpec,
    TaskSpecified,
    TaskSubmitted,
    ToolCallRequested,
)
from smartops.contracts.wire import EventData

__all__ = ["TaskView", "evolve_task"]


@dataclass(frozen=True, slots=True)
class TaskView:
    """Who asked for what, how it was understood, and the newest plan."""

    submitted: TaskSubmitted | None = None
    spec: TaskSpec | None = None
    plan: TaskPlanned | None = None
    requests: tuple[tuple[UUID, ToolCallRequested], ...] = ()
    """Evidence asked for: call id and request, oldest first."""
    failed: bool = False


def evolve_task(view: TaskView, event: EventData) -> TaskView:
    """Fold one event of `task-<task>`."""
    match event:
        case TaskSubmitted():
            return replace(view, submitted=event)
        case TaskSpecified():
            return replace(view, spec=event.spec)
        case ToolCallRequested():
            return replace(view, requests=(*view.requests, (event.call, event)))
        case TaskPlanned():
            return replace(view, plan=event)
        case TaskFailed():
            return replace(view, failed=True)
        case _:
            return view
