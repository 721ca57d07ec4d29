"""Leave to run a plan, once: by policy, by people, or by one person alone in an emergency.

In `gate-<task>`, decided by policy.
"""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from pydantic import AwareDatetime, Field
from smartops.contracts.bounds import Envelope, EnvelopeV1
from smartops.contracts.deciding import Decisions
from smartops.contracts.events.of_plan import OfPlan
from smartops.contracts.events.voice import Approval, ApprovalV1
from smartops.contracts.wire import Digest, Environment, LongText, RiskLevel, ShortText

__all__ = [
    "TaskApprovalGranted",
    "TaskApprovalGrantedV1",
    "TaskApprovalGrantedV2",
    "TaskApprovalGrantedV3",
    "TaskBreakGlassUsed",
]


class _Granted(OfPlan):
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
    envelope: EnvelopeV1 | None
    """None: version 1, which was bounded by its plan alone."""


class _Explained(_Enveloped):
    approvals: tuple[Approval, ...]
    standing: UUID | None = None
    """The standing grant that stood for a person's word; its giver is the voice."""
    break_glass: bool = False
    """One person let it run alone, in an emergency; see `task.break_glass.used`."""


class TaskApprovalGranted(_Explained):
    """The plan may run, once, until it expires: as hashed, and no further than its envelope."""

    topic: ClassVar[str] = "task.approval.granted"
    schema_version: ClassVar[int] = 4

    envelope: Envelope | None


# Its envelope named no condition.
class TaskApprovalGrantedV3(_Explained):
    """The plan may run, once, until it expires: as hashed, and no further than its envelope."""

    topic: ClassVar[str] = "task.approval.granted"
    schema_version: ClassVar[int] = 3


# Nobody could speak for another, beforehand, or alone.
class TaskApprovalGrantedV2(_Enveloped):
    """The plan may run, once, until it expires: as hashed, and no further than its envelope."""

    topic: ClassVar[str] = "task.approval.granted"
    schema_version: ClassVar[int] = 2


# It had no envelope: the plan's own steps were all that bounded it.
class TaskApprovalGrantedV1(_Granted):
    """The plan may run, once, until it expires, byte for byte as hashed."""

    topic: ClassVar[str] = "task.approval.granted"


class TaskBreakGlassUsed(OfPlan):
    """One person let a plan run alone, in an emergency. Policy had allowed the plan itself."""

    topic: ClassVar[str] = "task.break_glass.used"

    by: Approval
    justification: LongText
    environment: Environment
    summary: LongText
    risk_level: RiskLevel
    requester: ShortText
    """Principal of who asked for the work: it may be the same person."""
    grant: int = Field(ge=1)
    run: UUID
    quorum: int = Field(ge=1)
    """How many people should have agreed."""
    voices: tuple[Approval, ...]
    """Who had agreed until then."""
    decisions: Decisions = ()
