"""A new plan weighed: refused, run by itself, or put before a person. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from smartops.contracts.events import (
    Involved,
    PlanProblem,
    TaskApprovalRequired,
    TaskPlanned,
    TaskPlanRefused,
    TaskPlanValidated,
)
from smartops.contracts.plan import Plan
from smartops.contracts.wire import RiskLevel
from smartops.policy.gate.granting import EXPIRY_HANDLER, Terms, expiry, grant, nothing_due
from smartops.policy.gate.prompting import prompt_timer
from smartops.policy.gate.quorum import APPROVER
from smartops.policy.gate.replanning import ask_anew, unwanted
from smartops.policy.gate.state import Gate
from smartops.policy.mandates.offers import Offer, by_standing
from smartops.policy_engine import Asked
from smartops.runtime.decision import NOTHING, Decision, SetTimer

__all__ = ["Weighed", "put_before", "weigh"]


@dataclass(frozen=True, slots=True)
class Weighed:
    """What the validation pipeline found about a plan."""

    problems: tuple[PlanProblem, ...]
    requires_approval: bool
    rules: tuple[str, ...]
    bundle: str
    engine: str
    assessment: bytes
    assessment_hash: str
    risk_level: RiskLevel
    reads: tuple[tuple[str, int], ...] = ()
    """Versions of bundle and autonomy that an automatic grant rests on."""
    quorum: int = 1
    """How many people must agree."""
    roles: tuple[str, ...] = (APPROVER,)
    """Each must be held by one of them; the first is what every card asks for."""
    asked: tuple[Asked, ...] = ()
    """What policy was asked, in order, with its answers."""
    involved: tuple[Involved, ...] = ()
    """Who asked for the plan, and who ever edited it or one that it replaces."""
    needs_look: str = ""
    """Why a person must look at this very plan, so that no word given beforehand will do."""


def weigh(
    gate: Gate,
    task: UUID,
    planned: TaskPlanned,
    plan: Plan | None,
    weighed: Weighed,
    terms: Terms,
    now: datetime,
    offer: Offer | None = None,
) -> Decision:
    """Decide on a new plan: refuse it, let it run by itself, or ask a person.

    Args:
        gate: the task's.
        task: which.
        planned: the planner's word of the plan.
        plan: the plan, verified against its hash; None where it cannot be read.
        weighed: what the pipeline found.
        terms: how long people have, and their word holds.
        now: the database's clock.
        offer: a person's standing word that covers the plan, if there is one.
    """
    if planned.number <= gate.number or gate.outcome is not None:
        return NOTHING
    if gate.cancel is not None or gate.halted is not None:
        return NOTHING
    vain = unwanted(gate, planned)
    problems = (*vain, *weighed.problems)
    if problems or plan is None:
        refused = TaskPlanRefused(
            number=planned.number,
            plan_hash=planned.plan_hash,
            problems=problems,
            bundle=weighed.bundle,
            engine=weighed.engine,
        )
        return Decision([refused], timers=[] if vain else nothing_due(gate))
    anew = ask_anew(gate)
    if anew and not weighed.requires_approval:
        weighed = replace(weighed, requires_approval=True, rules=(*weighed.rules, "gate.anew"))
    validated = TaskPlanValidated(
        number=planned.number,
        plan_hash=planned.plan_hash,
        document=planned.document,
        assessment_hash=weighed.assessment_hash,
        rules=weighed.rules,
        bundle=weighed.bundle,
        engine=weighed.engine,
        requires_approval=weighed.requires_approval,
    )
    if not weighed.requires_approval:
        granted = grant(gate, task, validated, plan, terms, now)
        return Decision(
            [validated, granted],
            timers=nothing_due(gate),
            reads=weighed.reads,
            blobs=[weighed.assessment],
        )
    if offer is not None and weighed.quorum == 1 and not (anew or weighed.needs_look):
        return by_standing(gate, task, validated, plan, weighed, terms, now, offer)
    required, timers = put_before(validated, plan, weighed, terms, now, gate.returns)
    return Decision(
        [validated, required],
        timers=[*nothing_due(gate), *timers],
        blobs=[weighed.assessment],
    )


def put_before(
    validated: TaskPlanValidated,
    plan: Plan,
    weighed: Weighed,
    terms: Terms,
    now: datetime,
    returns: int,
) -> tuple[TaskApprovalRequired, list[SetTimer]]:
    """Put a plan before people: the question, and the timers by which they are asked again.

    Args:
        validated: which plan, with which assessment.
        plan: itself.
        weighed: who must agree, and why.
        terms: how long they have.
        now: the database's clock.
        returns: how often plans of the task came back from their runs, this time included.
    """
    expires_at = now + terms.approval_ttl
    required = TaskApprovalRequired(
        number=validated.number,
        plan_hash=validated.plan_hash,
        document=validated.document,
        assessment_hash=weighed.assessment_hash,
        environment=plan.header.environment,
        summary=plan.header.summary,
        risk_level=weighed.risk_level,
        role=weighed.roles[0],
        roles=weighed.roles,
        quorum=weighed.quorum,
        requester=plan.header.requester.principal,
        reasons=weighed.rules,
        expires_at=expires_at,
        excluded=weighed.involved,
        prompts=terms.schedule.prompts(now, expires_at, weighed.roles),
    )
    timer = SetTimer(expiry(validated.number, returns), expires_at, EXPIRY_HANDLER)
    return required, [timer, *prompt_timer(required, 0, returns)]
