"""Breaking the glass: one person lets a plan run alone, in an emergency. Pure.

It stands in for the people who should have agreed, and for nothing else: a plan that policy does
not allow never waits for people, so there is nothing to be let through. It is told of loudly, and
somebody looks into it afterwards.
"""

from __future__ import annotations

from datetime import datetime

from smartops.contracts.commands import ApprovalBreakGlass
from smartops.contracts.events import TaskBreakGlassUsed
from smartops.contracts.plan import Plan
from smartops.policy.gate.granting import Terms, grant, nothing_due
from smartops.policy.gate.replanning import refuse_replaced
from smartops.policy.gate.settling import settled
from smartops.policy.gate.state import Gate
from smartops.policy.gate.voting import Voter, refuse_stale, refuse_voter, voice_of
from smartops.policy.mandates.delegation import BREAK_GLASS
from smartops.runtime.decision import Answer, Decision, Refusal

__all__ = ["break_glass"]


def break_glass(
    gate: Gate,
    command: ApprovalBreakGlass,
    voter: Voter,
    plan: Plan | None,
    terms: Terms,
    now: datetime,
) -> Decision:
    """Grant the plan at hand by one person's word. He may have asked for it himself."""
    required, validated = gate.required, gate.validated
    if required is None or validated is None or plan is None:
        waits = Refusal("not_found", "no approval is awaited for this task", "task")
        return Decision(refusal=waits, reads=voter.reads)
    refusal = refuse_stale(required, command.plan_hash, command.assessment_hash)
    if refusal is None:
        done = settled(gate, "approve", voter.settled_at)
        if isinstance(done, Answer):
            return Decision(answer=done, reads=voter.reads)
        refusal = done or refuse_replaced(gate) or refuse_voter(required, voter, now)
    if refusal is None and BREAK_GLASS not in voter.roles:
        # Whatever the policy in force makes of it: a bundle may never have heard of this way.
        refusal = Refusal("forbidden", f"breaking the glass needs the role {BREAK_GLASS}")
    if refusal is not None or voter.actor is None:
        return Decision(refusal=refusal, reads=voter.reads)
    voice = voice_of(voter, voter.actor)
    granted = grant(gate, command.task, validated, plan, terms, now, (voice,), break_glass=True)
    used = TaskBreakGlassUsed(
        number=required.number,
        plan_hash=required.plan_hash,
        by=voice,
        justification=command.justification,
        environment=required.environment,
        summary=required.summary,
        risk_level=required.risk_level,
        requester=required.requester,
        grant=granted.grant,
        run=granted.run,
        quorum=required.quorum,
        voices=tuple(one.by for one in gate.yes),
    )
    return Decision([used, granted], timers=nothing_due(gate), reads=voter.reads)
