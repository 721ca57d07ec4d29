"""The task's state, folded from `task-<task>`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from smartops.contracts.events import (
    EvidenceRef,
    TaskEvidenceAttached,
    TaskFailed,
    TaskPlanned,
    TaskSpec,
    TaskSpecified,
    TaskSubmitted,
    ToolCallRequested,
)
from smartops.contracts.wire import EventData

__all__ = ["Task", "evolve"]


@dataclass(frozen=True, slots=True)
class Task:
    """created, parsing, planned or failed."""

    submitted: TaskSubmitted | None = None
    spec: TaskSpec | None = None
    asked: Mapping[str, ToolCallRequested] = field(default_factory=dict)
    """The newest request by question."""
    evidence: Mapping[str, EvidenceRef] = field(default_factory=dict)
    """By question, which is the evidence's kind."""
    planned: TaskPlanned | None = None
    failed: TaskFailed | None = None


def evolve(task: Task, event: EventData) -> Task:
    """Fold one event; never fails, never decides."""
    match event:
        case TaskSubmitted():
            return replace(task, submitted=event)
        case TaskSpecified():
            return replace(task, spec=event.spec)
        case ToolCallRequested():
            return replace(task, asked={**task.asked, event.question: event})
        case TaskEvidenceAttached():
            return replace(
                task,
                evidence={**task.evidence, **{found.kind: found for found in event.evidence}},
            )
        case TaskPlanned():
            return replace(task, planned=event)
        case TaskFailed():
            return replace(task, failed=event)
        case _:
            return task
