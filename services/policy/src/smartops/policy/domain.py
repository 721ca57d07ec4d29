"""The gate decided: may this plan run, who must say so, who takes it back?

Pure: what policy, registry and directory answered comes in as values.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from smartops.contracts.bounds import OUTSIDE_ENVELOPE, Limits
from smartops.contracts.commands import ApprovalDecide, GrantRevoke, RunHalt, TaskCancel
from smartops.contracts.events import (
    Approval,
    PlanProblem,
    TaskApprovalExpired,
    TaskApprovalGranted,
    TaskApprovalRecorded,
    TaskApprovalRejected,
    TaskApprovalRequired,
    TaskCancelled,
    TaskCancelRequested,
    TaskGrantRevoked,
    TaskHalted,
    TaskPlanned,
    TaskPlanRefused,
    TaskPlanValidated,
    ToolCallDenied,
)
from smartops.contracts.folds import RunView
from smartops.contracts.ids import TaskId, run_id
from smartops.contracts.plan import Plan
from smartops.contracts.watching import may_begin
from smartops.contracts.wire import LONGEST_TEXT, EventData, RiskLevel
from smartops.policy.bounds import envelope_of, expiry_within, too_wide
from smartops.policy.state import Gate
from smartops.runtime.decision import NOTHING, CancelTimer, Decision, Refusal, SetTimer

__all__ = [
    "EXPIRY_HANDLER",
    "Terms",
    "Voter",
    "Weighed",
    "breach",
    "cancel",
    "decide_vote",
    "expire",
    "halt",
    "no_such_task",
    "refuse_vote",
    "revoke",
    "weigh",
]

EXPIRY_HANDLER = "policy.expiry"


@dataclass(frozen=True, slots=True)
class Terms:
    """How long people have, and how long their word holds."""

    approval_ttl: timedelta
    grant_ttl: timedelta


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
        return Decision([refused], timers=_nothing_due(gate))
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
        granted = _grant(gate, task, validated, plan, terms, now)
        return Decision(
            [validated, granted],
            timers=_nothing_due(gate),
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
    timer = SetTimer(_expiry(planned.number), required.expires_at, EXPIRY_HANDLER)
    return Decision(
        [validated, required],
        timers=[*_nothing_due(gate), timer],
        blobs=[weighed.assessment],
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
        timers = _nothing_due(gate)
    else:
        # A quorum counts people: whoever says yes twice, with whichever credentials, is one.
        yes = [v for v in gate.voices if v.decision == "approve"]
        approvals = tuple({one.actor: one for one in (*(v.by for v in yes), voice)}.values())
        if len(approvals) >= required.quorum:
            limits = (*(v.limits for v in yes), vote.limits)
            events.append(_grant(gate, task, gate.validated, plan, terms, now, approvals, limits))
            timers = _nothing_due(gate)
    return Decision(events, timers=timers, reads=voter.reads)


def refuse_vote(gate: Gate, vote: ApprovalDecide, voter: Voter, now: datetime) -> Decision:
    """Answer a voice where nothing awaits one."""
    refusal = _refuse_vote(gate, vote, voter, now)
    return Decision(
        refusal=refusal or Refusal("not_found", "no approval is awaited for this task", "task"),
        reads=voter.reads,
    )


def no_such_task(task: UUID) -> Decision:
    """Answer a command about a task that nobody submitted."""
    return Decision(refusal=Refusal("not_found", f"there is no task {task}", "task"))


def expire(gate: Gate, timer: str, due: datetime, now: datetime) -> Decision:
    """Nobody decided in time. A timer that comes after a decision changes nothing."""
    required = gate.required
    if required is None or not gate.waiting or timer != _expiry(required.number):
        return NOTHING
    late = max(0, int((now - due) / timedelta(milliseconds=1)))
    return Decision(
        [TaskApprovalExpired(number=required.number, plan_hash=required.plan_hash, late_ms=late)]
    )


def cancel(
    gate: Gate, task: UUID, command: TaskCancel, principal: str, actor: UUID | None, run: RunView
) -> Decision:
    """End a task: at once when nothing may be running, through the runner otherwise."""
    if gate.outcome is not None or run.ended not in (None, "escalated"):
        outcome = gate.outcome or run.ended
        return Decision(refusal=Refusal("ended", f"the task has already ended: {outcome}"))
    if gate.cancel is not None and run.ended is None:
        if gate.cancel.keep_changes == command.keep_changes:
            return NOTHING
        under_way = "keeping" if gate.cancel.keep_changes else "taking back"
        return Decision(
            refusal=Refusal(
                "cancelling",
                f"the task is being cancelled, {under_way} its changes",
                "keep_changes",
            )
        )
    if gate.halted is not None and not command.keep_changes:
        return Decision(
            refusal=Refusal(
                "halted", "the task is halted, so nothing is taken back: cancel it keeping changes"
            )
        )
    asked = TaskCancelRequested(
        principal=principal,
        actor=actor,
        reason=command.reason,
        keep_changes=command.keep_changes,
        run=gate.grant.run if gate.grant is not None else None,
    )
    if gate.grant is None:
        ended = TaskCancelled(task=task, reason=command.reason)
        return Decision([asked, ended], timers=_nothing_due(gate))
    return Decision([asked])


def revoke(
    gate: Gate, command: GrantRevoke, principal: str, actor: UUID | None, run: RunView
) -> Decision:
    """Take the grant back."""
    if gate.grant is None:
        return Decision(refusal=Refusal("not_found", "nothing was granted for this task"))
    if run.ended is not None:
        return Decision(refusal=Refusal("ended", f"the run has already ended: {run.ended}"))
    if gate.revoked is not None:
        return NOTHING
    revoked = TaskGrantRevoked(
        principal=principal,
        actor=actor,
        reason=command.reason,
        grant=gate.grant.grant,
        run=gate.grant.run,
    )
    return Decision([revoked])


def breach(gate: Gate, denied: ToolCallDenied) -> Decision:
    """A run asked for more than its grant allows: the grant ends, and with it all but undo."""
    grant = gate.grant
    if denied.reason_code != OUTSIDE_ENVELOPE or grant is None or grant.run != denied.run:
        return NOTHING
    if gate.revoked is not None:
        return NOTHING
    revoked = TaskGrantRevoked(
        principal="tool_gateway",
        reason=f"a call went beyond the grant: {denied.message}"[:LONGEST_TEXT],
        grant=grant.grant,
        run=grant.run,
    )
    return Decision([revoked])


def halt(
    gate: Gate, command: RunHalt, principal: str, actor: UUID | None, run: RunView
) -> Decision:
    """Emergency stop."""
    if gate.outcome is not None or run.ended not in (None, "escalated"):
        ended = gate.outcome or run.ended
        return Decision(refusal=Refusal("ended", f"the task has already ended: {ended}"))
    if gate.halted is not None:
        return NOTHING
    halted = TaskHalted(
        principal=principal,
        actor=actor,
        reason=command.reason,
        run=gate.grant.run if gate.grant is not None else None,
    )
    return Decision([halted])


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


def _grant(
    gate: Gate,
    task: UUID,
    validated: TaskPlanValidated,
    plan: Plan,
    terms: Terms,
    now: datetime,
    approvals: tuple[Approval, ...] = (),
    limits: tuple[Limits, ...] = (),
) -> TaskApprovalGranted:
    """The grant of a plan; automatic when nobody had to approve it."""
    number = gate.grants + 1
    return TaskApprovalGranted(
        number=validated.number,
        plan_hash=validated.plan_hash,
        document=validated.document,
        assessment_hash=validated.assessment_hash,
        grant=number,
        run=run_id(TaskId(task), validated.number, number),
        environment=plan.header.environment,
        automatic=not approvals,
        approvals=approvals,
        bundle=validated.bundle,
        expires_at=expiry_within(may_begin(plan, now) + terms.grant_ttl, limits),
        envelope=envelope_of(plan, limits),
    )


def _nothing_due(gate: Gate) -> list[CancelTimer]:
    """Forget when the approval awaited so far is due: else that lies about long after the end."""
    return [CancelTimer(_expiry(gate.required.number))] if gate.required is not None else []


def _expiry(number: int) -> str:
    return f"expiry/{number}"
