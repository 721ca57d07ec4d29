"""A run going forward: which step goes out next, and what a repeat or a stray changes."""

from __future__ import annotations

import pytest
from smartops.contracts.events import (
    TaskCompleted,
    TaskPhaseCompleted,
    TaskPhaseStarted,
    TaskStarted,
    TaskStepSettled,
    ToolCallRequested,
)
from smartops.contracts.folds import CallStatus, CallView
from smartops.contracts.ids import call_id
from smartops.contracts.wire import Purpose
from smartops.runner import domain
from smartops.runner.state import Run, evolve
from support.given import given
from support.plans import CHECKS, TASK, phase, plan, step
from support.rollouts import OPAQUE, READ, begun, pass_window, rollout, watched
from support.running import Line

# --- Going forward ------------------------------------------------------------------------------


def test_a_grant_starts_the_run_and_the_first_step_goes_out() -> None:
    line = Line(rollout(1, 2))
    outcome = line.start().then(TaskStarted, TaskPhaseStarted, ToolCallRequested)
    started = outcome.event(TaskStarted)
    assert started.phases == ("canary", "wave-1")
    assert started.claims == ("web-01", "web-02", "web-03")
    request = outcome.event(ToolCallRequested)
    [first, *_] = line.plan.steps
    assert (request.step, request.question, request.attempt) == (first.hash(), first.id, 1)
    assert request.arguments is None, "a write takes its arguments from the approved plan"
    assert request.call == call_id(f"acme/run-{line.grant.run}", first.id, Purpose.DO, 1)


def test_a_run_owns_what_it_changes_and_nothing_that_it_only_reads() -> None:
    made = plan(phase(step("web-01"), step("web-02", READ), step("web-03", OPAQUE)))
    assert domain.claims_of(made) == ("web-01", "web-03")


def test_sequential_steps_go_out_one_after_the_other() -> None:
    steps = [step(f"web-0{n}") for n in (1, 2, 3)]
    line = begun(plan(phase(*steps, sequential=True, parallelism=3)))
    for target in ("web-01", "web-02", "web-03"):
        assert line.targets() == [target]
        outcome = line.applied(target)
    outcome.then(TaskStepSettled, TaskPhaseCompleted, TaskCompleted)


def test_parallel_steps_go_out_as_wide_as_approved_and_no_wider() -> None:
    line = begun(rollout(5, parallelism=2, checks=()))
    assert line.targets() == ["web-01", "web-02"]
    line.applied("web-02")
    assert line.targets() == ["web-01", "web-03"]
    for target in ("web-01", "web-03", "web-04"):
        line.applied(target)
        assert len(line.targets()) <= 2
    line.applied("web-05").then(TaskStepSettled, TaskPhaseCompleted, TaskCompleted)


def test_a_phase_begins_only_when_the_one_before_is_applied_and_healthy() -> None:
    line = watched()
    assert (line.count(TaskPhaseStarted), line.targets()) == (1, [])
    pass_window(line)
    assert line.targets() == ["web-02", "web-03"]
    line.applied("web-02")
    line.applied("web-03")
    pass_window(line)
    assert line.run.ended == "completed"
    [done] = [event for event in line.past.history if isinstance(event, TaskCompleted)]
    assert (done.changed, done.calls) == (3, len(line.run.requests))


def test_reads_are_counted_as_calls_not_as_changes() -> None:
    line = begun(plan(phase(step("web-01", READ), parallelism=1)))
    outcome = line.applied("web-01")
    assert outcome.event(TaskPhaseCompleted).changed == 0
    assert outcome.event(TaskCompleted).changed == 0


def test_a_phase_waits_before_it_is_watched() -> None:
    line = begun(plan(phase(step("web-01"), checks=CHECKS, wait_ms=30_000)))
    outcome = line.applied("web-01").then(TaskStepSettled)
    [timer] = outcome.timers_set
    assert timer.due.total_seconds() == 30  # type: ignore[union-attr]
    line.tick().then(ToolCallRequested, ToolCallRequested)


# --- Repeats and strays -------------------------------------------------------------------------


def test_the_outcome_of_a_call_that_is_not_ours_changes_nothing() -> None:
    line = begun(rollout(1))
    line.answer(TASK, CallStatus.SUCCEEDED).then_nothing()
    stray = CallView(call=None, status=CallStatus.SUCCEEDED)
    line.past.when(lambda run: domain.note_outcome(run, line.plan, stray, line.now)).then_nothing()


@pytest.mark.parametrize("status", [None, CallStatus.DISPATCHED])
def test_a_call_that_is_only_under_way_changes_nothing(status: CallStatus | None) -> None:
    line = begun(rollout(1))
    [request] = line.waiting()
    line.past.when(
        lambda run: domain.note_outcome(
            run, line.plan, CallView(call=request.call, status=status), line.now
        )
    ).then_nothing()


def test_a_timer_that_is_not_the_current_one_changes_nothing() -> None:
    line = watched()
    line.samples()
    [current] = line.timers
    for stale in ("sample/0/0", "sample/1/0", "sample/0/99", "claim/1", ""):
        decided = line.tick(stale).then_nothing().decision
        assert not decided.timers, "nor does it move the current one"
    line.tick(current).then(ToolCallRequested, ToolCallRequested)
    line.tick(current).then_nothing()


def test_a_timer_after_the_end_changes_nothing() -> None:
    line = watched(rollout(1))
    line.samples()
    [timer] = line.timers
    line.cancel()
    line.tick(timer).then_nothing()
    line.applied("web-01")
    line.tick(timer).then_nothing()


def test_what_the_gate_says_to_a_run_that_has_ended_changes_nothing() -> None:
    line = begun(rollout(1, checks=()))
    line.applied("web-01")
    for say in (Line.cancel, Line.revoke, Line.halt):
        say(line).then_nothing()


def test_undo_questions_of_long_step_ids_stay_apart() -> None:
    tail = "x" * 96
    names = [f"{'p' * 90}{n}" for n in (1, 2)]
    steps = [
        step(tail, phase=name).model_copy(update={"id": f"{'q' * 195}{i}"})
        for i, name in enumerate(names)
    ]
    line = begun(plan(phase(*steps, sequential=True, name="p")))
    line.applied(tail)
    line.cancel()
    line.applied(tail)
    questions = []
    while line.run.ended is None:
        [undo] = line.waiting(Purpose.UNDO)
        questions.append(undo.question)
        line.applied(tail)
    assert len(set(questions)) == 2


def test_the_run_state_is_the_same_whether_folded_from_memory_or_from_the_log() -> None:
    line = watched()
    pass_window(line)
    line.applied("web-02")
    line.pause()
    line.applied("web-03")
    line.resume()
    assert given(Run(), evolve, *line.past.history).state == line.run
