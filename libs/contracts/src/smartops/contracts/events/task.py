"""Events of a task, decided by the planner, in `task-<task>`."""

from __future__ import annotations

from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import AwareDatetime, Field
from smartops.contracts.commands import IntentContext, Source, Tag
from smartops.contracts.plan import AgentRef, PlanType, Requester
from smartops.contracts.wire import (
    Digest,
    Environment,
    EventData,
    LongText,
    RiskLevel,
    ShortText,
    ToolName,
    Wire,
)

__all__ = [
    "EvidenceRef",
    "TaskEvidenceAttached",
    "TaskFailed",
    "TaskPlanned",
    "TaskSpec",
    "TaskSpecified",
    "TaskSubmitted",
]


class TaskSubmitted(EventData):
    """An intent was accepted: from here on it is never lost."""

    topic: ClassVar[str] = "task.submitted"

    intent: LongText
    environment: Environment
    context: IntentContext
    source: Source
    tags: tuple[Tag, ...] = ()
    requester: Requester
    command: UUID
    """The command key; the task's id is made of it."""
    content: Digest
    """Digest of the command's payload: the same key with other content is refused."""


class TaskSpec(Wire):
    """What the intent was understood to ask for."""

    task_type: ShortText
    goal: LongText
    agent: AgentRef
    environment: Environment
    tools_required: tuple[ToolName, ...] = ()
    risk_level: RiskLevel
    hitl_required: bool
    """Production always needs a human: risk is then high at least."""


class TaskSpecified(EventData):
    """The intent was parsed into a task specification."""

    topic: ClassVar[str] = "task.specified"

    spec: TaskSpec


class EvidenceRef(Wire):
    """An immutable snapshot that justifies the plan, stored as a blob."""

    digest: Digest
    kind: ShortText
    summary: LongText
    call: UUID
    """The tool call that fetched it."""
    captured_at: AwareDatetime


class TaskEvidenceAttached(EventData):
    """Evidence was gathered."""

    topic: ClassVar[str] = "task.evidence.attached"

    evidence: Annotated[tuple[EvidenceRef, ...], Field(min_length=1)]


class TaskPlanned(EventData):
    """A plan was written. Nothing of it may run yet."""

    topic: ClassVar[str] = "task.planned"

    number: int = Field(ge=1)
    plan_hash: Digest
    document: Digest
    type: PlanType
    summary: LongText
    environment: Environment
    targets: int = Field(ge=0)
    steps: int = Field(ge=1)


class TaskFailed(EventData):
    """The task ended without success. Said by the planner (no plan) or by the runner (a run)."""

    topic: ClassVar[str] = "task.failed"

    task: UUID
    run: UUID | None = None
    error_code: ShortText
    message: LongText
    retryable: bool = False
