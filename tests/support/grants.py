"""Grants of plans."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from smartops.contracts.bounds import Envelope
from smartops.contracts.canonical import digest
from smartops.contracts.events import (
    Approval,
    DenialReason,
    PlanProblem,
    TaskApprovalGranted,
    TaskGrantRevoked,
    TaskPlanReturned,
    TaskStepWithheld,
    WithheldStep,
)
from smartops.contracts.ids import TaskId, actor_id, principal, run_id
from smartops.contracts.plan import Plan, seal
from smartops.contracts.wire import EventData
from support.plans import TASK, TENANT

__all__ = ["GRANTED_AT", "grant_for", "granted_again", "sent_back"]

GRANTED_AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def grant_for(plan: Plan, **fields: Any) -> TaskApprovalGranted:
    """The grant of a plan."""
    plan_hash, document, _ = seal(plan)
    return TaskApprovalGranted.model_validate(
        {
            "number": plan.header.number,
            "plan_hash": plan_hash,
            "document": document,
            "assessment_hash": digest(b"assessment"),
            "grant": 1,
            "run": run_id(TaskId(TASK), plan.header.number, 1),
            "environment": plan.header.environment,
            "automatic": True,
            "approvals": (),
            "bundle": digest(b"bundle"),
            "expires_at": GRANTED_AT + timedelta(hours=4),
            "envelope": Envelope(max_targets=len(plan.changed()), max_calls=10 * len(plan.steps)),
        }
        | fields
    )


def sent_back(
    plan: Plan,
    grant: TaskApprovalGranted,
    withheld: Sequence[TaskStepWithheld],
    *,
    applied: int = 0,
    asked: bool = True,
) -> Sequence[EventData]:
    """What the gate says of a run that policy has stopped.

    Args:
        plan: which it carries out.
        grant: under which.
        withheld: what policy denied.
        applied: how many steps were carried out.
        asked: people may let it go on; else the grant is taken back.
    """
    reasons = (DenialReason(rule="frozen", message="nothing is changed today"),)
    problems = (PlanProblem(stage="policy", rule="closed", message="nothing is planned today"),)
    returned = TaskPlanReturned(
        number=grant.number,
        plan_hash=grant.plan_hash,
        grant=grant.grant,
        run=grant.run,
        withheld=tuple(
            WithheldStep(call=one.call, step=one.step, tool="t", target="t", reasons=reasons)
            for one in withheld
        ),
        applied=applied,
        steps=len(plan.steps),
        bundle=digest(b"another bundle"),
        problems=() if asked else problems,
    )
    if asked:
        return [returned]
    why = "policy does not allow the plan any more"
    revoked = TaskGrantRevoked(principal="policy", reason=why, grant=grant.grant, run=grant.run)
    return [returned, revoked]


def granted_again(grant: TaskApprovalGranted) -> TaskApprovalGranted:
    """The next grant of the same run, by a person."""
    voice = Approval(
        actor=actor_id(TENANT, "ben"),
        actor_name="ben",
        principal=principal("local", "ben"),
        authtype="local",
        actor_version=1,
        roles=("approver",),
    )
    told = {"grant": grant.grant + 1, "automatic": False, "approvals": (voice,)}
    return grant.model_copy(update=told)
