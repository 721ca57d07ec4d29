"""A new plan weighed: refused, run by itself, or put before a person. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from smartops.contracts.events import (
    PlanProblem,
    TaskApprovalRequired,
    TaskPlanned,
    TaskPlanRefused,
    TaskPlanValidated,
)
from smartops.contracts.plan import Plan
from smartops.contracts.wire import RiskLevel
from smartops.policy.granting import EXPIRY_HANDLER, Terms, expiry, grant, nothing_due
from smartops.policy.state import Gate
from smartops.runtime.decision import NOTHING, Decision, SetTimer

__all__ = ["Weighed", "weigh"]


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


def weigh(
    gate: Gate,
    task: UUID,
    planned: TaskPlanned,
    plan: Plan | None,
    weighed: Weighed,
    terms: Terms,
    now: datetime,
) -> Decision:
    """Decide on a new plan: refuse it, let it run by itself, or ask a person."""
    if planned.number <= gate.number or gate.outcome is not None:
        return NOTHING
    if gate.grant is not None or gate.cancel is not None or gate.halted is not None:
        return NOTHING
    if weighed.problems or plan is None:
        refused = TaskPlanRefused(
            number=planned.number,
            plan_hash=planned.plan_hash,
            problems=weighed.problems,
            bundle=weighed.bundle,
            engine=weighed.engine,
        )
        return Decision([refused], timers=nothing_due(gate))
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
    required = TaskApprovalRequired(
        number=planned.number,
        plan_hash=planned.plan_hash,
        document=planned.document,
        assessment_hash=weighed.assessment_hash,
        environment=plan.header.environment,
        summary=plan.header.summary,
        risk_level=weighed.risk_level,
        role="approver",
        quorum=1,
        requester=plan.header.requester.principal,
        reasons=weighed.rules,
        expires_at=now + terms.approval_ttl,
    )
    timer = SetTimer(expiry(planned.number), required.expires_at, EXPIRY_HANDLER)
    return Decision(
        [validated, required],
        timers=[*nothing_due(gate), timer],
        blobs=[weighed.assessment],
    )
