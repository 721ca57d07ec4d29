"""The gate decided: who may let a plan run, who may not, and which word holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import pytest
from smartops.contracts.bounds import OUTSIDE_ENVELOPE, Limits
from smartops.contracts.canonical import digest
from smartops.contracts.commands import ApprovalDecide, GrantRevoke, RunHalt, TaskCancel
from smartops.contracts.events import (
    DenialReason,
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
    TaskResumed,
    ToolCallDenied,
)
from smartops.contracts.folds import RunView
from smartops.contracts.ids import TaskId, actor_id, principal, run_id
from smartops.contracts.maintenance import MaintenanceWindow
from smartops.contracts.plan import Plan, seal
from smartops.contracts.wire import RiskLevel
from smartops.policy import domain
from smartops.policy.domain import EXPIRY_HANDLER, Terms, Voter, Weighed
from smartops.policy.gate.bounds import envelope_of
from smartops.policy.gate.state import Gate, evolve
from smartops.runtime.decision import Decision
from support.given import Given, Outcome, given
from support.plans import TASK, TENANT, phase, plan, step

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
TERMS = Terms(approval_ttl=timedelta(hours=1), grant_ttl=timedelta(hours=4))
PLAN = plan()
ASSESSMENT = b'{"risk":"high"}'
BUNDLE = digest(b"bundle")

Word = Literal["approve", "reject"]

ANA = actor_id(TENANT, "ana")
BEN = actor_id(TENANT, "ben")
CYD = actor_id(TENANT, "cyd")


def planned(number: int = 1, made: Plan = PLAN) -> TaskPlanned:
    """The planner's announcement of a plan."""
    plan_hash, document, _ = seal(made)
    return TaskPlanned(
        number=number,
        plan_hash=plan_hash,
        document=document,
        type="runbook",
        summary="mends what is broken",
        environment=made.header.environment,
        targets=1,
        steps=1,
    )


def weighed(*, approval: bool = True, problems: tuple[PlanProblem, ...] = ()) -> Weighed:
    """What the pipeline found."""
    return Weighed(
        problems=problems,
        requires_approval=approval,
        rules=("plan.approval.production_write",) if approval else ("plan.auto.reads_only",),
        bundle=BUNDLE,
        engine="regorus 1",
        assessment=ASSESSMENT,
        assessment_hash=digest(ASSESSMENT),
        risk_level=RiskLevel.HIGH,
        reads=(("acme/autonomy-runbook", 0), ("_platform/bundle-default", 1)),
    )


def weighing(
    announced: TaskPlanned | None = None, now: datetime = NOW, **fields: Any
) -> Callable[[Gate], Decision]:
    """A plan arrives."""
    told = announced or planned()
    found = weighed(**fields)
    return lambda gate: domain.weigh(gate, TASK, told, PLAN, found, TERMS, now)


def voter(actor: UUID | None = BEN, credential: str = "approver", **fields: Any) -> Voter:
    """A person at the gate; ana asked for the task."""
    return Voter(
        **{
            "principal": principal("local", credential),
            "authtype": "local",
            "actor": actor,
            "name": "somebody",
            "version": 3,
            "reads": (("acme/actor-voter", 3), ("acme/actor-requester", 2)),
            "requester_actor": ANA,
        }
        | fields
    )


def voting(
    decision: Word = "approve",
    who: Voter | None = None,
    *,
    plan_hash: str | None = None,
    assessment_hash: str | None = None,
    now: datetime = NOW,
    limits: Limits = Limits(),  # noqa: B008 - frozen
) -> Callable[[Gate], Decision]:
    """A person says yes or no."""
    vote = ApprovalDecide(
        task=TASK,
        plan_hash=plan_hash or PLAN.hash(),
        assessment_hash=assessment_hash or digest(ASSESSMENT),
        decision=decision,
        note="as discussed",
        limits=limits,
    )
    return lambda gate: domain.decide_vote(gate, TASK, vote, who or voter(), PLAN, TERMS, now)


def cancelling(*, keep: bool = False, run: RunView | None = None) -> Callable[[Gate], Decision]:
    """A person cancels."""
    command = TaskCancel(task=TASK, reason="no longer wanted", keep_changes=keep)
    return lambda gate: domain.cancel(gate, TASK, command, "op", ANA, run or RunView())


def revoking(run: RunView | None = None) -> Callable[[Gate], Decision]:
    """A person takes the grant back."""
    command = GrantRevoke(task=TASK, reason="looked again")
    return lambda gate: domain.revoke(gate, command, "op", ANA, run or RunView())


def halting(run: RunView | None = None) -> Callable[[Gate], Decision]:
    """A person pulls the cord."""
    command = RunHalt(task=TASK, reason="smoke")
    return lambda gate: domain.halt(gate, command, "op", ANA, run or RunView())


def expiring(number: int = 1, *, late: timedelta = timedelta(0)) -> Callable[[Gate], Decision]:
    """The approval's timer fires."""
    due = NOW + TERMS.approval_ttl
    return lambda gate: domain.expire(gate, f"expiry/{number}", due, due + late)


def closed() -> Given[Gate]:
    """A gate that nothing has come to."""
    return given(Gate(), evolve)


def waiting() -> Given[Gate]:
    """A person's decision is awaited."""
    return closed().when(weighing()).after


def granted() -> Given[Gate]:
    """A person said yes."""
    return waiting().when(voting()).after


def wanting_two() -> Given[Gate]:
    """Two persons must say yes."""
    history = waiting().history
    both = [
        event.model_copy(update={"quorum": 2}) if isinstance(event, TaskApprovalRequired) else event
        for event in history
    ]
    return given(Gate(), evolve, *both)


# --- A plan arrives -----------------------------------------------------------------------------


def test_a_plan_that_policy_lets_run_is_granted_by_itself() -> None:
    outcome = closed().when(weighing(approval=False))
    outcome.then(TaskPlanValidated, TaskApprovalGranted)
    grant = outcome.event(TaskApprovalGranted)
    assert (grant.automatic, grant.approvals, grant.grant) == (True, (), 1)
    assert grant.run == run_id(TaskId(TASK), 1, 1)
    assert grant.expires_at == NOW + TERMS.grant_ttl


def test_a_grant_outlives_the_wait_for_a_maintenance_window() -> None:
    night = MaintenanceWindow(start="22:00", end="04:00", timezone="UTC")
    made = plan(phase(step("a"), maintenance=night), phase(step("b")))
    found = weighed(approval=False)
    decided = closed().when(
        lambda gate: domain.weigh(gate, TASK, planned(made=made), made, found, TERMS, NOW)
    )
    opens = NOW.replace(hour=22)
    assert decided.event(TaskApprovalGranted).expires_at == opens + TERMS.grant_ttl


def test_an_automatic_grant_rests_on_the_bundle_and_autonomy_it_was_decided_under() -> None:
    outcome = closed().when(weighing(approval=False))
    assert dict(outcome.decision.reads) == {
        "acme/autonomy-runbook": 0,
        "_platform/bundle-default": 1,
    }


def test_a_plan_that_needs_a_person_waits_until_its_time_is_up() -> None:
    outcome = closed().when(weighing()).then(TaskPlanValidated, TaskApprovalRequired)
    required = outcome.event(TaskApprovalRequired)
    assert (required.plan_hash, required.assessment_hash) == (PLAN.hash(), digest(ASSESSMENT))
    assert (required.role, required.quorum) == ("approver", 1)
    assert required.requester == PLAN.header.requester.principal
    [timer] = outcome.timers_set
    assert (timer.handler, timer.due) == (EXPIRY_HANDLER, required.expires_at)
    assert required.expires_at == NOW + TERMS.approval_ttl


def test_the_assessment_that_people_vote_on_is_stored_under_the_digest_they_name() -> None:
    outcome = closed().when(weighing())
    assert outcome.decision.blobs == [ASSESSMENT]
    assert outcome.event(TaskPlanValidated).assessment_hash == digest(ASSESSMENT)


def test_a_plan_with_problems_is_refused_and_no_vote_can_change_that() -> None:
    problem = PlanProblem(stage="policy", rule="plan.canary_missing", message="begin small")
    outcome = closed().when(weighing(problems=(problem,))).then(TaskPlanRefused)
    assert outcome.event(TaskPlanRefused).problems == (problem,)
    assert outcome.timers_set == []
    outcome.after.when(voting()).then_refused("not_found", "task")


def test_the_same_plan_again_changes_nothing() -> None:
    waiting().when(weighing()).then_nothing()
    granted().when(weighing()).then_nothing()


@pytest.mark.parametrize(
    "history",
    [
        lambda: waiting().when(voting("reject")).after,
        lambda: waiting().when(expiring()).after,
        lambda: waiting().when(cancelling()).after,
        lambda: waiting().when(halting()).after,
    ],
    ids=["rejected", "expired", "cancelled", "halted"],
)
def test_a_plan_that_arrives_after_the_decision_changes_nothing(
    history: Callable[[], Given[Gate]],
) -> None:
    history().when(weighing(planned(2), approval=False)).then_nothing()


# --- A person decides ---------------------------------------------------------------------------


def test_a_yes_grants_the_plan_byte_for_byte_and_says_who_said_it() -> None:
    outcome = waiting().when(voting()).then(TaskApprovalRecorded, TaskApprovalGranted)
    grant = outcome.event(TaskApprovalGranted)
    assert (grant.plan_hash, grant.automatic) == (PLAN.hash(), False)
    [voice] = grant.approvals
    assert (voice.actor, voice.actor_version, voice.authtype) == (BEN, 3, "local")
    assert outcome.event(TaskApprovalRecorded).note == "as discussed"


def test_a_vote_rests_on_the_directory_it_was_decided_under() -> None:
    outcome = waiting().when(voting())
    assert dict(outcome.decision.reads) == {"acme/actor-voter": 3, "acme/actor-requester": 2}


def test_who_asked_cannot_approve() -> None:
    waiting().when(voting(who=voter(ANA))).then_refused("four_eyes")


def test_who_asked_cannot_approve_with_another_credential_either() -> None:
    second = voter(ANA, credential="ana-by-another-name")
    waiting().when(voting(who=second)).then_refused("four_eyes")


def test_who_asked_may_withdraw_by_saying_no() -> None:
    waiting().when(voting("reject", voter(ANA))).then(TaskApprovalRecorded, TaskApprovalRejected)


def test_a_principal_that_is_nobody_cannot_decide() -> None:
    both: tuple[Word, Word] = ("approve", "reject")
    for word in both:
        waiting().when(voting(word, voter(None))).then_refused("unmapped")


def test_whom_policy_denies_cannot_decide_and_is_told_why() -> None:
    denied = voter(denials=("deciding needs the role approver", "access is switched off"))
    outcome = waiting().when(voting(who=denied)).then_refused("forbidden")
    assert outcome.decision.refusal is not None
    assert outcome.decision.refusal.message == (
        "deciding needs the role approver; access is switched off"
    )


def test_a_yes_to_other_bytes_is_stale_and_names_the_field() -> None:
    other = digest(b"another plan")
    waiting().when(voting(plan_hash=other)).then_refused("stale", "plan_hash")
    waiting().when(voting(assessment_hash=other)).then_refused("stale", "assessment_hash")


def test_a_yes_at_the_last_moment_counts_and_one_after_it_does_not() -> None:
    due = NOW + TERMS.approval_ttl
    waiting().when(voting(now=due - timedelta(milliseconds=1))).then(
        TaskApprovalRecorded, TaskApprovalGranted
    )
    waiting().when(voting(now=due)).then_refused("expired")


def test_the_first_decision_wins_and_who_says_otherwise_is_told_whose_it_was_and_when() -> None:
    both: tuple[Word, Word] = ("approve", "reject")
    for first, told in zip(both, ("approved", "rejected"), strict=True):
        history = waiting().when(voting(first)).after
        for second in both:
            late = voter(CYD, settled_at=NOW)
            outcome = history.when(voting(second, late))
            if first == second:
                outcome.then_answered("granted" if first == "approve" else "rejected")
                answer = outcome.decision.answer
            else:
                outcome.then_refused("decided")
                answer = outcome.decision.refusal
            assert answer is not None
            assert f"already {told} by somebody at 2026-03-01T12:00:00+00:00" in answer.message


def test_one_no_ends_it() -> None:
    outcome = waiting().when(voting("reject"))
    outcome.then(TaskApprovalRecorded, TaskApprovalRejected)
    assert outcome.after.state.outcome == "rejected"
    outcome.after.when(expiring()).then_nothing()


def test_one_no_ends_a_quorum_even_after_a_yes() -> None:
    once = wanting_two().when(voting()).then(TaskApprovalRecorded)
    no = once.after.when(voting("reject", voter(CYD)))
    no.then(TaskApprovalRecorded, TaskApprovalRejected)


def test_a_quorum_counts_people_not_credentials() -> None:
    once = wanting_two().when(voting(who=voter(BEN))).then(TaskApprovalRecorded).after
    again = once.when(voting(who=voter(BEN, credential="bens-other-key")))
    again.then_answered("recorded")
    closer = once.when(voting(who=voter(BEN), limits=Limits(max_calls=2)))
    closer.then(TaskApprovalRecorded)
    done = closer.after.when(voting(who=voter(CYD)))
    grant = done.then(TaskApprovalRecorded, TaskApprovalGranted).event(TaskApprovalGranted)
    assert sorted(voice.actor for voice in grant.approvals) == sorted([BEN, CYD])


def test_a_grant_reaches_as_far_as_its_plan_and_no_further_than_its_approvers_say() -> None:
    alone = closed().when(weighing(approval=False)).event(TaskApprovalGranted)
    assert alone.envelope == envelope_of(PLAN)
    strict = Limits(max_calls=2, expires_at=NOW + timedelta(minutes=10))
    once = wanting_two().when(voting(limits=strict)).then(TaskApprovalRecorded)
    assert once.event(TaskApprovalRecorded).limits == strict
    both = once.after.when(voting(who=voter(CYD), limits=Limits(max_calls=3)))
    grant = both.event(TaskApprovalGranted)
    assert grant.envelope == envelope_of(PLAN, [strict])
    assert grant.expires_at == NOW + timedelta(minutes=10)


def test_a_limit_that_limits_nothing_or_is_past_is_refused_by_its_field() -> None:
    wide = voting(limits=Limits(max_targets=2))
    waiting().when(wide).then_refused("too_wide", "limits.max_targets")
    past = voting(limits=Limits(expires_at=NOW))
    waiting().when(past).then_refused("past", "limits.expires_at")
    no = voting("reject", limits=Limits(max_targets=1))
    waiting().when(no).then_refused("nothing_to_limit", "limits")


def denied_by_gateway(code: str = OUTSIDE_ENVELOPE, **fields: Any) -> ToolCallDenied:
    """The gateway refused a call of the granted run."""
    run = granted().state.grant.run if granted().state.grant is not None else None
    return ToolCallDenied.model_construct(
        task=TASK,
        run=fields.get("run", run),
        reason_code=code,
        reasons=(DenialReason(rule="gateway.envelope", message="1 target was granted"),),
    )


def test_a_call_beyond_the_grant_ends_it_once() -> None:
    def breached(denied: ToolCallDenied) -> Callable[[Gate], Decision]:
        return lambda gate: domain.breach(gate, denied)

    outcome = granted().when(breached(denied_by_gateway())).then(TaskGrantRevoked)
    revoked = outcome.event(TaskGrantRevoked)
    assert (revoked.principal, revoked.actor, revoked.grant) == ("tool_gateway", None, 1)
    assert revoked.reason == "a call went beyond the grant: 1 target was granted"
    outcome.after.when(breached(denied_by_gateway())).then_nothing()
    granted().when(breached(denied_by_gateway("expired"))).then_nothing()
    granted().when(breached(denied_by_gateway(run=BEN))).then_nothing()
    waiting().when(breached(denied_by_gateway())).then_nothing()


@pytest.mark.parametrize("stop", [cancelling, halting])
def test_a_stopped_task_is_not_approved_any_more(
    stop: Callable[[], Callable[[Gate], Decision]],
) -> None:
    outcome = waiting().when(stop()).after.when(voting())
    assert outcome.decision.refusal is not None
    assert outcome.decision.refusal.code in {"decided", "stopped"}


def test_where_nothing_awaits_a_decision_a_vote_is_refused() -> None:
    vote = ApprovalDecide(
        task=TASK, plan_hash=PLAN.hash(), assessment_hash=digest(b""), decision="approve"
    )
    outcome = closed().when(lambda gate: domain.refuse_vote(gate, vote, voter(), NOW))
    outcome.then_refused("not_found", "task")
    Outcome(closed(), domain.no_such_task(TASK)).then_refused("not_found", "task")


# --- Time passes --------------------------------------------------------------------------------


def test_a_timeout_is_never_an_approval() -> None:
    outcome = waiting().when(expiring(late=timedelta(seconds=2))).then(TaskApprovalExpired)
    assert outcome.event(TaskApprovalExpired).late_ms == 2000
    outcome.after.when(voting()).then_refused("decided")


@pytest.mark.parametrize(
    "history",
    [
        closed,
        granted,
        lambda: waiting().when(voting("reject")).after,
        lambda: waiting().when(expiring()).after,
        lambda: waiting().when(cancelling()).after,
    ],
    ids=["nothing", "granted", "rejected", "expired", "cancelled"],
)
def test_a_late_timer_never_overrides_a_decision(history: Callable[[], Given[Gate]]) -> None:
    history().when(expiring()).then_nothing()


@pytest.mark.parametrize(
    "decision",
    [voting(), voting("reject"), cancelling()],
    ids=["granted", "rejected", "cancelled"],
)
def test_once_nothing_is_awaited_any_more_the_timer_is_taken_back(
    decision: Callable[[Gate], Decision],
) -> None:
    assert waiting().when(decision).timers_cancelled == ["expiry/1"]


def test_the_timer_stays_while_a_decision_is_awaited() -> None:
    assert wanting_two().when(voting()).timers_cancelled == []
    assert waiting().when(halting()).timers_cancelled == []


def test_the_timer_of_another_plan_changes_nothing() -> None:
    waiting().when(expiring(number=2)).then_nothing()


# --- A person takes it back ---------------------------------------------------------------------


def test_before_a_grant_cancel_ends_the_task_at_once() -> None:
    for history in (closed(), waiting()):
        outcome = history.when(cancelling()).then(TaskCancelRequested, TaskCancelled)
        assert outcome.event(TaskCancelRequested).run is None
        assert outcome.after.state.outcome == "cancelled"


def test_after_a_grant_cancel_is_a_wish_that_the_run_fulfils() -> None:
    outcome = granted().when(cancelling()).then(TaskCancelRequested)
    asked = outcome.event(TaskCancelRequested)
    assert asked.run == granted().state.grant.run  # type: ignore[union-attr]
    assert (asked.principal, asked.actor, asked.keep_changes) == ("op", ANA, False)
    outcome.after.when(cancelling()).then_nothing()


def test_what_has_ended_is_not_cancelled_halted_or_revoked() -> None:
    ended = RunView(ended="completed")
    granted().when(cancelling(run=ended)).then_refused("ended")
    granted().when(halting(ended)).then_refused("ended")
    granted().when(revoking(ended)).then_refused("ended")
    rejected = waiting().when(voting("reject")).after
    rejected.when(cancelling()).then_refused("ended")
    rejected.when(halting()).then_refused("ended")


def test_an_escalated_run_can_still_be_cancelled_and_halted() -> None:
    escalated = RunView(ended="escalated")
    granted().when(cancelling(run=escalated)).then(TaskCancelRequested)
    granted().when(halting(escalated)).then(TaskHalted)


def test_when_a_cancelled_run_escalates_it_can_be_cancelled_again() -> None:
    cancelled = granted().when(cancelling()).after
    outcome = cancelled.when(cancelling(keep=True, run=RunView(ended="escalated")))
    outcome.then(TaskCancelRequested)
    assert outcome.event(TaskCancelRequested).keep_changes


def test_another_kind_of_cancel_while_the_first_is_under_way_is_a_conflict_not_silence() -> None:
    cancelled = granted().when(cancelling()).after
    cancelled.when(cancelling(keep=True)).then_refused("cancelling", "keep_changes")


def test_revoke_takes_the_grant_back_once() -> None:
    outcome = granted().when(revoking()).then(TaskGrantRevoked)
    revoked = outcome.event(TaskGrantRevoked)
    assert (revoked.grant, revoked.run) == (1, run_id(TaskId(TASK), 1, 1))
    outcome.after.when(revoking()).then_nothing()
    outcome.after.when(cancelling()).then(TaskCancelRequested)


def test_what_was_never_granted_cannot_be_revoked() -> None:
    waiting().when(revoking()).then_refused("not_found")


def test_halt_stops_everything_once_and_before_a_grant_too() -> None:
    for history in (closed(), waiting(), granted()):
        outcome = history.when(halting()).then(TaskHalted)
        outcome.after.when(halting()).then_nothing()


def test_what_is_halted_is_only_cancelled_with_its_changes_kept() -> None:
    halted = granted().when(halting()).after
    halted.when(cancelling()).then_refused("halted")
    halted.when(cancelling(keep=True)).then(TaskCancelRequested)


def test_a_halt_before_the_plan_lets_no_plan_through() -> None:
    closed().when(halting()).after.when(weighing(approval=False)).then_nothing()


def test_what_others_say_leaves_the_gate_unchanged() -> None:
    gate = granted().state
    foreign = TaskResumed(task=TASK, run=TASK, principal="op")
    assert evolve(gate, foreign) is gate
    assert replace(gate) == gate
