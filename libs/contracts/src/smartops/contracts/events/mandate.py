"""Words of people given beforehand: voices handed over, and classes of plans agreed to.

In `actor-<giver>` and `standing-<standing>`, decided by policy.
"""

from __future__ import annotations

from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import AwareDatetime, Field
from smartops.contracts.events.voice import Approval
from smartops.contracts.standing import StandingClass
from smartops.contracts.wire import Digest, Environment, EventData, LongText, ShortText

__all__ = [
    "ActorDelegated",
    "ActorDelegationEnded",
    "StandingGiven",
    "StandingRevoked",
    "StandingUsed",
]


class ActorDelegated(EventData):
    """An actor handed his voice to another. In `actor-<actor>`."""

    topic: ClassVar[str] = "actor.delegated"

    delegation: UUID
    actor: UUID
    name: ShortText
    principal: ShortText
    """With which credential he did."""
    to: UUID
    to_name: ShortText
    roles: Annotated[tuple[ShortText, ...], Field(min_length=1)]
    environments: Annotated[tuple[Environment, ...], Field(min_length=1)]
    until: AwareDatetime
    reason: LongText


class ActorDelegationEnded(EventData):
    """A voice was taken back before its time. In `actor-<actor>`."""

    topic: ClassVar[str] = "actor.delegation.ended"

    delegation: UUID
    actor: UUID
    principal: ShortText
    reason: LongText


class StandingGiven(EventData):
    """A person agreed beforehand to a class of plans. In `standing-<standing>`."""

    topic: ClassVar[str] = "standing.given"

    standing: UUID
    by: Approval
    plans: StandingClass
    max_uses: Annotated[int, Field(ge=1, le=10_000)]
    until: AwareDatetime
    reason: LongText


class StandingUsed(EventData):
    """A plan was granted by it. In `standing-<standing>`, in one unit with that grant."""

    topic: ClassVar[str] = "standing.used"

    standing: UUID
    use: int = Field(ge=1)
    """Counted from 1; never above `max_uses`."""
    task: UUID
    number: int = Field(ge=1)
    plan_hash: Digest
    grant: int = Field(ge=1)
    run: UUID


class StandingRevoked(EventData):
    """It was taken back: no further plan is granted by it. In `standing-<standing>`."""

    topic: ClassVar[str] = "standing.revoked"

    standing: UUID
    principal: ShortText
    actor: UUID
    name: ShortText
    reason: LongText
