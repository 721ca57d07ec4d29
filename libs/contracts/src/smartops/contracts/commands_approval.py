"""Commands around approval, beyond a voice: handing it over, giving it beforehand, breaking glass.

As all commands: who gives them, and for which tenant, stands in the subject.
"""

from __future__ import annotations

from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import AwareDatetime, Field
from smartops.contracts.standing import StandingClass
from smartops.contracts.wire import CommandData, Digest, Environment, ShortText

__all__ = [
    "SHORTEST_JUSTIFICATION",
    "ApprovalBreakGlass",
    "ApprovalDelegate",
    "DelegationRevoke",
    "StandingGive",
    "StandingRevoke",
]

SHORTEST_JUSTIFICATION = 20
"""Characters of a justification: "emergency" alone justifies nothing."""

_Reason = Annotated[str, Field(min_length=1, max_length=2000)]


class ApprovalDelegate(CommandData):
    """Hand one's voice to another actor, for a time. Who acts on one's behalf cannot hand it on."""

    name: ClassVar[str] = "approval.delegate"

    to: UUID
    """The actor."""
    roles: Annotated[tuple[ShortText, ...], Field(min_length=1, max_length=10)]
    """Which of one's own roles count for him."""
    environments: Annotated[tuple[Environment, ...], Field(min_length=1)]
    until: AwareDatetime
    reason: _Reason


class DelegationRevoke(CommandData):
    """Take one's voice back before its time."""

    name: ClassVar[str] = "delegation.revoke"

    delegation: UUID
    reason: _Reason


class StandingGive(CommandData):
    """Agree beforehand to a class of plans, so many times, until then."""

    name: ClassVar[str] = "standing.give"

    plans: StandingClass
    max_uses: Annotated[int, Field(ge=1, le=10_000)]
    until: AwareDatetime
    reason: _Reason


class StandingRevoke(CommandData):
    """Take back what was agreed to beforehand; what it has granted already goes on."""

    name: ClassVar[str] = "standing.revoke"

    standing: UUID
    reason: _Reason


class ApprovalBreakGlass(CommandData):
    """Let a plan that waits for people run at once, alone, in an emergency."""

    name: ClassVar[str] = "approval.break_glass"

    task: UUID
    plan_hash: Digest
    assessment_hash: Digest
    justification: Annotated[str, Field(min_length=SHORTEST_JUSTIFICATION, max_length=2000)]
