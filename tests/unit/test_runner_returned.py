"""Runs that policy stops: nothing but another grant of the same run lets them go on."""

from __future__ import annotations

import pytest
from smartops.contracts.events import (
    TaskCancelled,
    TaskEscalated,
    TaskFailed,
    TaskPaused,
    TaskPhaseCompleted,
    TaskPhaseStarted,
    TaskResumed,
    TaskRollbackStarted,
    TaskStarted,
    TaskStepSettled,
    TaskStepWithheld,
    TaskStopping,
    ToolCallRequested,
)
from smartops.contracts.folds import BY_POLICY, GateView, evolve_gate
from smartops.contracts.wire import Purpose
from smartops.runner import domain
from support.grants import grant_for, granted_again, sent_back
from support.plans import TASK, phase, plan, step
from support.running import Line


def line_of(*targets: str, width: int = 1) -> Line:
    """A run of one phase, under way."""
    line = Line(plan(phase(*map(step, targets), parallelism=width)))
    line.start()
    return line


def withheld() -> Line:
    """The first step was carried out, policy denied the second; at rest."""
    line = line_of("a", "b", "c")
    line.applied("a")
    line.denied("b", BY_POLICY).then(TaskStepSettled, TaskStepWithheld, TaskStopping, TaskPaused)
    return line


def test_what_policy_denies_is_noted_with_the_grant_that_it_met() -> None:
    [noted] = withheld().run.withheld
    assert (noted.step.rpartition("/")[2], noted.grant) == ("b", 1)


@pytest.mark.parametrize("code", ["expired", "revoked", "tool_changed", "outside_envelope"])
def test_the_gateways_own_denials_pause_a_run_that_a_person_may_resume(code: str) -> None:
    line = line_of("a", "b")
    line.denied("a", code).then(TaskStepSettled, TaskStopping, TaskPaused)
    line.resume().then(TaskResumed, ToolCallRequested)


def test_a_person_cannot_resume_it_past_the_gate_and_is_told_what_is_awaited() -> None:
    line = withheld()
    refused = line.resume().then_refused("returned").decision.refusal
    assert refused is not None
    assert "being weighed" in refused.message
    line.returned().then_nothing()
    refused = line.resume().then_refused("returned").decision.refusal
    assert refused is not None


def test_another_grant_lets_it_go_on_and_does_nothing_twice() -> None:
    line = withheld()
    line.returned()
    went = line.granted_again().then(TaskResumed, ToolCallRequested)
    assert "by ben" in went.event(TaskResumed).reason
    asked = went.event(ToolCallRequested)
    assert (asked.target, asked.attempt) == ("b", 2)
    line.applied("b")
    line.applied("c")
    assert line.run.ended == "completed"
    assert line.count(TaskStarted) == 1
    assert line.count(TaskPhaseStarted) == line.count(TaskPhaseCompleted) == 1


def test_denied_again_it_goes_back_again_and_waits_for_a_grant_of_its_own() -> None:
    line = withheld()
    for attempt in range(2, 6):
        line.returned()
        asked = line.granted_again().event(ToolCallRequested)
        assert (asked.target, asked.attempt) == ("b", attempt)
        line.denied("b", BY_POLICY).then(
            TaskStepSettled, TaskStepWithheld, TaskStopping, TaskPaused
        )
        gate = line.gate
        line._fact(lambda run, gate=gate: domain.go_on(run, line.plan, gate, line.now))
        assert line.run.paused is not None, "the grant that it was denied under let it go on"
    assert [one.grant for one in line.run.withheld] == [5]


def test_it_comes_to_rest_before_it_goes_back_and_all_that_was_denied_is_told() -> None:
    line = line_of("a", "b", "c", width=3)
    line.denied("a", BY_POLICY).then(TaskStepSettled, TaskStepWithheld, TaskStopping)
    line.denied("b", BY_POLICY).then(TaskStepSettled, TaskStepWithheld)
    line.applied("c").then(TaskStepSettled, TaskPaused)
    assert len(line.run.withheld) == 2


def test_while_people_decide_no_time_of_the_run_passes() -> None:
    line = withheld()
    assert not line.set_for, "a deadline would take back what people are asked about"
    line.returned()
    line.granted_again()
    assert any(name.startswith("deadline/run/") for name in line.set_for)


def test_without_another_grant_it_is_left_to_a_person_with_what_it_changed() -> None:
    line = withheld()
    escalated = line.returned(asked=False).then(TaskStopping, TaskEscalated).event(TaskEscalated)
    assert len(escalated.not_undone) == 1
    line.cancel().then(TaskStopping, TaskRollbackStarted, ToolCallRequested)
    assert line.targets(Purpose.UNDO) == ["a"]
    line.applied("a").then(TaskStepSettled, TaskCancelled)


def test_without_another_grant_and_with_nothing_changed_it_has_failed() -> None:
    line = line_of("a", "b")
    line.denied("a", BY_POLICY)
    failed = line.returned(asked=False).then(TaskStopping, TaskFailed).event(TaskFailed)
    assert (failed.error_code, failed.retryable) == ("step_refused", False)


def test_a_graver_stop_before_it_rests_is_what_happens() -> None:
    line = line_of("a", "b", width=2)
    line.denied("a", BY_POLICY)
    line.cancel().then(TaskStopping)
    line.applied("b").then(TaskStepSettled, TaskRollbackStarted, ToolCallRequested)
    line.gate = evolve_gate(line.gate, granted_again(line.grant))
    line._fact(lambda run: domain.go_on(run, line.plan, line.gate, line.now)).then_nothing()


def test_a_grant_of_another_run_or_plan_lets_nothing_go_on() -> None:
    line = withheld()
    again = granted_again(line.grant)
    for other in ({"run": TASK}, {"plan_hash": grant_for(plan()).plan_hash}, {"approvals": ()}):
        gate = GateView(grant=again.model_copy(update=other))
        line._fact(lambda run, gate=gate: domain.go_on(run, line.plan, gate, line.now))
        assert line.run.paused is not None


def test_what_the_gateway_knows_of_the_gate_follows_a_return() -> None:
    line = withheld()
    assert not line.gate.stopped
    for event in sent_back(line.plan, line.grant, line.run.withheld, applied=len(line.run.applied)):
        line.gate = evolve_gate(line.gate, event)
    assert line.gate.stopped, "something might go out while people are asked"
    line.gate = evolve_gate(line.gate, granted_again(line.grant))
    assert not line.gate.stopped
