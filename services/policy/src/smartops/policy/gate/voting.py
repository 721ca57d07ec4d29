"""Voices of people: the first decision wins, a timeout is never an approval. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from smartops.contracts.bounds import Limits
from smartops.contracts.commands import ApprovalDecide
from smartops.contracts.deciding import Evidence
from smartops.contracts.events import (
    Approval,
    TaskApprovalExpired,
    TaskApprovalRecorded,
    TaskApprovalRejected,
    TaskApprovalRequired,
    TaskCancelRequested,
)
from smartops.contracts.plan import Plan
from smartops.contracts.watching import may_begin
from smartops.contracts.wire import LONGEST_TEXT, EventData
from smartops.policy.gate.bounds import cannot_hold, too_wide
from smartops.policy.gate.granting import Terms, expiry, grant, nothing_due
from smartops.policy.gate.quorum import tally
from smartops.policy.gate.replanning import aftermath, refuse_replaced, refuse_wishes
from smartops.policy.gate.returning import taken_back
from smartops.policy.gate.settling import settled
from smartops.policy.gate.state import Gate
from smartops.runtime.decision import NOTHING, Answer, CancelTimer, Decision, Refusal

__all__ = [
    "Voter",
    "decide_vote",
    "expire",
    "refuse_stale",
    "refuse_vote",
    "refuse_voter",
    "voice_of",
]


@dataclass(frozen=True, slots=True)
class Voter:
    """The actor behind a principal, as the directory knows it; and what policy says of the vote."""

    principal: str
    authtype: str
    actor: UUID | None = None
    name: str = ""
    version: int = 0
    roles: tuple[str, ...] = ()
    """His own; or, speaking for another, those that were handed over."""
    for_actor: UUID | None = None
    """Whose voice it is, where that one has handed it over."""
    for_name: str | None = None
    refusal: Refusal | None = None
    """Why he may not speak for whom he says he speaks for."""
    reads: tuple[tuple[str, int], ...] = ()
    """Versions of the actors' streams, of voter, requester, editors and of whoever the voter speaks
    for, that this rests on."""
    requester_actor: UUID | None = None
    """The actor who asked for the task; None when its principal is mapped to nobody."""
    editors: tuple[UUID, ...] = ()
    """The actors who edited the plan, or one that it replaces."""
    lapsed: tuple[Approval, ...] = ()
    """Voices of others, said before, that do not count any more."""
    denials: tuple[str, ...] = ()
    """Why policy does not let this actor approve."""
    evidence: tuple[Evidence, ...] = ()
    """What policy was asked, with its answer."""
    settled_at: datetime | None = None
    """When the plan was decided on, if it was."""

    @property
    def persons(self) -> frozenset[UUID]:
        """Who stands behind what is said."""
        return frozenset(one for one in (self.actor, self.for_actor) if one is not None)

    @property
    def involved(self) -> frozenset[UUID]:
        """Who had a hand in the plan."""
        asked = () if self.requester_actor is None else (self.requester_actor,)
        return frozenset((*asked, *self.editors))


def voice_of(voter: Voter, actor: UUID) -> Approval:
    """What is recorded of who spoke."""
    return Approval(
        actor=actor,
        actor_name=voter.name,
        principal=voter.principal,
        authtype=voter.authtype,
        actor_version=voter.version,
        for_actor=voter.for_actor,
        for_name=voter.for_name,
        roles=voter.roles,
    )


def decide_vote(
    gate: Gate,
    task: UUID,
    vote: ApprovalDecide,
    voter: Voter,
    plan: Plan,
    terms: Terms,
    now: datetime,
) -> Decision:
    """Decide on a person's voice. The first decision wins.

    Whoever says the same again gets its outcome; whoever says the contrary is told who was first.
    """
    heard = refuse_vote(gate, vote, voter, now)
    if heard.answer is not None or heard.refusal is not None:
        return heard
    required = gate.required
    if required is None or gate.validated is None or voter.actor is None:
        return Decision(refusal=Refusal("not_found", "no approval is awaited for this task"))
    if (vain := refuse_wishes(gate, vote)) is not None:
        return Decision(refusal=vain, reads=voter.reads)
    if (wide := _refuse_limits(gate, vote, plan, terms, now)) is not None:
        return Decision(refusal=wide, reads=voter.reads)
    voice = voice_of(voter, voter.actor)
    if vote.decision == "approve" and (said := _said(gate, vote, voice, voter)) is not None:
        return Decision(answer=said, reads=voter.reads)
    recorded = TaskApprovalRecorded(
        number=required.number,
        plan_hash=required.plan_hash,
        assessment_hash=required.assessment_hash,
        decision=vote.decision,
        by=voice,
        note=vote.note,
        limits=vote.limits,
    )
    events: list[EventData] = [recorded]
    timers: list[CancelTimer] = []
    if vote.decision == "reject":
        events.append(_no(gate, required, vote, voice, terms))
        timers = nothing_due(gate)
    else:
        # A quorum counts people: whoever says yes twice, with whichever credentials or in whose
        # name, is one. What anybody said about limits holds all the same.
        # Whoever agreed until some moment does not agree any more behind it.
        yes = tuple(one for one in (*gate.yes, recorded) if _holds_still(one.limits, now))
        voices = (one.by for one in yes if one.by not in voter.lapsed)
        count = tally(required, gate.escalated, voices, voter.involved)
        if count.reached:
            limits = tuple(one.limits for one in yes)
            granted = grant(gate, task, gate.validated, plan, terms, now, count.counted, limits)
            events.append(granted)
            timers = nothing_due(gate)
    return Decision(events, timers=timers, reads=voter.reads)


def refuse_vote(gate: Gate, vote: ApprovalDecide, voter: Voter, now: datetime) -> Decision:
    """Answer a voice that cannot count: refused, or settled already. Else nothing."""
    required = gate.required
    refusal: Refusal | None
    if required is None:
        refusal = Refusal("not_found", "no approval is awaited for this task", "task")
    else:
        refusal = refuse_stale(required, vote.plan_hash, vote.assessment_hash)
    if refusal is None:
        done = settled(gate, vote.decision, voter.settled_at)
        if isinstance(done, Answer):
            return Decision(answer=done, reads=voter.reads)
        refusal = done or refuse_replaced(gate)
    if refusal is None and required is not None:
        refusal = refuse_voter(required, voter, now)
    if refusal is None and vote.decision == "approve":
        refusal = _refuse_involved(voter)
    return NOTHING if refusal is None else Decision(refusal=refusal, reads=voter.reads)


def refuse_stale(
    required: TaskApprovalRequired, plan_hash: str, assessment_hash: str
) -> Refusal | None:
    """Why what somebody has seen is not what is decided on."""
    if plan_hash != required.plan_hash:
        awaited = f"the plan awaiting a decision is {required.plan_hash}"
        return Refusal("stale", awaited, "plan_hash")
    if assessment_hash != required.assessment_hash:
        return Refusal("stale", f"its assessment is {required.assessment_hash}", "assessment_hash")
    return None


def refuse_voter(required: TaskApprovalRequired, voter: Voter, now: datetime) -> Refusal | None:
    """Why it is too late, or not for this person to say."""
    if now >= required.expires_at:
        return Refusal("expired", f"the decision was due at {required.expires_at.isoformat()}")
    if voter.actor is None:
        return Refusal("unmapped", "this principal is mapped to no actor, so it may not decide")
    if voter.refusal is not None:
        return voter.refusal
    if voter.denials:
        return Refusal("forbidden", "; ".join(voter.denials))
    return None


def expire(gate: Gate, timer: str, due: datetime, now: datetime) -> Decision:
    """Nobody decided in time. A timer that comes after a decision changes nothing."""
    required = gate.required
    if required is None or not gate.waiting or timer != expiry(required.number, gate.returns):
        return NOTHING
    # The one that fired is used up by that, and a unit names no timer twice.
    timers = [one for one in nothing_due(gate) if one.name != timer]
    if gate.returned is not None:
        reason = "nobody approved it once more in time"
        return Decision([taken_back(gate.returned, reason)] if gate.open else [], timers=timers)
    late = max(0, int((now - due) / timedelta(milliseconds=1)))
    expired = TaskApprovalExpired(
        number=required.number, plan_hash=required.plan_hash, late_ms=late
    )
    return Decision([expired], timers=timers)


def _no(
    gate: Gate, required: TaskApprovalRequired, vote: ApprovalDecide, voice: Approval, terms: Terms
) -> TaskApprovalRejected | TaskCancelRequested:
    """What a rejection leads to: of a plan that is under way, that it is taken back."""
    if gate.returned is not None:
        told = f"rejected by {voice.actor_name}" + (f": {vote.note}" if vote.note else "")
        return TaskCancelRequested(
            principal=voice.principal,
            actor=voice.actor,
            reason=told[:LONGEST_TEXT],
            run=gate.returned.run,
        )
    after = aftermath(gate, vote, terms.max_replans)
    return TaskApprovalRejected(
        number=required.number,
        plan_hash=required.plan_hash,
        by=voice,
        note=vote.note,
        then=after.then,
        constraints=after.constraints,
        detail=after.detail,
    )


def _holds_still(limits: Limits, now: datetime) -> bool:
    return limits.expires_at is None or now < limits.expires_at


def _said(gate: Gate, vote: ApprovalDecide, voice: Approval, voter: Voter) -> Answer | None:
    """What to tell somebody who says yes again, while others are awaited; and limits no more."""
    for one in gate.yes:
        if one.by in voter.lapsed:
            continue
        if one.by.persons >= voice.persons and one.limits == vote.limits:
            return Answer("recorded", f"{one.by.actor_name} said so already; others are awaited")
    return None


def _refuse_involved(voter: Voter) -> Refusal | None:
    """Four eyes, for whoever speaks and for whomever he speaks: neither may have made the plan."""
    for who, name in ((voter.actor, voter.name), (voter.for_actor, voter.for_name)):
        if who is not None and who == voter.requester_actor:
            return Refusal("four_eyes", f"{name} asked for this task and cannot approve it")
        if who is not None and who in voter.editors:
            return Refusal("four_eyes", f"{name} edited the plan and cannot approve it")
    return None


def _refuse_limits(
    gate: Gate, vote: ApprovalDecide, plan: Plan, terms: Terms, now: datetime
) -> Refusal | None:
    if not vote.limits.given:
        return None
    if vote.decision == "reject":
        return Refusal("nothing_to_limit", "a rejection has no limits", "limits")
    ends = vote.limits.expires_at
    if ends is not None and ends <= now:
        return Refusal("past", "that moment is past: nothing could run", "limits.expires_at")
    wide = too_wide(plan, vote.limits, may_begin(plan, now) + terms.grant_ttl)
    if wide is not None:
        return Refusal("too_wide", wide[1], wide[0])
    never = cannot_hold(plan, vote.limits, (one.limits for one in gate.yes))
    return None if never is None else Refusal("no_condition", never, "limits.condition")
