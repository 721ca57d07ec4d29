"""Events of a run and of the targets it claims, decided by the runner.

`run-<run>` holds the run, `target-<environment>/<target>` the claim: one run per target.
"""

from __future__ import annotations

from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field
from smartops.contracts.wire import (
    Digest,
    Environment,
    EventData,
    JsonObject,
    LongText,
    Purpose,
    ShortText,
    TargetName,
    ToolName,
)

__all__ = [
    "TargetClaimed",
    "TargetReleased",
    "TaskCancelled",
    "TaskCompleted",
    "TaskEscalated",
    "TaskHealthChecked",
    "TaskPaused",
    "TaskPhaseCompleted",
    "TaskPhaseStarted",
    "TaskResumed",
    "TaskRollbackStarted",
    "TaskRolledBack",
    "TaskStarted",
    "TaskStepSettled",
    "TaskStopping",
    "ToolCallRequested",
]


class _OfRun(EventData):
    task: UUID
    run: UUID


class TaskStarted(_OfRun):
    """The run began: all its targets are claimed, nothing has been dispatched."""

    topic: ClassVar[str] = "task.started"

    number: int
    plan_hash: Digest
    document: Digest
    grant: int
    environment: Environment
    phases: tuple[ShortText, ...]
    claims: tuple[TargetName, ...]


class TaskPhaseStarted(_OfRun):
    """A phase began."""

    topic: ClassVar[str] = "task.phase.started"

    phase: int = Field(ge=0)
    name: ShortText
    steps: int
    targets: tuple[TargetName, ...]


class TaskHealthChecked(_OfRun):
    """A health check over a phase's window came to its verdict."""

    topic: ClassVar[str] = "task.health.checked"

    phase: int
    check: int
    type: ShortText
    outcome: Annotated[str, Field(pattern=r"^(healthy|unhealthy|inconclusive)$")]
    samples: int
    failed: int
    detail: LongText


class TaskPhaseCompleted(_OfRun):
    """All steps of a phase were applied and its targets stayed healthy."""

    topic: ClassVar[str] = "task.phase.completed"

    phase: int
    name: ShortText
    changed: int


class TaskStopping(_OfRun):
    """Nothing more is dispatched; calls in flight are awaited, then what `then` says happens."""

    topic: ClassVar[str] = "task.stopping"

    reason: LongText
    then: Annotated[str, Field(pattern=r"^(pause|roll_back|cancel|cancel_and_keep|escalate)$")]
    principal: ShortText | None = None


class TaskPaused(_OfRun):
    """The run stands still: nothing is in flight."""

    topic: ClassVar[str] = "task.paused"

    reason: LongText


class TaskResumed(_OfRun):
    """The run goes on where it stood."""

    topic: ClassVar[str] = "task.resumed"

    principal: ShortText
    reason: LongText = ""


class TaskRollbackStarted(_OfRun):
    """What was changed is taken back, last change first."""

    topic: ClassVar[str] = "task.rollback.started"

    reason: LongText
    phase: int
    undo: tuple[UUID, ...]
    """The calls to undo, in the order of undoing."""
    then: Annotated[str, Field(pattern=r"^(rolled_back|cancelled)$")] = "rolled_back"


class TaskRolledBack(_OfRun):
    """All that was changed was taken back. Never called completed."""

    topic: ClassVar[str] = "task.rolled_back"

    reason: LongText
    undone: int


class TaskCancelled(EventData):
    """The task ended because a person cancelled it. Said by the gate (no run) or the runner."""

    topic: ClassVar[str] = "task.cancelled"

    task: UUID
    run: UUID | None = None
    reason: LongText
    undone: int = 0
    kept: int = 0


class TaskCompleted(_OfRun):
    """Every phase was completed."""

    topic: ClassVar[str] = "task.completed"

    changed: int
    calls: int


class TaskEscalated(_OfRun):
    """The run cannot go on by itself; a person must look. Says what is left to do."""

    topic: ClassVar[str] = "task.escalated"

    reason: LongText
    open_calls: tuple[UUID, ...] = ()
    not_undone: tuple[UUID, ...] = ()
    what_to_do: LongText


class ToolCallRequested(EventData):
    """A call is asked for. By the planner (evidence) or the runner; the gateway decides."""

    topic: ClassVar[str] = "tool.call.requested"

    task: UUID
    run: UUID | None = None
    call: UUID
    purpose: Purpose
    tool: ToolName
    version: ShortText
    target: TargetName
    question: ShortText
    """Step id, evidence question or health sample: unique per requester with purpose, attempt."""
    attempt: int = Field(ge=1)
    phase: int | None = None
    step: Digest | None = None
    """Step hash, for `do`."""
    undoes: UUID | None = None
    """The call taken back, for `undo`; arguments come from its undo entitlement."""
    arguments: JsonObject | None = None
    """For reads (evidence, observe) only: writes take theirs from the approved plan."""


class TaskStepSettled(_OfRun):
    """The run has taken note of a call's outcome; makes the run's own stream tell its state."""

    topic: ClassVar[str] = "task.step.settled"

    call: UUID
    purpose: Purpose
    question: ShortText
    outcome: Annotated[str, Field(pattern=r"^(applied|failed|denied|uncertain|inconclusive)$")]
    healthy: bool | None = None
    """For `observe`: what the sample showed."""
    retry: bool = False
    """The call is worth another attempt."""
    detail: LongText = ""


class TargetClaimed(EventData):
    """One run owns the target until it is released."""

    topic: ClassVar[str] = "target.claimed"

    task: UUID
    run: UUID
    environment: Environment
    target: TargetName


class TargetReleased(EventData):
    """The target is free again."""

    topic: ClassVar[str] = "target.released"

    task: UUID
    run: UUID
    environment: Environment
    target: TargetName
