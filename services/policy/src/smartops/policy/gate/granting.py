"""The grant of a plan: how long people have, how long their word holds, and how far it reaches."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from smartops.contracts.bounds import Limits
from smartops.contracts.events import (
    Approval,
    TaskApprovalGranted,
    TaskPlanValidated,
)
from smartops.contracts.ids import TaskId, run_id
from smartops.contracts.plan import Plan
from smartops.contracts.watching import may_begin
from smartops.policy.gate.bounds import envelope_of, expiry_within
from smartops.policy.gate.prompting import Schedule, prompt_name, round_of
from smartops.policy.gate.state import Gate
from smartops.runtime.decision import CancelTimer

__all__ = ["EXPIRY_HANDLER", "Terms", "expiry", "grant", "nothing_due"]

EXPIRY_HANDLER = "policy.expiry"
"""The timer of an approval that nobody gives."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How long people have, and how long their word holds."""

    approval_ttl: timedelta
    grant_ttl: timedelta
    schedule: Schedule = Schedule()
    """What happens while nobody decides."""
    max_replans: int = 3
    """How often a plan may be written anew, because of rejections or of what has changed."""


def grant(
    gate: Gate,
    task: UUID,
    validated: TaskPlanValidated,
    plan: Plan,
    terms: Terms,
    now: datetime,
    approvals: tuple[Approval, ...] = (),
    limits: tuple[Limits, ...] = (),
    *,
    standing: UUID | None = None,
    break_glass: bool = False,
) -> TaskApprovalGranted:
    """The grant of a plan; automatic when nobody had to approve it."""
    number = gate.grants + 1
    return TaskApprovalGranted(
        number=validated.number,
        plan_hash=validated.plan_hash,
        document=validated.document,
        assessment_hash=validated.assessment_hash,
        grant=number,
        run=_run(gate) or run_id(TaskId(task), validated.number, number),
        environment=plan.header.environment,
        automatic=not approvals,
        approvals=approvals,
        bundle=validated.bundle,
        expires_at=expiry_within(may_begin(plan, now) + terms.grant_ttl, limits),
        envelope=envelope_of(plan, limits),
        standing=standing,
        break_glass=break_glass,
    )


def nothing_due(gate: Gate) -> list[CancelTimer]:
    """Forget when the approval awaited so far is due: else that lies about long after the end."""
    required = gate.required
    if required is None:
        return []
    timers = [CancelTimer(expiry(required.number, gate.returns))]
    if gate.prompted < len(required.prompts):
        timers.append(CancelTimer(prompt_name(required.number, gate.prompted, gate.returns)))
    return timers


def expiry(number: int, returns: int = 0) -> str:
    """The name of the timer by which plan `number` must be decided on.

    Each time that it is put before people anew, another one: a timer that has fired is used up.
    """
    return f"expiry/{round_of(number, returns)}"


def _run(gate: Gate) -> UUID | None:
    """The run that a further grant of the same plan lets go on."""
    return gate.returned.run if gate.returned is not None else None
