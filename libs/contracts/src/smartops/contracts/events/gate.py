"""Events of the gate, decided by policy, in `gate-<task>`: the one serialisation point of a task.

Whether something may run is decided here and nowhere else; runner and gateway read it.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field
from smartops.contracts.bounds import Envelope, Limits
from smartops.contracts.constraints import Constraints
from smartops.contracts.deciding import Decisions
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
    "UNASKED",
    "Approval",
    "ApprovalV1",
    "Involved",
    "PlanProblem",
    "Prompt",
    "TaskApprovalExpired",
    "TaskApprovalGranted",
    "TaskApprovalGrantedV1",
    "TaskApprovalGrantedV2",
    "TaskApprovalRecorded",
    "TaskApprovalRecordedV1",
    "TaskApprovalRecordedV2",
    "TaskApprovalRejected",
    "TaskApprovalRejectedV1",
    "TaskApprovalRequired",
    "TaskApprovalRequiredV1",
    "TaskCancelRequested",
    "TaskGrantRevoked",
    "TaskHalted",
    "TaskPlanRefused",
    "TaskPlanRefusedV1",
    "TaskPlanValidated",
    "TaskPlanValidatedV1",
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


class _Validated(_OfPlan):
    document: Digest
    assessment_hash: Digest
    """Digest of the assessment blob: scores, blast radius, rules, bundle."""
    rules: tuple[ShortText, ...]
    bundle: Digest
    engine: ShortText
    requires_approval: bool


class TaskPlanValidated(_Validated):
    """The plan passed schema, policy and safety."""

    topic: ClassVar[str] = "task.plan.validated"
    schema_version: ClassVar[int] = 2

    decisions: Decisions = ()
    """What policy answered: may it run at all, and who must say so."""


# What policy had decided on was not kept.
class TaskPlanValidatedV1(_Validated):
    """The plan passed schema, policy and safety."""

    topic: ClassVar[str] = "task.plan.validated"


class _Refused(_OfPlan):
    problems: Annotated[tuple[PlanProblem, ...], Field(min_length=1)]
    bundle: Digest
    engine: ShortText


UNASKED = "gate.unasked"
"""The rule that refuses a plan that nobody has asked for, whatever it says."""


class TaskPlanRefused(_Refused):
    """The plan may not run, and no approval can change that."""

    topic: ClassVar[str] = "task.plan.refused"
    schema_version: ClassVar[int] = 2

    decisions: Decisions = ()
    """What policy answered; none where it could not even be asked."""

    @property
    def unasked(self) -> bool:
        """Nobody had asked for this plan, so its refusal ends nothing."""
        return any(problem.rule == UNASKED for problem in self.problems)


# What policy had decided on was not kept.
class TaskPlanRefusedV1(_Refused):
    """The plan may not run, and no approval can change that."""

    topic: ClassVar[str] = "task.plan.refused"


class Involved(Wire):
    """Somebody who had a hand in the plan, and so may not approve it."""

    principal: ShortText
    actor: UUID | None = None
    """Who that was when the plan was put before people; None when mapped to nobody."""
    part: Literal["requester", "editor"]


class Prompt(Wire):
    """What happens at a time, if nobody has decided by then."""

    kind: Literal["remind", "escalate"]
    role: ShortText | None = None
    """To escalate: who may decide, too, from then on."""
    at: AwareDatetime


class _Required(_OfPlan):
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


class TaskApprovalRequired(_Required):
    """A person must decide. The card is rendered from the hashed bytes, not from this event."""

    topic: ClassVar[str] = "task.approval.required"
    schema_version: ClassVar[int] = 2

    roles: Annotated[tuple[ShortText, ...], Field(min_length=1)]
    """Each must be held by one of the voices at least; a voice must hold one of them. `role` is
    the first."""
    excluded: tuple[Involved, ...] = ()
    """Whose yes does not count, with whichever credentials: who asked, and who ever edited."""
    prompts: tuple[Prompt, ...] = ()
    """In order of time: who is reminded, and who else is asked, before it expires."""


# It named one role, and of those who had a hand in the plan the requester alone.
class TaskApprovalRequiredV1(_Required):
    """A person must decide."""

    topic: ClassVar[str] = "task.approval.required"


class ApprovalV1(Wire):
    """One person's voice, in his own name."""

    actor: UUID
    actor_name: ShortText
    principal: ShortText
    authtype: ShortText
    """How the person was known: `local` credentials or an identity provider."""
    actor_version: int
    """The version of the actor's stream that the voice was decided on."""


class Approval(ApprovalV1):
    """One person's voice; for somebody else, where that one has handed it over."""

    for_actor: UUID | None = None
    """Whose voice it is, if not the speaker's own."""
    for_name: ShortText | None = None
    roles: tuple[ShortText, ...] = ()
    """Roles it was counted under: the speaker's, or those that were handed over. Not noted before
    voices could be handed over."""

    @property
    def persons(self) -> frozenset[UUID]:
        """Everybody who stands behind it: two voices that share one are one voice."""
        return frozenset((self.actor, self.for_actor or self.actor))


class _Recorded(_OfPlan):
    assessment_hash: Digest
    decision: Annotated[str, Field(pattern=r"^(approve|reject)$")]
    by: ApprovalV1
    note: LongText = ""


class _Limited(_Recorded):
    limits: Limits = Limits()
    """How much of the plan this person allows; of several voices the strictest holds."""


class TaskApprovalRecorded(_Limited):
    """One voice was heard."""

    topic: ClassVar[str] = "task.approval.recorded"
    schema_version: ClassVar[int] = 3

    by: Approval
    decisions: Decisions = ()
    """What policy answered: may this person decide?"""


# What policy had decided on was not kept.
class TaskApprovalRecordedV2(_Limited):
    """One voice was heard."""

    topic: ClassVar[str] = "task.approval.recorded"
    schema_version: ClassVar[int] = 2


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
    approvals: tuple[ApprovalV1, ...]
    bundle: Digest
    expires_at: AwareDatetime


class _Enveloped(_Granted):
    envelope: Envelope | None
    """None: version 1, which was bounded by its plan alone."""


class TaskApprovalGranted(_Enveloped):
    """The plan may run, once, until it expires: as hashed, and no further than its envelope."""

    topic: ClassVar[str] = "task.approval.granted"
    schema_version: ClassVar[int] = 3

    approvals: tuple[Approval, ...]
    standing: UUID | None = None
    """The standing grant that stood for a person's word; its giver is the voice."""
    break_glass: bool = False
    """One person let it run alone, in an emergency; see `task.break_glass.used`."""


# Nobody could speak for another, beforehand, or alone.
class TaskApprovalGrantedV2(_Enveloped):
    """The plan may run, once, until it expires: as hashed, and no further than its envelope."""

    topic: ClassVar[str] = "task.approval.granted"
    schema_version: ClassVar[int] = 2


# It had no envelope: the plan's own steps were all that bounded it.
class TaskApprovalGrantedV1(_Granted):
    """The plan may run, once, until it expires, byte for byte as hashed."""

    topic: ClassVar[str] = "task.approval.granted"


class TaskApprovalRejected(_OfPlan):
    """A person said no. One rejection is enough."""

    topic: ClassVar[str] = "task.approval.rejected"
    schema_version: ClassVar[int] = 2

    by: Approval
    note: LongText = ""
    then: Literal["archive", "replan"]
    """archive ends the task; after replan another plan is written."""
    constraints: Constraints = Constraints()
    """What the next plan must keep to; on record also where none follows."""
    detail: LongText = ""
    """Why no other plan is written, though that was asked for."""


# It always ended the task.
class TaskApprovalRejectedV1(_OfPlan):
    """A person said no. One rejection is enough."""

    topic: ClassVar[str] = "task.approval.rejected"

    by: ApprovalV1
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
