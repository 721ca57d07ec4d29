"""A plan that comes back from its run: weighed anew, and decided on by people or by nobody."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from smartops.contracts.canonical import canonical, digest
from smartops.contracts.commands import (
    ApprovalBreakGlass,
    ApprovalDecide,
    GrantRevoke,
    RunHalt,
    TaskCancel,
)
from smartops.contracts.constraints import Constraints
from smartops.contracts.events import (
    DenialReason,
    PlanProblem,
    TaskApprovalGranted,
    TaskApprovalRecorded,
    TaskApprovalReminded,
    TaskApprovalRequired,
    TaskBreakGlassUsed,
    TaskCancelRequested,
    TaskGrantRevoked,
    TaskHalted,
    TaskPlanReturned,
    TaskPlanValidated,
    TaskStarted,
    TaskStepWithheld,
    ToolCallDenied,
    WithheldStep,
)
from smartops.contracts.folds import BY_POLICY, GateView, RunView, evolve_gate
from smartops.contracts.wire import Purpose
from smartops.policy import domain
from smartops.policy.gate.returning import RETURNED, send_back, sent_back, withheld_under
from smartops.policy.gate.state import Gate, evolve
from smartops.runtime.decision import Decision
from support.approvals import NOW, TERMS, Person, planned, required, validated, voting, weighed
from support.given import Given, Outcome, given
from support.grants import grant_for
from support.plans import TASK, phase, plan, step

PLAN = plan(phase(step("a"), step("b"), step("c"), sequential=True))
BEN, CYD = Person("ben"), Person("cyd")
GUS = Person("gus", ("break-glass",))
LATER = NOW + timedelta(minutes=30)
DOCUMENT = canonical({"schema_name": "smartops.assessment.v2", "requires_approval": False})


def step_withheld(**fields: Any) -> WithheldStep:
    told = {
        "call": TASK,
        "step": PLAN.steps[1].id,
        "tool": "patch",
        "target": "b",
        "reasons": (DenialReason(rule="frozen", message="nothing is changed today"),),
    }
    return WithheldStep.model_validate(told | fields)


def under_way(*, quorum: int = 1) -> Given[Gate]:
    """People let the plan run."""
    history = given(Gate(), evolve, validated(PLAN), required(PLAN, quorum=quorum))
    for who in (BEN, CYD)[:quorum]:
        history = history.when(lambda gate, who=who: voting(gate, who.voter(), made=PLAN)).after
    assert history.state.grant is not None
    return history


def come_back(history: Given[Gate], now: datetime = LATER, **fields: Any) -> Outcome[Gate]:
    """Policy denied the second step."""
    found = weighed(assessment=DOCUMENT, assessment_hash=digest(DOCUMENT), **fields)
    grant = history.state.grant
    assert grant is not None
    done = [PLAN.steps[0].id]
    return history.when(
        lambda gate: send_back(gate, grant, PLAN, (step_withheld(),), done, found, TERMS, now)
    )


def asked_again(**fields: Any) -> Given[Gate]:
    return come_back(under_way(), **fields).after


def vote(
    gate: Gate, who: Person, decision: str = "approve", now: datetime = LATER, **fields: Any
) -> Decision:
    """Somebody decides on what is shown now."""
    shown = gate.required
    assert shown is not None
    told: dict[str, Any] = {
        "task": TASK,
        "plan_hash": shown.plan_hash,
        "assessment_hash": shown.assessment_hash,
        "decision": decision,
    }
    command = ApprovalDecide.model_validate(told | fields)
    return domain.decide_vote(gate, TASK, command, who.voter(), PLAN, TERMS, now)


def seen(history: Given[Gate]) -> GateView:
    """As runner and gateway see it."""
    view = GateView()
    for event in history.history:
        view = evolve_gate(view, event)
    return view


# --- Going back -----------------------------------------------------------------------------------


def test_people_are_asked_anew_and_are_shown_why_and_what_was_done() -> None:
    outcome = come_back(under_way())
    outcome.then(TaskPlanReturned, TaskPlanValidated, TaskApprovalRequired)
    asked = outcome.event(TaskApprovalRequired)
    assert RETURNED in asked.reasons
    assert asked.plan_hash == PLAN.hash()
    [blob] = [blob for blob in outcome.decision.blobs if digest(blob) == asked.assessment_hash]
    told = json.loads(blob)["returned"]
    assert (told["applied"], told["applied_steps"]) == (1, [PLAN.steps[0].id])
    assert told["withheld"][0]["reasons"][0]["rule"] == "frozen"
    assert told["granted_by"] == ["ben"]
    assert seen(outcome.after).stopped


def test_policy_that_asks_nobody_and_standing_words_do_not_let_it_go_on() -> None:
    outcome = come_back(under_way(), requires_approval=False)
    assert outcome.event(TaskPlanValidated).requires_approval
    assert not outcome.every(TaskApprovalGranted)


def test_what_policy_does_not_allow_at_all_is_asked_of_nobody() -> None:
    problem = PlanProblem(stage="policy", rule="closed", message="nothing is planned today")
    outcome = come_back(under_way(), problems=(problem,))
    outcome.then(TaskPlanReturned, TaskGrantRevoked)
    revoked = outcome.event(TaskGrantRevoked)
    assert (revoked.principal, "closed" in revoked.reason) == ("policy", True)
    outcome.after.when(lambda gate: voting(gate, BEN.voter(), made=PLAN)).then_refused(
        "not_found", "task"
    )


def test_the_next_grant_is_of_the_same_run_and_needs_new_voices() -> None:
    before = under_way()
    history = come_back(before, quorum=2).after
    first = before.state.grant
    assert first is not None
    one = history.when(lambda gate: vote(gate, BEN)).then(TaskApprovalRecorded)
    done = one.after.when(lambda gate: vote(gate, CYD))
    granted = done.then(TaskApprovalRecorded, TaskApprovalGranted).event(TaskApprovalGranted)
    assert (granted.grant, granted.run) == (2, first.run)
    assert granted.expires_at == LATER + TERMS.grant_ttl
    view = seen(done.after)
    assert (view.unfounded, view.stopped, view.begun) == (False, False, 1)


def test_what_was_said_of_it_before_it_came_back_is_no_voice() -> None:
    """Cyd's yes to the first card comes late: it names bytes that tell nothing of the return."""
    asked_again().when(lambda gate: voting(gate, CYD.voter(), made=PLAN)).then_refused(
        "stale", "assessment_hash"
    )


def test_each_return_is_another_document() -> None:
    history = asked_again()
    first = history.state.required
    again = come_back(history.when(lambda gate: vote(gate, BEN)).after).after
    assert first is not None
    assert again.state.required is not None
    assert first.assessment_hash != again.state.required.assessment_hash


def test_a_grant_by_the_voices_of_the_first_time_is_not_founded() -> None:
    history = asked_again()
    stolen = under_way().state.grant
    assert stolen is not None
    required_ = history.state.required
    assert required_ is not None
    fields = {"grant": 2, "assessment_hash": required_.assessment_hash}
    for grant in (stolen.model_copy(update=fields), grant_for(PLAN, run=stolen.run, **fields)):
        assert evolve_gate(seen(history), grant).unfounded


# --- Deciding -------------------------------------------------------------------------------------


def test_a_no_has_it_taken_back_and_closes_nothing_else() -> None:
    outcome = asked_again().when(lambda gate: vote(gate, BEN, "reject", note="enough"))
    outcome.then(TaskApprovalRecorded, TaskCancelRequested)
    cancel = outcome.event(TaskCancelRequested)
    assert (cancel.actor, cancel.keep_changes, cancel.reason) == (
        BEN.actor,
        False,
        "rejected by ben: enough",
    )
    assert outcome.after.state.outcome is None, "how it ends is for the run to say"
    assert outcome.timers_cancelled == ["expiry/1.1", "prompt/1.1/0"]
    outcome.after.when(lambda gate: vote(gate, CYD)).then_refused("decided")
    outcome.after.when(lambda gate: vote(gate, CYD, "reject")).then_answered("rejected")


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        ("then", {"then": "replan"}),
        ("constraints", {"constraints": Constraints(exclude_assets=("a",))}),
    ],
)
def test_what_is_under_way_is_not_replaced_by_another_plan(
    field: str, fields: dict[str, Any]
) -> None:
    asked_again().when(lambda gate: vote(gate, BEN, "reject", **fields)).then_refused(
        "under_way", field
    )


def test_nobody_in_time_ends_it_without_a_grant() -> None:
    due = LATER + TERMS.approval_ttl
    history = asked_again()
    history.when(lambda gate: domain.expire(gate, "expiry/1", due, due)).then_nothing()
    outcome = history.when(lambda gate: domain.expire(gate, "expiry/1.1", due, due))
    outcome.then(TaskGrantRevoked)
    outcome.after.when(lambda gate: domain.expire(gate, "expiry/1.1", due, due)).then_nothing()
    outcome.after.when(lambda gate: vote(gate, BEN, now=due)).then_refused("decided")


def test_people_are_reminded_anew_by_timers_of_their_own() -> None:
    outcome = come_back(under_way())
    assert [timer.name for timer in outcome.timers_set] == ["expiry/1.1", "prompt/1.1/0"]
    half = LATER + TERMS.approval_ttl / 2
    outcome.after.when(lambda gate: domain.prompt(gate, "prompt/1/0", half)).then_nothing()
    outcome.after.when(lambda gate: domain.prompt(gate, "prompt/1.1/0", half)).then(
        TaskApprovalReminded
    )


STOPS: dict[str, Any] = {
    "cancel": lambda gate: domain.cancel(
        gate, TASK, TaskCancel(task=TASK, reason="x"), "op", None, RunView()
    ),
    "revoke": lambda gate: domain.revoke(
        gate, GrantRevoke(task=TASK, reason="x"), "op", None, RunView()
    ),
    "halt": lambda gate: domain.halt(gate, RunHalt(task=TASK, reason="x"), "op", None, RunView()),
}


@pytest.mark.parametrize("how", STOPS)
def test_whatever_ends_it_ends_the_question(how: str) -> None:
    outcome = asked_again().when(STOPS[how])
    [said] = outcome.events
    assert isinstance(said, TaskCancelRequested | TaskGrantRevoked | TaskHalted)
    assert outcome.timers_cancelled == ["expiry/1.1", "prompt/1.1/0"]
    code = "decided" if how == "revoke" else "stopped"
    outcome.after.when(lambda gate: vote(gate, BEN)).then_refused(code)
    due = LATER + TERMS.approval_ttl
    over = outcome.after.when(lambda gate: domain.expire(gate, "expiry/1.1", due, due))
    assert not over.events


def test_glass_may_be_broken_for_it_too() -> None:
    history = asked_again()
    shown = history.state.required
    assert shown is not None
    command = ApprovalBreakGlass(
        task=TASK,
        plan_hash=shown.plan_hash,
        assessment_hash=shown.assessment_hash,
        justification="customers cannot pay, nobody else is awake",
    )
    outcome = history.when(
        lambda gate: domain.break_glass(gate, command, GUS.voter(), PLAN, TERMS, LATER)
    )
    granted = outcome.then(TaskBreakGlassUsed, TaskApprovalGranted).event(TaskApprovalGranted)
    assert granted.grant == 2
    assert not seen(outcome.after).unfounded


# --- Whether it comes back ------------------------------------------------------------------------


def resting(history: Given[Gate], grant: int = 1, **fields: Any) -> RunView:
    """The run at rest, with a step withheld under a grant."""
    granted = history.state.grant
    assert granted is not None
    started = TaskStarted(
        task=TASK,
        run=granted.run,
        number=1,
        plan_hash=granted.plan_hash,
        document=granted.document,
        grant=1,
        environment=granted.environment,
        phases=("p",),
        claims=(),
    )
    noted = TaskStepWithheld(task=TASK, run=granted.run, call=TASK, step="b", grant=grant)
    return replace(RunView(started=started, paused=True, withheld=(noted,)), **fields)


def test_only_a_run_at_rest_that_was_denied_under_the_grant_in_force_comes_back() -> None:
    history = under_way()
    assert sent_back(history.state, resting(history)) == history.state.grant
    for fields in (
        {"paused": False},
        {"withheld": ()},
        {"ended": "escalated"},
        {"rolling_back": True},
        {"started": None},
    ):
        assert sent_back(history.state, resting(history, **fields)) is None, fields
    assert sent_back(history.state, resting(history, grant=2)) is None


@pytest.mark.parametrize("how", STOPS)
def test_what_was_stopped_before_is_not_asked_about(how: str) -> None:
    history = under_way().when(STOPS[how]).after
    assert sent_back(history.state, resting(history)) is None


def test_told_twice_or_late_it_comes_back_once() -> None:
    history = asked_again()
    assert sent_back(history.state, resting(history)) is None
    granted = history.when(lambda gate: vote(gate, BEN)).after
    assert sent_back(granted.state, resting(granted, grant=1)) is None, "an old denial"
    assert sent_back(granted.state, resting(granted, grant=2)) == granted.state.grant


def _denied(**fields: Any) -> ToolCallDenied:
    granted = under_way().state.grant
    assert granted is not None
    told = {
        "call": TASK,
        "task": TASK,
        "run": granted.run,
        "requester": "runner",
        "requester_stream": "acme/run-1",
        "request": TASK,
        "purpose": Purpose.DO,
        "tool": "patch",
        "target": "b",
        "question": "p/patch/b",
        "reason_code": BY_POLICY,
        "reasons": (DenialReason(rule="frozen", message="nothing is changed today"),),
        "grant": 1,
    }
    return ToolCallDenied.model_validate(told | fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"reason_code": "expired"},
        {"reason_code": "outside_window"},
        {"purpose": Purpose.OBSERVE},
        {"purpose": Purpose.UNDO},
        {"grant": 2},
        {"grant": None},
        {"run": TASK},
    ],
)
def test_only_what_policy_itself_denied_of_this_grant_counts(fields: dict[str, Any]) -> None:
    granted = under_way().state.grant
    assert granted is not None
    assert len(withheld_under(granted, [_denied()])) == 1
    assert withheld_under(granted, [_denied(**fields)]) == ()


def test_a_plan_that_nobody_asked_for_stays_unasked_while_it_is_back() -> None:
    next_one = plan(phase(step("a")), number=2)
    outcome = asked_again().when(
        lambda gate: domain.weigh(gate, TASK, planned(next_one), next_one, weighed(), TERMS, LATER)
    )
    [refused] = outcome.events
    assert getattr(refused, "unasked", False)
