"""Words that people give beforehand: voices handed over, and classes of plans agreed to.

What is given, used and ended stands in events of different tasks, and of none: each is a row of its
own, made from its event alone, and the views join them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from smartops.audit.read_models.book import Book
from smartops.audit.read_models.model import ReadModel
from smartops.contracts.events import (
    ActorDelegated,
    ActorDelegationEnded,
    StandingGiven,
    StandingRevoked,
    StandingUsed,
)
from smartops.eventstore.rows import StoredRow

__all__ = [
    "DELEGATIONS",
    "MANDATE_ENDS",
    "STANDINGS",
    "STANDING_USES",
    "DelegationRow",
    "MandateEndRow",
    "StandingRow",
    "StandingUseRow",
]


class DelegationRow(NamedTuple):
    """A voice that was handed over."""

    tenant: str
    delegation: UUID
    actor: UUID
    name: str
    to_actor: UUID
    to_name: str
    roles: tuple[str, ...]
    environments: tuple[str, ...]
    until: datetime
    reason: str
    given_at: datetime


class StandingRow(NamedTuple):
    """A class of plans that somebody agreed to."""

    tenant: str
    standing: UUID
    actor: UUID
    name: str
    agent: str
    tools: tuple[str, ...]
    environments: tuple[str, ...]
    max_targets: int
    max_risk_level: str
    max_uses: int
    until: datetime
    reason: str
    given_at: datetime


class StandingUseRow(NamedTuple):
    """A plan that was granted by one."""

    tenant: str
    standing: UUID
    use: int
    task: UUID
    number: int
    grant_number: int
    run: UUID
    used_at: datetime


class MandateEndRow(NamedTuple):
    """What was taken back before its time."""

    tenant: str
    mandate: UUID
    principal: str
    reason: str
    ended_at: datetime


DELEGATIONS = ReadModel("delegations", DelegationRow, key=2)
STANDINGS = ReadModel("standings", StandingRow, key=2)
STANDING_USES = ReadModel("standing_uses", StandingUseRow, key=3)
MANDATE_ENDS = ReadModel("mandate_ends", MandateEndRow, key=2)


@DELEGATIONS.on(ActorDelegated)
def delegated(_book: Book, event: ActorDelegated, at: StoredRow) -> Sequence[DelegationRow]:
    """Somebody else may speak for the giver."""
    return [
        DelegationRow(
            tenant=at.tenant,
            delegation=event.delegation,
            actor=event.actor,
            name=event.name,
            to_actor=event.to,
            to_name=event.to_name,
            roles=event.roles,
            environments=tuple(one.value for one in event.environments),
            until=event.until,
            reason=event.reason,
            given_at=at.recorded_at,
        )
    ]


@STANDINGS.on(StandingGiven)
def given(_book: Book, event: StandingGiven, at: StoredRow) -> Sequence[StandingRow]:
    """Plans of this class are granted by it."""
    return [
        StandingRow(
            tenant=at.tenant,
            standing=event.standing,
            actor=event.by.actor,
            name=event.by.actor_name,
            agent=event.plans.agent,
            tools=event.plans.tools,
            environments=tuple(one.value for one in event.plans.environments),
            max_targets=event.plans.max_targets,
            max_risk_level=event.plans.max_risk_level.value,
            max_uses=event.max_uses,
            until=event.until,
            reason=event.reason,
            given_at=at.recorded_at,
        )
    ]


@STANDING_USES.on(StandingUsed)
def used(_book: Book, event: StandingUsed, at: StoredRow) -> Sequence[StandingUseRow]:
    """A plan was granted by it."""
    return [
        StandingUseRow(
            tenant=at.tenant,
            standing=event.standing,
            use=event.use,
            task=event.task,
            number=event.number,
            grant_number=event.grant,
            run=event.run,
            used_at=at.recorded_at,
        )
    ]


@MANDATE_ENDS.on(ActorDelegationEnded, StandingRevoked)
def ended(
    _book: Book, event: ActorDelegationEnded | StandingRevoked, at: StoredRow
) -> Sequence[MandateEndRow]:
    """It was taken back."""
    mandate = event.standing if isinstance(event, StandingRevoked) else event.delegation
    return [MandateEndRow(at.tenant, mandate, event.principal, event.reason, at.recorded_at)]
