"""What happens around a decision that people owe: asked again, asked higher up, or not asked.

In `gate-<task>`, decided by policy, like the decision itself.
"""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from pydantic import Field
from smartops.contracts.deciding import Decisions
from smartops.contracts.events.gate import Approval
from smartops.contracts.wire import (
    Digest,
    Environment,
    EventData,
    LongText,
    RiskLevel,
    ShortText,
)

__all__ = [
    "TaskApprovalEscalated",
    "TaskApprovalReminded",
    "TaskBreakGlassUsed",
]


class _Prompted(EventData):
    number: int = Field(ge=1)
    plan_hash: Digest
    prompt: int = Field(ge=0)
    """Which of the prompts of `task.approval.required`."""
    roles: tuple[ShortText, ...]
    """Who is asked now: whoever holds one of these."""
    voices: int = Field(ge=0)
    """Voices that count so far, of the quorum."""
    quorum: int = Field(ge=1)
    left_ms: int = Field(ge=0)
    """Time that is left to decide."""
    late_ms: int = Field(ge=0)
    """How much later than planned it is said."""


class TaskApprovalReminded(_Prompted):
    """Nobody has decided yet: the same people are asked again. It changes nothing."""

    topic: ClassVar[str] = "task.approval.reminded"


class TaskApprovalEscalated(_Prompted):
    """Nobody has decided yet: further people may, too. As many must agree as before."""

    topic: ClassVar[str] = "task.approval.escalated"

    role: ShortText
    """Who is asked besides."""


class TaskBreakGlassUsed(EventData):
    """One person let a plan run alone, in an emergency. Policy had allowed the plan itself."""

    topic: ClassVar[str] = "task.break_glass.used"

    number: int = Field(ge=1)
    plan_hash: Digest
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
