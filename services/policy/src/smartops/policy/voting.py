"""Voices of people: the first decision wins, a timeout is never an approval. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from smartops.contracts.commands import ApprovalDecide
from smartops.contracts.events import (
    Approval,
    TaskApprovalExpired,
    TaskApprovalRecorded,
    TaskApprovalRejected,
)
from smartops.contracts.plan import Plan
from smartops.contracts.watching import may_begin
from smartops.contracts.wire import EventData
from smartops.policy.bounds import too_wide
from smartops.policy.granting import Terms, expiry, grant, nothing_due
from smartops.policy.state import Gate
from smartops.runtime.decision import NOTHING, CancelTimer, Decision, Refusal

__all__ = ["Voter", "decide_vote", "expire", "refuse_vote"]


@dataclass(frozen=True, slots=True)
class Voter:
    """The actor behind a principal, as the directory knows it; and what policy says of the vote."""

    principal: str
    authtype: str
    actor: UUID | None = None
    name: str = ""
    version: int = 0
    reads: tuple[tuple[str, int], ...] = ()
    """Versions of the actors' streams, voter's and requester's, that this rests on."""
    requester_actor: UUID | None = None
    """The actor who asked for the task; None when its principal is mapped to nobody."""
    denials: tuple[str, ...] = ()
    """Why policy does not let this actor approve."""


def decide_vote(
    gate: Gate,
    task: UUID,
    vote: ApprovalDecide,
    voter: Voter,
    plan: Plan,
    terms: Terms,
    now: datetime,
) -> Decision:
    """Decide on a person's voice. The first decision wins; the second gets the first's outcome."""
    if (refusal := _refuse_vote(gate, vote, voter, now)) is not None:
        return Decision(refusal=refusal, reads=voter.reads)
    required = gate.required
    if required is None or gate.validated is None or voter.actor is None:
        return Decision(refusal=Refusal("not_found", "no approval is awaited for this task"))
    if (wide := _refuse_limits(vote, plan, terms, now)) is not None:
        return Decision(refusal=wide, reads=voter.reads)
    voice = Approval(
        actor=voter.actor,
        actor_name=voter.name,
        principal=voter.principal,
        authtype=voter.authtype,
        actor_version=voter.version,
    )
    events: list[EventData] = [
        TaskApprovalRecorded(
            number=required.number,
            plan_hash=required.plan_hash,
            assessment_hash=required.assessment_hash,
            decision=vote.decision,
            by=voice,
            note=vote.note,
            limits=vote.limits,
        )
    ]
    timers: list[CancelTimer] = []
    if vote.decision == "reject":
        events.append(
            TaskApprovalRejected(
                number=required.number, plan_hash=required.plan_hash, by=voice, note=vote.note
            )
        )
        timers = nothing_due(gate)
    else:
        # A quorum counts people: whoever says yes twice, with whichever credentials, is one.
        yes = [v for v in gate.voices if v.decision == "approve"]
        approvals = tuple({one.actor: one for one in (*(v.by for v in yes), voice)}.values())
        if len(approvals) >= required.quorum:
            limits = (*(v.limits for v in yes), vote.limits)
            events.append(grant(gate, task, gate.validated, plan, terms, now, approvals, limits))
            timers = nothing_due(gate)
    return Decision(events, timers=timers, reads=voter.reads)


def refuse_vote(gate: Gate, vote: ApprovalDecide, voter: Voter, now: datetime) -> Decision:
    """Answer a voice where nothing awaits one."""
    refusal = _refuse_vote(gate, vote, voter, now)
    return Decision(
        refusal=refusal or Refusal("not_found", "no approval is awaited for this task", "task"),
        reads=voter.reads,
    )


def expire(gate: Gate, timer: str, due: datetime, now: datetime) -> Decision:
    """Nobody decided in time. A timer that comes after a decision changes nothing."""
    required = gate.required
    if required is None or not gate.waiting or timer != expiry(required.number):
        return NOTHING
    late = max(0, int((now - due) / timedelta(milliseconds=1)))
    return Decision(
        [TaskApprovalExpired(number=required.number, plan_hash=required.plan_hash, late_ms=late)]
    )


def _refuse_limits(vote: ApprovalDecide, plan: Plan, terms: Terms, now: datetime) -> Refusal | None:
    if not vote.limits.given:
        return None
    if vote.decision == "reject":
        return Refusal("nothing_to_limit", "a rejection has no limits", "limits")
    ends = vote.limits.expires_at
    if ends is not None and ends <= now:
        return Refusal("past", "that moment is past: nothing could run", "limits.expires_at")
    wide = too_wide(plan, vote.limits, may_begin(plan, now) + terms.grant_ttl)
    return None if wide is None else Refusal("too_wide", wide[1], wide[0])


def _refuse_vote(gate: Gate, vote: ApprovalDecide, voter: Voter, now: datetime) -> Refusal | None:
    required = gate.required
    if required is None:
        return Refusal("not_found", "no approval is awaited for this task", "task")
    if vote.plan_hash != required.plan_hash:
        return Refusal(
            "stale", f"the plan awaiting a decision is {required.plan_hash}", "plan_hash"
        )
    if vote.assessment_hash != required.assessment_hash:
        return Refusal("stale", f"its assessment is {required.assessment_hash}", "assessment_hash")
    if gate.outcome is not None or gate.grant is not None:
        return Refusal("decided", f"already decided: {gate.outcome or 'approved'}")
    if gate.cancel is not None or gate.halted is not None:
        return Refusal("stopped", "the task was cancelled or halted")
    if now >= required.expires_at:
        return Refusal("expired", f"the decision was due at {required.expires_at.isoformat()}")
    if voter.actor is None:
        return Refusal("unmapped", "this principal is mapped to no actor, so it may not decide")
    if voter.denials:
        return Refusal("forbidden", "; ".join(voter.denials))
    if vote.decision == "approve" and voter.actor == voter.requester_actor:
        return Refusal("four_eyes", f"{voter.name} asked for this task and cannot approve it")
    return None
