"""A decision that people owe: they are asked, asked again, asked higher up, or nobody decides.

In `gate-<task>`, decided by policy.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field
from smartops.contracts.events.of_plan import OfPlan
from smartops.contracts.wire import Digest, Environment, LongText, RiskLevel, ShortText, Wire

__all__ = [
    "Involved",
    "Prompt",
    "TaskApprovalEscalated",
    "TaskApprovalExpired",
    "TaskApprovalReminded",
    "TaskApprovalRequired",
    "TaskApprovalRequiredV1",
]


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


class _Required(OfPlan):
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


class _Prompted(OfPlan):
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


class TaskApprovalExpired(OfPlan):
    """Nobody decided in time. A timeout is never an approval."""

    topic: ClassVar[str] = "task.approval.expired"

    late_ms: int = Field(ge=0)
