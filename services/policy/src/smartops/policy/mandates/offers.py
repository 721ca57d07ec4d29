"""A person's standing word for a class of plans: whether it covers one, and the grant by it. Pure.

What is granted is counted in the standing's own stream, in one unit with the grant: of two plans
that would be the last one, decided at the same time, the second loses its unit, looks again, and
finds nothing left.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from smartops.contracts.bounds import Limits
from smartops.contracts.events import (
    Approval,
    StandingGiven,
    StandingRevoked,
    StandingUsed,
    TaskApprovalRecorded,
    TaskPlanValidated,
)
from smartops.contracts.plan import Plan
from smartops.contracts.wire import LONGEST_TEXT, Environment, EventData, RiskLevel
from smartops.policy.gate.granting import Terms, grant, nothing_due
from smartops.policy.gate.quorum import SENIOR, holds
from smartops.policy.gate.state import Gate
from smartops.runtime.decision import Decision, Elsewhere

if TYPE_CHECKING:
    from smartops.policy.gate.weighing import Weighed

__all__ = ["Offer", "Standing", "by_standing", "covers", "evolve_standing"]

_RISKS = tuple(RiskLevel)
"""From low to critical, as they are declared."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What was agreed to beforehand; nothing was, while `given` is None."""

    given: StandingGiven | None = None
    used: int = 0
    revoked: StandingRevoked | None = None


def evolve_standing(standing: Standing, event: EventData) -> Standing:
    """Fold one event of `standing-<id>`."""
    match event:
        case StandingGiven():
            return replace(standing, given=event)
        case StandingUsed():
            return replace(standing, used=event.use)
        case StandingRevoked():
            return replace(standing, revoked=event)
        case _:
            return standing


@dataclass(frozen=True, slots=True)
class Offer:
    """A standing word that covers a plan, with who gave it as he is now."""

    stream: str
    version: int
    """Of its stream: the write is made on it."""
    given: StandingGiven
    used: int
    voice: Approval
    reads: tuple[tuple[str, int], ...] = ()
    """Versions of the actors that it rests on: the giver's, and of those who made the plan."""


def covers(
    standing: Standing, plan: Plan, weighed: Weighed, roles: Iterable[str], now: datetime
) -> str | None:
    """Why a standing word does not cover a plan; None if it does.

    Args:
        standing: the word.
        plan: what is asked for.
        weighed: what the pipeline found about it.
        roles: those that the giver holds now.
        now: the database's clock.
    """
    given = standing.given
    if given is None or standing.revoked is not None:
        return "it was taken back"
    held, header = set(roles), plan.header
    if now >= given.until:
        return f"it ended at {given.until.isoformat()}"
    if standing.used >= given.max_uses:
        return "it is used up"
    if weighed.needs_look:
        return weighed.needs_look
    if weighed.quorum > 1:
        return f"{weighed.quorum} people must agree"
    if header.agent.name != given.plans.agent:
        return f"it is for plans of {given.plans.agent}"
    if header.environment not in given.plans.environments:
        return f"it is not for {header.environment.value}"
    if (foreign := {step.tool for step in plan.steps} - set(given.plans.tools)) != set():
        return f"it is not for the tool {min(foreign)}"
    if len(plan.changed()) > given.plans.max_targets:
        return f"it is for {given.plans.max_targets} targets at most"
    if _RISKS.index(weighed.risk_level) > _RISKS.index(given.plans.max_risk_level):
        return f"the risk is {weighed.risk_level.value}"
    if header.environment is Environment.PRODUCTION and not holds(held, SENIOR):
        return f"in production it needs the word of a {SENIOR}"
    missing = [role for role in weighed.roles if not holds(held, role)]
    return f"who gave it is no {missing[0]}" if missing else None


def by_standing(
    gate: Gate,
    task: UUID,
    validated: TaskPlanValidated,
    plan: Plan,
    weighed: Weighed,
    terms: Terms,
    now: datetime,
    offer: Offer,
) -> Decision:
    """Grant a plan by a standing word, and count it."""
    until = (Limits(expires_at=offer.given.until),)
    voices = (offer.voice,)
    standing = offer.given.standing
    granted = grant(gate, task, validated, plan, terms, now, voices, until, standing=standing)
    used = StandingUsed(
        standing=standing,
        use=offer.used + 1,
        task=task,
        number=granted.number,
        plan_hash=granted.plan_hash,
        grant=granted.grant,
        run=granted.run,
    )
    # A grant by people rests on their voices in its own stream: the gateway compares.
    voice = TaskApprovalRecorded(
        number=granted.number,
        plan_hash=granted.plan_hash,
        assessment_hash=granted.assessment_hash,
        decision="approve",
        by=offer.voice,
        note=f"given beforehand: {offer.given.reason}"[:LONGEST_TEXT],
        limits=until[0],
    )
    return Decision(
        [validated, voice, granted],
        timers=nothing_due(gate),
        elsewhere=[Elsewhere(offer.stream, offer.version, [used])],
        reads=(*weighed.reads, *offer.reads),
        blobs=[weighed.assessment],
    )
