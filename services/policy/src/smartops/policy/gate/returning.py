"""A plan that comes back from its run, because policy denied a step of it under way. Pure.

The grant holds no more. The plan is weighed once more; if it may go on at all, people are asked,
whoever had let it run before: no standing word and no policy by itself. What they are shown says
why it came back and what it has done. See ADR 38.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from pydantic_core import from_json
from smartops.contracts.canonical import canonical, digest
from smartops.contracts.catalogue import POLICY
from smartops.contracts.events import (
    MOST_WITHHELD,
    DenialReason,
    TaskApprovalGranted,
    TaskGrantRevoked,
    TaskPlanReturned,
    TaskPlanValidated,
    ToolCallDenied,
    WithheldStep,
)
from smartops.contracts.folds import BY_POLICY, RunView
from smartops.contracts.plan import Plan
from smartops.contracts.wire import Purpose
from smartops.policy.gate.granting import Terms
from smartops.policy.gate.state import Gate
from smartops.policy.gate.weighing import Weighed, put_before
from smartops.runtime.decision import Decision

__all__ = ["RETURNED", "send_back", "sent_back", "taken_back", "withheld_under"]

RETURNED = "gate.returned"
"""The rule by which a person is asked, whatever policy says."""

_MOST_APPLIED = 100
"""Steps that were carried out, told one by one; all are counted."""

_MOST_REASONS = 5
"""Told of each step; the call's own event has them all."""


def sent_back(gate: Gate, run: RunView) -> TaskApprovalGranted | None:
    """The grant that a run at rest waits to have decided on anew; None where it waits for none."""
    grant, started = gate.grant, run.started
    if grant is None or started is None or grant.run != started.run:
        return None
    if gate.returned is not None or gate.revoked is not None or gate.outcome is not None:
        return None
    if gate.cancel is not None or gate.halted is not None:
        return None
    if not run.paused or run.ended is not None or run.rolling_back:
        return None
    return grant if any(one.grant == grant.grant for one in run.withheld) else None


def withheld_under(
    grant: TaskApprovalGranted, said: Sequence[ToolCallDenied]
) -> tuple[WithheldStep, ...]:
    """The steps that policy itself denied under a grant, as the gateway says; at most so many."""
    return tuple(
        WithheldStep(
            call=denied.call,
            step=denied.question,
            tool=denied.tool,
            target=denied.target,
            reasons=tuple(
                DenialReason(rule=one.rule, message=one.message)
                for one in denied.reasons[:_MOST_REASONS]
            ),
            input=denied.decisions[0].input if denied.decisions else None,
        )
        for denied in said
        if denied.reason_code == BY_POLICY
        and denied.purpose is Purpose.DO
        and (denied.run, denied.grant) == (grant.run, grant.grant)
    )[:MOST_WITHHELD]


def send_back(
    gate: Gate,
    grant: TaskApprovalGranted,
    plan: Plan,
    withheld: tuple[WithheldStep, ...],
    applied: Sequence[str],
    weighed: Weighed,
    terms: Terms,
    now: datetime,
) -> Decision:
    """Void the grant of a run at rest, and ask people about the rest of the plan, or nobody.

    Args:
        gate: of the task; `sent_back` says so.
        grant: under which the run went until now.
        plan: as granted.
        withheld: what policy denied; at least one step.
        applied: ids of the steps that were carried out.
        weighed: what the pipeline says of the plan by now.
        terms: how long people have.
        now: the database's clock.
    """
    decided = tuple(one.evidence.decision for one in weighed.asked)
    asked = [one.evidence.input for one in weighed.asked]
    returned = TaskPlanReturned(
        number=grant.number,
        plan_hash=grant.plan_hash,
        grant=grant.grant,
        run=grant.run,
        withheld=withheld,
        applied=len(applied),
        steps=len(plan.steps),
        bundle=weighed.bundle,
        problems=weighed.problems,
        decisions=decided if weighed.problems else (),
    )
    if weighed.problems:
        first = weighed.problems[0]
        why = f"policy does not allow the plan any more: {first.rule}: {first.message}"
        return Decision([returned, taken_back(returned, why)], blobs=asked)
    weighed = _with_return(weighed, grant, returned, applied)
    validated = TaskPlanValidated(
        number=grant.number,
        plan_hash=grant.plan_hash,
        document=grant.document,
        assessment_hash=weighed.assessment_hash,
        rules=weighed.rules,
        bundle=weighed.bundle,
        engine=weighed.engine,
        requires_approval=True,
        decisions=decided,
    )
    required, timers = put_before(validated, plan, weighed, terms, now, gate.returns + 1)
    blobs = [weighed.assessment, *asked]
    return Decision([returned, validated, required], timers=timers, blobs=blobs)


def taken_back(returned: TaskPlanReturned, reason: str) -> TaskGrantRevoked:
    """There will be no other grant: what the run does then, it decides by what it changed."""
    return TaskGrantRevoked(
        principal=POLICY, reason=reason[:4000], grant=returned.grant, run=returned.run
    )


def _with_return(
    weighed: Weighed,
    grant: TaskApprovalGranted,
    returned: TaskPlanReturned,
    applied: Sequence[str],
) -> Weighed:
    """The same, with why it came back and what was done among the bytes that people decide on.

    So what somebody said of the plan before speaks of other bytes, and is no voice for this.
    """
    document: dict[str, Any] = from_json(weighed.assessment)
    document["requires_approval"] = True
    document["returned"] = {
        "grant": grant.grant,
        "run": str(grant.run),
        "granted_by": [voice.actor_name for voice in grant.approvals],
        "steps": returned.steps,
        "applied": len(applied),
        "applied_steps": list(applied[:_MOST_APPLIED]),
        "withheld": [
            {
                "step": one.step,
                "tool": one.tool,
                "target": one.target,
                "reasons": [
                    {"rule": reason.rule, "message": reason.message} for reason in one.reasons
                ],
            }
            for one in returned.withheld
        ],
    }
    made = canonical(document)
    return replace(
        weighed,
        requires_approval=True,
        rules=tuple(sorted({*weighed.rules, RETURNED})),
        assessment=made,
        assessment_hash=digest(made),
    )
