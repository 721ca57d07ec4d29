"""The task's state, folded from `task-<task>`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from smartops.contracts.events import (
    EvidenceRef,
    TaskEvidenceAttached,
    TaskFailed,
    TaskPlanned,
    TaskReopened,
    TaskSpec,
    TaskSpecified,
    TaskSubmitted,
    ToolCallRequested,
)
from smartops.contracts.wire import EventData

__all__ = ["Task", "evolve"]


@dataclass(frozen=True, slots=True)
class Task:
    """created, parsing, planned or failed; and again, for every plan that another one follows."""

    submitted: TaskSubmitted | None = None
    spec: TaskSpec | None = None
    asked: Mapping[str, ToolCallRequested] = field(default_factory=dict)
    """The newest request by question, of those that the plan at hand rests on."""
    evidence: Mapping[str, EvidenceRef] = field(default_factory=dict)
    """By question, which is the evidence's kind."""
    attempts: Mapping[str, int] = field(default_factory=dict)
    """By question, over all plans: calls are named by it."""
    spent: Mapping[str, int] = field(default_factory=dict)
    """Those of them that were made for earlier plans."""
    planned: TaskPlanned | None = None
    """The newest plan."""
    reopened: TaskReopened | None = None
    """Why another one follows, or followed, it."""
    failed: TaskFailed | None = None

    @property
    def writing(self) -> bool:
        """A plan is being written."""
        if self.failed is not None:
            return False
        if self.planned is None or self.reopened is None:
            return self.planned is None
        return self.reopened.number > self.planned.number


def evolve(task: Task, event: EventData) -> Task:
    """Fold one event; never fails, never decides."""
    match event:
        case TaskSubmitted():
            return replace(task, submitted=event)
        case TaskSpecified():
            return replace(task, spec=event.spec)
        case ToolCallRequested():
            return replace(
                task,
                asked={**task.asked, event.question: event},
                attempts={**task.attempts, event.question: event.attempt},
            )
        case TaskEvidenceAttached():
            return replace(
                task,
                evidence={**task.evidence, **{found.kind: found for found in event.evidence}},
            )
        case TaskPlanned():
            return replace(task, planned=event)
        case TaskReopened(because="edited"):
            # It rests on what the plan before rested on.
            return replace(task, reopened=event, spent=task.attempts)
        case TaskReopened():
            return replace(task, reopened=event, spent=task.attempts, asked={}, evidence={})
        case TaskFailed():
            return replace(task, failed=event)
        case _:
            return task
