"""Events of a run and of the targets it claims, decided by the runner.

`run-<run>` holds the run, `target-<environment>/<target>` the claim: one run per target.
"""

from __future__ import annotations

from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import AwareDatetime, Field, JsonValue
from smartops.contracts.computing import COMPUTE
from smartops.contracts.measured import Measured
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
    Wire,
)

__all__ = [
    "BeforeState",
    "TargetClaimed",
    "TargetReleased",
    "TaskBatchCompleted",
    "TaskCancelled",
    "TaskCompleted",
    "TaskComputationEnded",
    "TaskComputationRequested",
    "TaskEscalated",
    "TaskHealthChecked",
    "TaskHealthCheckedV1",
    "TaskPaused",
    "TaskPhaseCompleted",
    "TaskPhaseStarted",
    "TaskResumed",
    "TaskRollbackStarted",
    "TaskRolledBack",
    "TaskRolledBackV1",
    "TaskStarted",
    "TaskStepSettled",
    "TaskStepSettledV1",
    "TaskStopping",
    "TaskWaiting",
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


class TaskBatchCompleted(_OfRun):
    """A batch of a phase was applied and its targets stayed healthy; the next one goes out."""

    topic: ClassVar[str] = "task.batch.completed"

    phase: int
    batch: int = Field(ge=0)
    """From 0."""
    steps: int
    """Steps of the phase that were applied so far."""


class TaskHealthChecked(_OfRun):
    """A health check, or the phase's `rollback_if`, came to its verdict over the window."""

    topic: ClassVar[str] = "task.health.checked"
    schema_version: ClassVar[int] = 2

    phase: int
    check: int | None
    """The number of the check; None: the condition under which the phase is taken back."""
    type: ShortText
    outcome: Annotated[str, Field(pattern=r"^(healthy|unhealthy|inconclusive)$")]
    samples: int
    failed: int
    detail: LongText
    inconclusive: int = 0
    """Samples in a row, up to the last one, that showed nothing."""
    errors: int = 0
    """Samples in a row, up to the last one, that could not be taken."""
    condition: LongText = ""
    """What was compared: the threshold, or `rollback_if`."""
    values: dict[str, Measured] = Field(default_factory=dict)
    """What was measured last, by metric."""


# It was always a check's, and told no values.
class TaskHealthCheckedV1(_OfRun):
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


class TaskWaiting(_OfRun):
    """Nothing goes out before a time; then the run goes on by itself. Taking back never waits."""

    topic: ClassVar[str] = "task.waiting"

    reason: LongText
    until: AwareDatetime


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


class _RolledBack(_OfRun):
    reason: LongText
    undone: int


class TaskRolledBack(_RolledBack):
    """All that was changed was taken back. Never called completed."""

    topic: ClassVar[str] = "task.rolled_back"
    schema_version: ClassVar[int] = 2

    verified: int = 0
    """Changes whose target was read again and is as it was before."""
    unverified: tuple[UUID, ...] = ()
    """Calls that were taken back by a tool that answered so, and that nothing can read back."""


# Nobody looked again.
class TaskRolledBackV1(_RolledBack):
    """All that was changed was taken back. Never called completed."""

    topic: ClassVar[str] = "task.rolled_back"


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


class BeforeState(Wire):
    """What a step will be held to when it is taken back."""

    tool: ToolName
    """The read that tells the state."""
    version: ShortText
    fields: tuple[ShortText, ...]
    """Those of its output that the undo puts back."""
    digest: Digest
    """Of these fields and their values, as they were before the step."""


class _StepSettled(_OfRun):
    call: UUID
    purpose: Purpose
    question: ShortText
    outcome: Annotated[str, Field(pattern=r"^(applied|failed|denied|uncertain|inconclusive)$")]
    healthy: bool | None = None
    """For `observe`: what the sample showed."""
    retry: bool = False
    """The call is worth another attempt."""
    detail: LongText = ""


class TaskStepSettled(_StepSettled):
    """The run has taken note of a call's outcome; makes the run's own stream tell its state."""

    topic: ClassVar[str] = "task.step.settled"
    schema_version: ClassVar[int] = 2

    measured: Measured | None = None
    """For `observe`: what the sample measured, if it measured anything."""
    before: BeforeState | None = None
    """For `do`: what taking it back is held to; None when nothing can read it back."""


# It told neither what was measured nor what was there before.
class TaskStepSettledV1(_StepSettled):
    """The run has taken note of a call's outcome; makes the run's own stream tell its state."""

    topic: ClassVar[str] = "task.step.settled"


class TaskComputationRequested(_OfRun):
    """A step that is code of the plan itself is to be run, by the runner in its sandbox."""

    topic: ClassVar[str] = "task.computation.requested"

    call: UUID
    """As for a step that the gateway carries out; it never hears of this one."""
    version: ShortText
    target: TargetName
    question: ShortText
    """The step's id."""
    attempt: int = Field(ge=1)
    phase: int = Field(ge=0)
    step: Digest
    """Its hash: code and inputs stand in the approved plan."""

    def as_call(self) -> ToolCallRequested:
        """The same, as the run counts it among its calls."""
        return ToolCallRequested(
            task=self.task,
            run=self.run,
            call=self.call,
            purpose=Purpose.DO,
            tool=COMPUTE,
            version=self.version,
            target=self.target,
            question=self.question,
            attempt=self.attempt,
            phase=self.phase,
            step=self.step,
        )


class TaskComputationEnded(_OfRun):
    """The code of a step was run, or could not be; it has changed nothing either way."""

    topic: ClassVar[str] = "task.computation.ended"

    call: UUID
    question: ShortText
    outcome: Annotated[str, Field(pattern=r"^(value|failed|timed_out|killed|too_large|not_run)$")]
    ok: bool
    """Whether the step holds: it says so itself, and whatever did not end well does not."""
    detail: LongText
    output: JsonValue
    """All of its result, without secrets; None if there is none."""
    level: ShortText
    """How it was fenced in: `landlock`, `bubblewrap`; `none` if it was not run."""
    duration_ms: Annotated[float, Field(ge=0)]


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
