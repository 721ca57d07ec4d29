"""Events of the gate, decided by policy, in `gate-<task>`: the one serialisation point of a task.

Whether something may run is decided here and nowhere else; runner and gateway read it.
"""

from __future__ import annotations

from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import AwareDatetime, Field
from smartops.contracts.bounds import Envelope, Limits
from smartops.contracts.wire import (
    Digest,
    Environment,
    EventData,
    LongText,
    RiskLevel,
    ShortText,
    Wire,
)

__all__ = [
    "Approval",
    "PlanProblem",
    "TaskApprovalExpired",
    "TaskApprovalGranted",
    "TaskApprovalGrantedV1",
    "TaskApprovalRecorded",
    "TaskApprovalRecordedV1",
    "TaskApprovalRejected",
    "TaskApprovalRequired",
    "TaskCancelRequested",
    "TaskGrantRevoked",
    "TaskHalted",
    "TaskPlanRefused",
    "TaskPlanValidated",
]


class PlanProblem(Wire):
    """Why a plan was refused."""

    stage: ShortText
    """schema, policy or safety."""
    rule: ShortText
    path: str = ""
    message: LongText


class _OfPlan(EventData):
    number: int = Field(ge=1)
    plan_hash: Digest


class TaskPlanValidated(_OfPlan):
    """The plan passed schema, policy and safety."""

    topic: ClassVar[str] = "task.plan.validated"

    document: Digest
    assessment_hash: Digest
    """Digest of the assessment blob: scores, blast radius, rules, bundle."""
    rules: tuple[ShortText, ...]
    bundle: Digest
    engine: ShortText
    requires_approval: bool


class TaskPlanRefused(_OfPlan):
    """The plan may not run, and no approval can change that."""

    topic: ClassVar[str] = "task.plan.refused"

    problems: Annotated[tuple[PlanProblem, ...], Field(min_length=1)]
    bundle: Digest
    engine: ShortText


class TaskApprovalRequired(_OfPlan):
    """A person must decide. The card is rendered from the hashed bytes, not from this event."""

    topic: ClassVar[str] = "task.approval.required"

    document: Digest
    assessment_hash: Digest
    environment: Environment
    summary: LongText
    risk_level: RiskLevel
    role: ShortText
    """The role that an approver must hold."""
    quorum: int = Field(ge=1)
    requester: ShortText
    """Principal of the requester, who may not approve."""
    reasons: tuple[ShortText, ...]
    expires_at: AwareDatetime


class Approval(Wire):
    """One person's voice."""

    actor: UUID
    actor_name: ShortText
    principal: ShortText
    authtype: ShortText
    """How the person was known: `local` credentials or an identity provider."""
    actor_version: int
    """The version of the actor's stream that the voice was decided on."""


class _Recorded(_OfPlan):
    assessment_hash: Digest
    decision: Annotated[str, Field(pattern=r"^(approve|reject)$")]
    by: Approval
    note: LongText = ""


class TaskApprovalRecorded(_Recorded):
    """One voice was heard."""

    topic: ClassVar[str] = "task.approval.recorded"
    schema_version: ClassVar[int] = 2

    limits: Limits = Limits()
    """How much of the plan this person allows; of several voices the strictest holds."""


# A voice could not limit what it approved.
class TaskApprovalRecordedV1(_Recorded):
    """One voice was heard, for the whole plan."""

    topic: ClassVar[str] = "task.approval.recorded"


class _Granted(_OfPlan):
    document: Digest
    assessment_hash: Digest
    grant: int = Field(ge=1)
    run: UUID
    environment: Environment
    automatic: bool
    approvals: tuple[Approval, ...]
    bundle: Digest
    expires_at: AwareDatetime


class TaskApprovalGranted(_Granted):
    """The plan may run, once, until it expires: as hashed, and no further than its envelope."""

    topic: ClassVar[str] = "task.approval.granted"
    schema_version: ClassVar[int] = 2

    envelope: Envelope | None
    """None: version 1, which was bounded by its plan alone."""


# It had no envelope: the plan's own steps were all that bounded it.
class TaskApprovalGrantedV1(_Granted):
    """The plan may run, once, until it expires, byte for byte as hashed."""

    topic: ClassVar[str] = "task.approval.granted"


class TaskApprovalRejected(_OfPlan):
    """A person said no. One rejection is enough."""

    topic: ClassVar[str] = "task.approval.rejected"

    by: Approval
    note: LongText = ""


class TaskApprovalExpired(_OfPlan):
    """Nobody decided in time. A timeout is never an approval."""

    topic: ClassVar[str] = "task.approval.expired"

    late_ms: int = Field(ge=0)


class _ByPerson(EventData):
    principal: ShortText
    actor: UUID | None = None
    reason: LongText


class TaskGrantRevoked(_ByPerson):
    """A grant was taken back: nothing more is dispatched under it."""

    topic: ClassVar[str] = "task.grant.revoked"

    grant: int = Field(ge=1)
    run: UUID


class TaskCancelRequested(_ByPerson):
    """The task is to end: stop dispatching, settle what is in flight, take back what can be."""

    topic: ClassVar[str] = "task.cancel.requested"

    keep_changes: bool = False
    run: UUID | None = None


class TaskHalted(_ByPerson):
    """Emergency stop: not even undo goes out any more. A person takes over."""

    topic: ClassVar[str] = "task.halted"

    run: UUID | None = None
