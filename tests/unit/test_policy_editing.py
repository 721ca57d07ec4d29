"""Plans that give way to others, at the gate: edits, rejections with a wish, what went stale."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from smartops.contracts.canonical import digest
from smartops.contracts.commands import ApprovalDecide, PlanEdit, RunHalt, TaskCancel
from smartops.contracts.constraints import Constraints
from smartops.contracts.editing import ArgumentChange, Edit, Unfit, edited
from smartops.contracts.events import (
    StalePrecondition,
    TaskApprovalGranted,
    TaskApprovalRecorded,
    TaskApprovalRejected,
    TaskApprovalRequired,
    TaskCancelled,
    TaskCancelRequested,
    TaskPlanEditAccepted,
    TaskPlanned,
    TaskPlanRefused,
    TaskPlanSuperseded,
    TaskPlanValidated,
    TaskPreconditionsStale,
    ToolCallRequested,
)
from smartops.contracts.folds import GateView, RunView, evolve_gate
from smartops.contracts.ids import actor_id, principal
from smartops.contracts.plan import Plan, Requester, seal
from smartops.contracts.wire import Purpose, RiskLevel
from smartops.policy import domain
from smartops.policy.domain import Terms, Voter, Weighed
from smartops.policy.gate.editing import Editor, decide_edit
from smartops.policy.gate.replanning import gone_stale, not_as_asked
from smartops.policy.gate.state import Gate, evolve
from smartops.runtime.decision import Decision
from support.given import Given, given
from support.plans import TASK, TENANT, phase, plan, step, tool

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
TERMS = Terms(approval_ttl=timedelta(hours=1), grant_ttl=timedelta(hours=4), max_replans=2)
ANA, BEN, CYD = (actor_id(TENANT, name) for name in ("ana", "ben", "cyd"))
"""Ana asked for the task."""

PATCH = tool().model_copy(
    update={"input_schema": {"properties": {"asset": {}, "version": {"type": "string"}}}}
)
TOOLS = {"patch": PATCH}
TO_TWO = Edit(changes=(ArgumentChange(tool="patch", argument="version", value="2.0"),))
MENDED = Constraints(exclude_assets=("web-02",))


def patching(*targets: str, number: int = 1) -> Plan:
    """A plan that patches these."""
    members = [
        step(target, PATCH, arguments={"asset": target, "version": "1.0"}) for target in targets
    ]
    return plan(phase(*members, name="canary"), number=number)


FIRST = patching("web-01", "web-02")


def person(actor: UUID | None, name: str, **fields: Any) -> Editor:
    """Somebody who edits."""
    return Editor(
        principal=principal("local", name),
        authtype="local",
        actor=actor,
        name=name,
        version=1,
        roles=("approver",),
        reads=((f"acme/actor-{name}", 1),),
        **fields,
    )


def after_edit(before: Plan, who: str = "ben", edit: Edit = TO_TWO) -> Plan:
    """The plan that an edit makes of another."""
    made = edited(
        before, edit, Requester(principal=principal("local", who), authtype="local"), TOOLS
    )
    assert isinstance(made, Plan)
    return made


def arriving(
    made: Plan,
    *,
    before: Plan | None = None,
    approval: bool = True,
    named: int | None = None,
) -> Callable[[Gate], Decision]:
    """The planner's next plan."""
    plan_hash, document, _ = seal(made)
    told = TaskPlanned(
        number=named or made.header.number,
        plan_hash=plan_hash,
        document=document,
        type="runbook",
        summary="mends what is broken",
        environment=made.header.environment,
        targets=1,
        steps=1,
    )

    def decide(gate: Gate) -> Decision:
        found = Weighed(
            problems=tuple(not_as_asked(gate, made, before, TOOLS)) if gate.replaced else (),
            requires_approval=approval,
            rules=("plan.approval.production_write",) if approval else ("plan.auto",),
            bundle=digest(b"bundle"),
            engine="regorus 1",
            assessment=b"{}",
            assessment_hash=digest(b"{}"),
            risk_level=RiskLevel.HIGH,
        )
        return domain.weigh(gate, TASK, told, made, found, TERMS, NOW)

    return decide


def editing(
    who: Editor | None = None,
    made: Plan | Unfit | None = None,
    *,
    seen: Plan = FIRST,
    now: datetime = NOW,
) -> Callable[[Gate], Decision]:
    """A person edits the plan."""
    command = PlanEdit(task=TASK, plan_hash=seen.hash(), reason="other", changes=TO_TWO.changes)
    editor = who or person(BEN, "ben")
    return lambda gate: decide_edit(gate, command, editor, made or after_edit(seen), now)


def voting(
    word: Any = "approve",
    who: UUID = CYD,
    name: str = "cyd",
    *,
    seen: Plan = FIRST,
    editors: tuple[UUID, ...] = (),
    **fields: Any,
) -> Callable[[Gate], Decision]:
    """A person decides; editors as the directory finds them."""
    vote = ApprovalDecide(
        task=TASK,
        plan_hash=seen.hash(),
        assessment_hash=digest(b"{}"),
        decision=word,
        note="because",
        **fields,
    )
    voter = Voter(
        principal=principal("local", name),
        authtype="local",
        actor=who,
        name=name,
        roles=("approver",),
        requester_actor=ANA,
        editors=editors,
    )
    return lambda gate: domain.decide_vote(gate, TASK, vote, voter, seen, TERMS, NOW)


def stale(gate: Gate, **run: Any) -> tuple[TaskPreconditionsStale, RunView]:
    """The granted run finds that something has changed."""
    grant = gate.grant
    assert grant is not None
    one = StalePrecondition(
        place=0,
        tool="get_asset",
        target="web-01",
        arguments={},
        expected=digest(b"1"),
        found=digest(b"2"),
        call=TASK,
    )
    told = TaskPreconditionsStale(
        task=TASK,
        run=grant.run,
        number=grant.number,
        plan_hash=grant.plan_hash,
        grant=grant.grant,
        stale=(one,),
    )
    return told, RunView(**({"ended": "stale"} | run))


def gone(history: Given[Gate], **run: Any) -> Callable[[Gate], Decision]:
    """The gate hears of it."""
    told, view = stale(history.state, **run)
    return lambda gate: gone_stale(gate, told, view, TERMS.max_replans)


def waiting() -> Given[Gate]:
    """The first plan awaits a person."""
    return given(Gate(), evolve).when(arriving(FIRST)).after


def edited_once() -> Given[Gate]:
    """Ben has edited it; the next one is not here yet."""
    return waiting().when(editing()).after


def cancelling(run: RunView | None = None) -> Callable[[Gate], Decision]:
    """A person cancels."""
    command = TaskCancel(task=TASK, reason="enough")
    return lambda gate: domain.cancel(gate, TASK, command, "op", ANA, run or RunView())


# ---- edits -------------------------------------------------------------------------------------


def test_an_accepted_edit_closes_the_plan_for_everybody() -> None:
    outcome = waiting().when(editing()).then(TaskPlanEditAccepted, TaskPlanSuperseded)
    said = outcome.event(TaskPlanEditAccepted)
    assert (said.by.actor, said.edit, said.plan_hash) == (BEN, TO_TWO, FIRST.hash())
    assert outcome.timers_cancelled == ["expiry/1"]
    assert dict(outcome.decision.reads) == {"acme/actor-ben": 1}
    after = outcome.after
    after.when(voting()).then_refused("superseded")
    after.when(voting("reject")).then_refused("superseded")
    after.when(editing(person(CYD, "cyd"))).then_refused("superseded")
    late = NOW + timedelta(hours=2)
    after.when(lambda gate: domain.expire(gate, "expiry/1", late, late)).then_nothing()


def test_the_edited_plan_awaits_a_person_whatever_policy_says_of_it() -> None:
    second = after_edit(FIRST)
    outcome = edited_once().when(arriving(second, before=FIRST, approval=False))
    outcome.then(TaskPlanValidated, TaskApprovalRequired)
    assert "gate.anew" in outcome.event(TaskApprovalRequired).reasons
    assert outcome.event(TaskPlanValidated).requires_approval


def test_who_edited_any_plan_of_the_task_cannot_approve_and_others_can() -> None:
    second = after_edit(FIRST)
    history = edited_once().when(arriving(second, before=FIRST)).after
    assert [by.actor for by in history.state.editors] == [BEN]
    own = voting(who=BEN, name="ben", seen=second, editors=(BEN,))
    history.when(own).then_refused("four_eyes")
    other = history.when(voting(seen=second, editors=(BEN,)))
    assert other.event(TaskApprovalGranted).plan_hash == second.hash()


def test_all_editors_are_remembered() -> None:
    second = after_edit(FIRST)
    history = edited_once().when(arriving(second, before=FIRST)).after
    third = Edit(changes=(ArgumentChange(tool="patch", argument="version", value="3.0"),))
    made = after_edit(second, "cyd", third)
    history = history.when(editing(person(CYD, "cyd"), made, seen=second)).after
    assert [by.actor for by in history.state.editors] == [BEN, CYD]


def test_a_plan_that_is_not_the_accepted_edit_is_refused() -> None:
    other = Edit(changes=(ArgumentChange(tool="patch", argument="version", value="6.6.6"),))
    for made in (
        after_edit(FIRST, edit=other),
        after_edit(FIRST, "somebody"),
        patching("web-01", "web-02", number=2),
        patching("web-09", number=2),
    ):
        outcome = edited_once().when(arriving(made, before=FIRST)).then(TaskPlanRefused)
        [problem] = outcome.event(TaskPlanRefused).problems
        assert problem.rule == "gate.edit"
        assert outcome.after.state.outcome == "refused"


@pytest.mark.parametrize(
    ("who", "code"),
    [
        (person(None, "nobody"), "unmapped"),
        (person(BEN, "ben", denials=("access is switched off",)), "forbidden"),
    ],
)
def test_who_may_not_decide_may_not_edit(who: Editor, code: str) -> None:
    waiting().when(editing(who)).then_refused(code)


def test_an_edit_that_cannot_be_is_refused_naming_the_field() -> None:
    made = Unfit("changes.0.value", "too large")
    waiting().when(editing(made=made)).then_refused("unfit", "changes.0.value")


def test_an_edit_of_what_was_not_seen_is_refused() -> None:
    waiting().when(editing(seen=patching("web-09"))).then_refused("stale", "plan_hash")


def test_nothing_is_edited_before_a_plan_waits_or_after_it_was_decided() -> None:
    given(Gate(), evolve).when(editing()).then_refused("not_found", "task")
    waiting().when(voting()).after.when(editing()).then_refused("decided")
    waiting().when(voting("reject")).after.when(editing()).then_refused("decided")
    waiting().when(cancelling()).after.when(editing()).then_refused("decided")
    halt = RunHalt(task=TASK, reason="smoke")
    halted = waiting().when(lambda gate: domain.halt(gate, halt, "op", ANA, RunView())).after
    halted.when(editing()).then_refused("stopped")
    waiting().when(editing(now=NOW + timedelta(hours=1))).then_refused("expired")


# ---- rejections --------------------------------------------------------------------------------


def test_a_rejection_ends_the_task_unless_another_plan_is_wished_for() -> None:
    ended = waiting().when(voting("reject")).then(TaskApprovalRecorded, TaskApprovalRejected)
    assert ended.after.state.outcome == "rejected"
    again = waiting().when(voting("reject", then="replan", constraints=MENDED))
    rejected = again.event(TaskApprovalRejected)
    assert (rejected.then, rejected.constraints, rejected.note) == ("replan", MENDED, "because")
    assert (again.after.state.outcome, again.after.state.expects) == (None, 2)


def test_the_next_plan_must_keep_to_what_was_wished_for() -> None:
    history = waiting().when(voting("reject", then="replan", constraints=MENDED)).after
    bad = history.when(arriving(patching("web-01", "web-02", number=2))).then(TaskPlanRefused)
    assert bad.event(TaskPlanRefused).problems[0].rule == "gate.constraints"
    good = history.when(arriving(patching("web-01", number=2), approval=False))
    good.then(TaskPlanValidated, TaskApprovalRequired)


def test_wishes_add_up() -> None:
    history = waiting().when(voting("reject", then="replan", constraints=MENDED)).after
    second = patching("web-01", number=2)
    history = history.when(arriving(second)).after
    small = Constraints(max_batch_size=1)
    history = history.when(voting("reject", seen=second, then="replan", constraints=small)).after
    assert history.state.constraints == MENDED.joined(small)


def test_after_so_many_plans_a_rejection_ends_the_task_and_says_why() -> None:
    history = waiting()
    for number in range(1, TERMS.max_replans + 1):
        made = patching("web-01", "web-02", number=number)
        history = history.when(voting("reject", seen=made, then="replan")).after
        history = history.when(arriving(patching("web-01", "web-02", number=number + 1))).after
    last = patching("web-01", "web-02", number=TERMS.max_replans + 1)
    rejected = history.when(voting("reject", seen=last, then="replan")).event(TaskApprovalRejected)
    assert rejected.then == "archive"
    assert "2 times" in rejected.detail


@pytest.mark.parametrize(
    ("wish", "field"),
    [({"then": "replan"}, "then"), ({"constraints": MENDED}, "constraints")],
)
def test_a_yes_wishes_for_nothing(wish: dict[str, Any], field: str) -> None:
    waiting().when(voting("approve", **wish)).then_refused("nothing_to_plan", field)


# ---- plans that nobody asked for -----------------------------------------------------------------


def test_a_plan_that_arrives_unasked_is_refused_and_changes_nothing() -> None:
    for history in (waiting(), waiting().when(voting()).after):
        before = history.state
        outcome = history.when(arriving(patching("web-09", number=2))).then(TaskPlanRefused)
        refused = outcome.event(TaskPlanRefused)
        assert refused.unasked
        assert outcome.timers_cancelled == [], "the one that waits goes on to expire"
        assert outcome.after.state == before
        assert evolve_gate(GateView(), refused) == GateView()


def test_only_the_plan_that_is_being_written_is_taken() -> None:
    far = edited_once().when(arriving(patching("web-01", number=5)))
    assert far.event(TaskPlanRefused).unasked
    assert far.after.state.expects == 2


# ---- what went stale -----------------------------------------------------------------------------


def granted() -> Given[Gate]:
    """The first plan is approved."""
    return waiting().when(voting()).after


def test_a_stale_plan_loses_its_grant_and_the_next_one_is_put_before_a_person() -> None:
    history = granted()
    outcome = history.when(gone(history)).then(TaskPlanSuperseded)
    said = outcome.event(TaskPlanSuperseded)
    assert (said.because, said.then, said.grant) == ("stale", "replan", 1)
    assert "get_asset on web-01" in said.detail
    after = outcome.after
    assert after.state.grant is None
    second = patching("web-01", number=2)
    again = after.when(arriving(second, approval=False))
    again.then(TaskPlanValidated, TaskApprovalRequired)
    grant = again.after.when(voting(seen=second)).event(TaskApprovalGranted)
    assert (grant.number, grant.grant) == (2, 2)


def test_what_ran_by_itself_may_run_by_itself_again() -> None:
    history = given(Gate(), evolve).when(arriving(FIRST, approval=False)).after
    after = history.when(gone(history)).after
    second = after.when(arriving(patching("web-01", number=2), approval=False))
    assert second.event(TaskApprovalGranted).automatic


def test_a_run_that_asked_for_a_step_is_not_believed() -> None:
    history = granted()
    grant = history.state.grant
    assert grant is not None
    asked = ToolCallRequested(
        task=TASK,
        run=grant.run,
        call=TASK,
        purpose=Purpose.DO,
        tool="patch",
        version="1",
        target="web-01",
        question="q",
        attempt=1,
    )
    history.when(gone(history, requests={TASK: asked})).then_nothing()
    history.when(gone(history, ended=None)).then_nothing()


def test_another_runs_word_counts_nothing() -> None:
    history = granted()
    told, view = stale(history.state)
    foreign = told.model_copy(update={"run": TASK})
    history.when(lambda gate: gone_stale(gate, foreign, view, 2)).then_nothing()
    twice = history.when(gone(history)).after
    twice.when(lambda gate: gone_stale(gate, told, view, 2)).then_nothing()


def test_a_plan_that_goes_stale_too_often_ends_the_task() -> None:
    history = granted()
    state = replace(history.state, replans=2)
    told, view = stale(state)
    said = gone_stale(state, told, view, 2).events[0]
    assert isinstance(said, TaskPlanSuperseded)
    assert said.then == "end"
    assert evolve(state, said).outcome == "stale"


def test_a_cancel_that_met_a_stale_run_ends_the_task() -> None:
    history = granted()
    asked = history.when(cancelling()).then(TaskCancelRequested).after
    outcome = asked.when(gone(history))
    assert isinstance(outcome.events[-1], TaskCancelled)
    assert outcome.after.state.outcome == "cancelled"


def test_a_stale_run_can_be_cancelled_before_the_gate_has_heard_of_it() -> None:
    history = granted()
    done = history.when(cancelling(RunView(ended="stale")))
    done.then(TaskCancelRequested, TaskCancelled)
    done.after.when(gone(history)).then_nothing()


# ---- all at once ---------------------------------------------------------------------------------


class GateRaces(RuleBasedStateMachine):
    """Edits, voices, cancels, expiry, planner and runner, in any order.

    Held against it: each plan has one outcome, only what was asked for is granted, and nobody's
    yes to a plan that he edited counts.
    """

    def __init__(self) -> None:
        super().__init__()
        self.history: Given[Gate] = waiting()
        self.plans: dict[int, Plan] = {1: FIRST}
        self.granted: list[TaskApprovalGranted] = []
        self.values = 2

    def decide(self, decide: Callable[[Gate], Decision]) -> Decision:
        outcome = self.history.when(decide)
        self.history = outcome.after
        self.granted += outcome.every(TaskApprovalGranted)
        return outcome.decision

    @property
    def newest(self) -> Plan:
        return self.plans[max(self.plans)]

    def editors(self) -> tuple[UUID, ...]:
        return tuple(by.actor for by in self.history.state.editors)

    @rule(who=st.sampled_from([(ANA, "ana"), (BEN, "ben"), (CYD, "cyd")]))
    def edit(self, who: tuple[UUID, str]) -> None:
        self.values += 1
        change = ArgumentChange(tool="patch", argument="version", value=f"{self.values}.0")
        edit = Edit(changes=(change,))
        made = after_edit(self.newest, who[1], edit)
        command = PlanEdit(
            task=TASK, plan_hash=self.newest.hash(), reason="r", changes=edit.changes
        )
        editor = person(*who)
        before = self.history.state
        decision = self.decide(lambda gate: decide_edit(gate, command, editor, made, NOW))
        if decision.refusal is None:
            assert before.waiting
            self.plans[made.header.number] = made

    @rule(
        who=st.sampled_from([(ANA, "ana"), (BEN, "ben"), (CYD, "cyd")]),
        word=st.sampled_from(["approve", "reject"]),
        number=st.integers(1, 4),
        then=st.sampled_from(["archive", "replan"]),
    )
    def vote(self, who: tuple[UUID, str], word: str, number: int, then: str) -> None:
        seen = self.plans.get(number, FIRST)
        wish = {"then": then} if word == "reject" else {}
        decision = self.decide(voting(word, *who, seen=seen, editors=self.editors(), **wish))
        for event in decision.events:
            if isinstance(event, TaskApprovalRejected) and event.then == "replan":
                self.plans[seen.header.number + 1] = patching(
                    "web-01", "web-02", number=seen.header.number + 1
                )

    @rule(number=st.integers(1, 5), auto=st.booleans())
    def arrive(self, number: int, auto: bool) -> None:  # noqa: FBT001
        made = self.plans.get(number) or patching("web-07", number=number)
        before = self.plans.get(number - 1)
        self.decide(arriving(made, before=before, approval=not auto))

    @rule()
    def cancel(self) -> None:
        self.decide(cancelling())

    @rule(number=st.integers(1, 4))
    def expire(self, number: int) -> None:
        due = NOW + TERMS.approval_ttl
        self.decide(lambda gate: domain.expire(gate, f"expiry/{number}", due, due))

    @precondition(lambda self: self.history.state.grant is not None)
    @rule()
    def go_stale(self) -> None:
        before = self.history.state
        decision = self.decide(gone(self.history))
        if any(isinstance(e, TaskPlanSuperseded) and e.then == "replan" for e in decision.events):
            number = before.number + 1
            self.plans[number] = patching("web-01", "web-02", number=number)

    @invariant()
    def nobody_approves_what_he_edited_or_asked_for(self) -> None:
        edits = {by.actor for by in self.history.state.editors}
        for grant in self.granted:
            voices = {voice.actor for voice in grant.approvals}
            assert ANA not in voices
            assert not voices & edits or grant.number <= _first_edit(self.history)

    @invariant()
    def only_plans_that_were_asked_for_are_granted(self) -> None:
        for grant in self.granted:
            assert grant.plan_hash == self.plans[grant.number].hash()

    @invariant()
    def each_plan_is_granted_once_at_most(self) -> None:
        numbers = [grant.number for grant in self.granted]
        assert len(numbers) == len(set(numbers))

    @invariant()
    def there_is_a_way_on(self) -> None:
        gate = self.history.state
        assert gate.outcome or gate.grant or gate.waiting or gate.expects or gate.cancel


def _first_edit(history: Given[Gate]) -> int:
    edits = [e.number for e in history.history if isinstance(e, TaskPlanEditAccepted)]
    return min(edits, default=10**9)


GateRaces.TestCase.settings = settings(max_examples=150, stateful_step_count=25, deadline=None)
test_whatever_comes_together_each_plan_has_one_end = GateRaces.TestCase
