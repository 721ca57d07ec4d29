"""What people say of a plan: one voice each, and a no is enough.

In `gate-<task>`, decided by policy.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field
from smartops.contracts.bounds import Limits, LimitsV1
from smartops.contracts.constraints import Constraints
from smartops.contracts.deciding import Decisions
from smartops.contracts.events.of_plan import OfPlan
from smartops.contracts.wire import Digest, LongText, ShortText, Wire

__all__ = [
    "Approval",
    "ApprovalV1",
    "TaskApprovalRecorded",
    "TaskApprovalRecordedV1",
    "TaskApprovalRecordedV2",
    "TaskApprovalRecordedV3",
    "TaskApprovalRejected",
    "TaskApprovalRejectedV1",
]


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


class _Recorded(OfPlan):
    assessment_hash: Digest
    decision: Annotated[str, Field(pattern=r"^(approve|reject)$")]
    by: ApprovalV1
    note: LongText = ""


class _Limited(_Recorded):
    limits: LimitsV1 = LimitsV1()
    """How much of the plan this person allows; of several voices the strictest holds."""


class _Judged(_Limited):
    by: Approval
    decisions: Decisions = ()
    """What policy answered: may this person decide?"""


class TaskApprovalRecorded(_Judged):
    """One voice was heard."""

    topic: ClassVar[str] = "task.approval.recorded"
    schema_version: ClassVar[int] = 4

    limits: Limits = Limits()
    """How much of the plan this person allows, and while what holds; of several voices the
    strictest holds, and all of their conditions."""


# A voice could not say "as long as".
class TaskApprovalRecordedV3(_Judged):
    """One voice was heard."""

    topic: ClassVar[str] = "task.approval.recorded"
    schema_version: ClassVar[int] = 3


# What policy had decided on was not kept.
class TaskApprovalRecordedV2(_Limited):
    """One voice was heard."""

    topic: ClassVar[str] = "task.approval.recorded"
    schema_version: ClassVar[int] = 2


# A voice could not limit what it approved.
class TaskApprovalRecordedV1(_Recorded):
    """One voice was heard, for the whole plan."""

    topic: ClassVar[str] = "task.approval.recorded"


class TaskApprovalRejected(OfPlan):
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
class TaskApprovalRejectedV1(OfPlan):
    """A person said no. One rejection is enough."""

    topic: ClassVar[str] = "task.approval.rejected"

    by: ApprovalV1
    note: LongText = ""
