"""The run decided: which step next, is it healthy, must it be taken back?"""

from __future__ import annotations

import pytest
from smartops.contracts.events import (
    TaskCancelled,
    TaskCompleted,
    TaskEscalated,
    TaskHealthChecked,
    TaskPaused,
    TaskPhaseCompleted,
    TaskPhaseStarted,
    TaskResumed,
    TaskRollbackStarted,
    TaskRolledBack,
    TaskStarted,
    TaskStepSettled,
    TaskStopping,
    ToolCallRequested,
)
from smartops.contracts.folds import CallStatus, CallView, GateView
from smartops.contracts.ids import call_id
from smartops.contracts.plan import Plan
from smartops.contracts.wire import INCONCLUSIVE_LIMIT, Category, Check, Idempotence, Purpose
from smartops.runner import domain
from smartops.runner.rollback import MAX_UNDO_ATTEMPTS
from smartops.runner.state import Run, evolve
from smartops.runner.steps import MAX_ATTEMPTS
from support.given import given
from support.plans import CHECKS, TASK, phase, plan, step, tool
from support.running import Line

READ = tool("look", category=Category.READ)
OPAQUE = tool("restart", category=Category.IRREVERSIBLE, idempotence=Idempotence.OPAQUE)


def rollout(
    *sizes: int,
    parallelism: int = 4,
    checks: tuple[Check, ...] = CHECKS,
    rollback_if: str | None = None,
) -> Plan:
    """Watched phases of so many patches each."""
    phases = []
    count = 0
    for number, size in enumerate(sizes):
        targets = [f"web-{n:02}" for n in range(count + 1, count + size + 1)]
        count += size
        name = "canary" if number == 0 else f"wave-{number}"
        members = [step(target, phase=name) for target in targets]
        phases.append(
            phase(
                *members,
                name=name,
                parallelism=parallelism,
                checks=checks,
                rollback_if=rollback_if,
            )
        )
    return plan(*phases)


def begun(made: Plan) -> Line:
    """A run that has just started."""
    line = Line(made)
    line.start()
    return line


def watched(made: Plan | None = None) -> Line:
    """A run whose canary is applied and being watched."""
    line = begun(made or rollout(1, 2))
    line.applied("web-01")
    return line


def pass_window(line: Line) -> None:
    """All samples of the phase under way come back healthy."""
    here = line.run.phase
    while True:
        line.samples()
        if line.run.phase != here or not line.run.alive:
            return
        line.tick()


def give_up(line: Line, target: str) -> None:
    """Taking back a target fails until nobody tries any more."""
    for attempt in range(1, MAX_UNDO_ATTEMPTS + 1):
        line.failed(target)
        if attempt < MAX_UNDO_ATTEMPTS:
            line.tick()


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


# --- Health -------------------------------------------------------------------------------------


def test_each_check_is_sampled_over_its_whole_window() -> None:
    line = watched()
    for round_number in (1, 2, 3):
        assert len(line.waiting(Purpose.OBSERVE)) == 2
        outcome = line.samples()
        if round_number < 3:
            assert outcome.timers_set
            line.tick()
    assert line.count(TaskHealthChecked) == 3, "two checks, and rollback_if"
    assert line.run.phase == 1


def test_samples_ask_for_all_targets_of_the_phase_at_once() -> None:
    line = begun(plan(phase(step("a"), step("b"), parallelism=2, checks=CHECKS)))
    line.applied("a")
    line.applied("b")
    probe, rate = line.waiting(Purpose.OBSERVE)
    assert probe.arguments == {"targets": ["a", "b"], "path": "/health"}
    assert rate.arguments == {"targets": ["a", "b"]}
    assert (probe.phase, probe.step) == (0, None)


@pytest.mark.parametrize("sick", ["healthy", "rates"])
def test_an_unhealthy_phase_is_rolled_back_and_never_completed(sick: str) -> None:
    line = watched()
    line.samples(**{sick: False})
    assert line.targets(Purpose.UNDO) == ["web-01"]
    outcome = line.applied("web-01").then(TaskStepSettled, TaskRolledBack)
    assert outcome.event(TaskRolledBack).undone == 1
    assert line.count(TaskPhaseStarted) == 1, "no later phase runs after a rollback"
    assert line.count(TaskCompleted) == 0


def test_a_sample_still_in_flight_is_awaited_before_anything_is_taken_back() -> None:
    line = watched()
    probe, rate = line.waiting(Purpose.OBSERVE)
    line.sampled(probe, shows=False).then(TaskStepSettled, TaskHealthChecked, TaskStopping)
    outcome = line.sampled(rate, shows=True)
    outcome.then(TaskStepSettled, TaskRollbackStarted, ToolCallRequested)


def test_failed_samples_are_forgiven_up_to_the_limit() -> None:
    lenient = CHECKS[0].model_copy(update={"failure_limit": 1})
    line = watched(rollout(1, 1, checks=(lenient,), rollback_if=""))
    line.samples(healthy=False)
    line.tick()
    line.samples(healthy=True)
    line.tick()
    outcome = line.samples(healthy=True)
    assert outcome.event(TaskHealthChecked).outcome == "healthy"
    strict = watched(rollout(1, 1, checks=(lenient,), rollback_if=""))
    strict.samples(healthy=False)
    strict.tick()
    assert strict.samples(healthy=False).event(TaskHealthChecked).outcome == "unhealthy"


def test_a_phase_that_cannot_be_observed_pauses_and_is_neither_completed_nor_taken_back() -> None:
    line = watched()
    for _ in range(INCONCLUSIVE_LIMIT):
        line.samples(healthy=None)
        line.tick()
    line.samples(healthy=None)
    assert line.run.paused is not None
    assert "cannot be observed" in line.run.paused
    assert (line.count(TaskRollbackStarted), line.count(TaskPhaseCompleted)) == (0, 0)
    line.resume()
    pass_window(line)
    assert line.run.phase == 1


def test_one_sample_that_shows_nothing_is_no_verdict() -> None:
    line = watched(rollout(1, 1, checks=(CHECKS[0],), rollback_if=""))
    line.samples(healthy=None)
    line.tick()
    line.samples(healthy=True)
    line.tick()
    outcome = line.samples(healthy=True)
    assert outcome.event(TaskHealthChecked).outcome == "healthy"


@pytest.mark.parametrize("status", [CallStatus.FAILED, CallStatus.DENIED])
def test_a_sample_that_did_not_go_out_shows_nothing(status: CallStatus) -> None:
    line = watched(rollout(1, checks=(CHECKS[0],), rollback_if=""))
    [sample] = line.waiting(Purpose.OBSERVE)
    outcome = line.answer(sample.call, status, error_code="no_answer")
    settled = outcome.then(TaskStepSettled).event(TaskStepSettled)
    assert settled.healthy is None
    assert outcome.timers_set


# --- Failing ------------------------------------------------------------------------------------


def test_a_step_that_was_not_applied_is_tried_again_and_then_the_run_is_rolled_back() -> None:
    line = begun(plan(phase(step("a"), step("b"), sequential=True)))
    line.applied("a")
    calls = set()
    for attempt in range(1, MAX_ATTEMPTS):
        calls.add(line.waiting()[0].call)
        line.failed("b", retryable=True).then(TaskStepSettled)
        outcome = line.tick().then(ToolCallRequested)
        assert outcome.event(ToolCallRequested).attempt == attempt + 1
    outcome = line.failed("b", retryable=True)
    outcome.then(TaskStepSettled, TaskStopping, TaskRollbackStarted, ToolCallRequested)
    assert len(calls) == MAX_ATTEMPTS - 1
    assert line.targets(Purpose.UNDO) == ["a"]
    line.applied("a").then(TaskStepSettled, TaskRolledBack)


def test_a_step_that_can_never_be_applied_is_not_tried_again() -> None:
    line = begun(rollout(1, checks=()))
    line.failed("web-01").then(TaskStepSettled, TaskStopping, TaskRollbackStarted, TaskRolledBack)


def test_the_last_change_is_taken_back_first() -> None:
    line = begun(plan(phase(*(step(name) for name in "abcd"), sequential=True)))
    for target in "abc":
        line.applied(target)
    line.failed("d")
    for target in "cba":
        assert line.targets(Purpose.UNDO) == [target]
        outcome = line.applied(target)
    assert outcome.event(TaskRolledBack).undone == 3


def test_calls_in_flight_are_awaited_and_then_taken_back_too() -> None:
    line = begun(rollout(3, parallelism=3, checks=()))
    line.applied("web-02")
    line.failed("web-01").then(TaskStepSettled, TaskStopping)
    assert line.targets() == ["web-03"]
    line.applied("web-03")
    assert line.targets(Purpose.UNDO) == ["web-03"]
    line.applied("web-03")
    line.applied("web-02").then(TaskStepSettled, TaskRolledBack)


def test_nothing_new_goes_out_while_the_run_stops() -> None:
    line = begun(rollout(5, parallelism=2, checks=()))
    line.failed("web-01")
    assert line.targets() == ["web-02"]
    outcome = line.applied("web-02")
    assert outcome.event(TaskRollbackStarted).undo


def test_a_denied_step_pauses_the_run_and_resume_asks_for_it_again() -> None:
    line = begun(rollout(1, checks=()))
    line.denied("web-01").then(TaskStepSettled, TaskStopping, TaskPaused)
    assert line.waiting() == []
    outcome = line.resume().then(TaskResumed, ToolCallRequested)
    assert outcome.event(ToolCallRequested).attempt == 2
    line.applied("web-01").then(TaskStepSettled, TaskPhaseCompleted, TaskCompleted)


def test_what_cannot_be_taken_back_is_left_to_a_person_and_never_called_rolled_back() -> None:
    line = begun(plan(phase(step("a"), step("b", OPAQUE), step("c"), sequential=True)))
    line.applied("a")
    line.applied("b")
    line.failed("c")
    outcome = line.applied("a").then(TaskStepSettled, TaskEscalated)
    escalated = outcome.event(TaskEscalated)
    [restarted] = [call for call, r in line.run.requests.items() if r.target == "b"]
    assert escalated.not_undone == (restarted,)
    assert line.count(TaskRolledBack) == 0
    line.cancel()
    [ended] = [event for event in line.past.history if isinstance(event, TaskCancelled)]
    assert (ended.undone, ended.kept) == (1, 1)


def test_reads_need_no_taking_back() -> None:
    line = begun(plan(phase(step("a", READ), step("b"), sequential=True)))
    line.applied("a")
    line.failed("b")
    assert line.run.ended == "rolled_back"


def test_an_undo_that_keeps_failing_is_left_to_a_person_with_what_is_not_undone() -> None:
    line = begun(plan(phase(*(step(name) for name in "abc"), sequential=True)))
    line.applied("a")
    line.applied("b")
    line.failed("c")
    for _ in range(MAX_UNDO_ATTEMPTS - 1):
        line.failed("b").then(TaskStepSettled)
        line.tick().then(ToolCallRequested)
    escalated = line.failed("b").then(TaskStepSettled, TaskEscalated).event(TaskEscalated)
    calls = {line.run.requests[call].target: call for call in line.run.applied}
    assert escalated.not_undone == (calls["b"], calls["a"])
    assert "Take the listed changes back by hand" in escalated.what_to_do


def test_cancelling_an_escalated_run_tries_the_rest_again_and_only_the_rest() -> None:
    line = begun(plan(phase(*(step(name) for name in "abc"), sequential=True)))
    for target in "ab":
        line.applied(target)
    line.failed("c")
    line.applied("b")
    give_up(line, "a")
    assert line.run.ended == "escalated"
    for _ in range(2):
        line.cancel()
        assert line.targets(Purpose.UNDO) == ["a"], "b is back already"
        give_up(line, "a")
        assert line.run.ended == "escalated"
    line.cancel()
    outcome = line.applied("a")
    cancelled = outcome.event(TaskCancelled)
    assert (cancelled.undone, cancelled.kept) == (2, 0)


# --- Not knowing --------------------------------------------------------------------------------


def test_an_answer_that_may_still_come_is_waited_for() -> None:
    line = begun(rollout(1, checks=()))
    line.uncertain("web-01", "retry").then_nothing()
    line.applied("web-01").then(TaskStepSettled, TaskPhaseCompleted, TaskCompleted)


def test_what_nobody_knows_goes_to_a_person_and_is_never_sent_again() -> None:
    line = begun(plan(phase(step("a", OPAQUE), step("b"), sequential=True)))
    outcome = line.uncertain("a").then(TaskStepSettled, TaskStopping, TaskEscalated)
    escalated = outcome.event(TaskEscalated)
    assert len(escalated.open_calls) == 1
    assert line.count(ToolCallRequested) == 1
    assert "unknown whether" in escalated.what_to_do


def test_others_in_flight_are_awaited_before_the_run_is_escalated() -> None:
    line = begun(plan(phase(step("a", OPAQUE), step("b"), parallelism=2)))
    line.uncertain("a").then(TaskStepSettled, TaskStopping)
    outcome = line.applied("b").then(TaskStepSettled, TaskEscalated)
    assert len(outcome.event(TaskEscalated).not_undone) == 1


def test_a_late_answer_still_settles_what_was_unknown_and_the_run_goes_on() -> None:
    line = begun(plan(phase(step("a"), step("b"), sequential=True)))
    line.uncertain("a")
    assert line.run.ended == "escalated"
    [stuck] = line.run.stuck
    outcome = line.answer(stuck, CallStatus.SUCCEEDED)
    outcome.then(TaskStepSettled, TaskResumed, ToolCallRequested)
    assert (line.run.stuck, line.run.applied) == (frozenset(), (stuck,))
    assert line.targets() == ["b"]


def test_an_undo_that_nobody_knows_of_is_never_sent_again_even_when_cancelling() -> None:
    line = begun(plan(phase(step("a"), step("b"), sequential=True)))
    line.applied("a")
    line.cancel()
    line.applied("b")
    line.applied("b")
    outcome = line.uncertain("a").then(TaskStepSettled, TaskEscalated)
    assert len(outcome.event(TaskEscalated).open_calls) == 1
    undos = [r for r in line.run.requests.values() if r.purpose is Purpose.UNDO]
    assert [request.target for request in undos] == ["b", "a"]
    line.cancel().then(TaskStopping, TaskRollbackStarted, TaskEscalated)
    line.cancel(keep=True).then(TaskStopping, TaskCancelled)


# --- People -------------------------------------------------------------------------------------


def test_a_pause_is_confirmed_once_nothing_is_in_flight() -> None:
    line = begun(rollout(3, parallelism=2, checks=()))
    line.pause().then(TaskStopping)
    line.pause().then_nothing()
    line.resume().then_refused("stopping")
    line.applied("web-01").then(TaskStepSettled)
    line.applied("web-02").then(TaskStepSettled, TaskPaused)
    line.pause().then_nothing()
    line.resume().then(TaskResumed, ToolCallRequested)
    line.resume().then_refused("not_paused")
    assert line.targets() == ["web-03"]


def test_what_is_paused_while_watched_is_watched_anew() -> None:
    line = watched()
    line.samples()
    [timer] = line.timers
    outcome = line.pause().then(TaskStopping, TaskPaused)
    assert outcome.timers_cancelled == [timer]
    line.tick(timer).then_nothing()
    line.resume().then(TaskResumed, ToolCallRequested, ToolCallRequested)
    pass_window(line)
    assert line.run.phase == 1


def test_a_run_that_is_not_under_way_is_neither_paused_nor_resumed() -> None:
    fresh = Line(rollout(1))
    fresh.pause().then_refused("not_running")
    fresh.resume().then_refused("not_running")
    done = begun(rollout(1, checks=()))
    done.applied("web-01")
    done.pause().then_refused("not_running")


def test_a_rollback_is_not_paused() -> None:
    line = watched()
    line.samples(healthy=False)
    line.pause().then_refused("rolling_back")


def test_cancel_takes_back_what_can_be_taken_back() -> None:
    line = begun(rollout(3, parallelism=2, checks=()))
    line.applied("web-01")
    line.cancel().then(TaskStopping)
    line.applied("web-02")
    line.applied("web-03")
    for target in ("web-03", "web-02", "web-01"):
        assert line.targets(Purpose.UNDO) == [target]
        outcome = line.applied(target)
    cancelled = outcome.event(TaskCancelled)
    assert (cancelled.undone, cancelled.kept) == (3, 0)


def test_cancel_keeping_changes_takes_nothing_back() -> None:
    line = begun(rollout(2, parallelism=1, checks=()))
    line.applied("web-01")
    line.cancel(keep=True).then(TaskStopping)
    outcome = line.applied("web-02").then(TaskStepSettled, TaskCancelled)
    cancelled = outcome.event(TaskCancelled)
    assert (cancelled.undone, cancelled.kept) == (0, 2)


def test_reads_are_nothing_that_a_cancelled_task_keeps() -> None:
    line = begun(plan(phase(step("a", READ), step("b", READ), sequential=True)))
    line.applied("a")
    line.cancel(keep=True)
    assert line.applied("b").event(TaskCancelled).kept == 0


def test_cancel_ends_a_paused_run() -> None:
    line = begun(rollout(1, 1, checks=()))
    line.pause()
    line.applied("web-01")
    assert line.run.paused
    line.cancel().then(TaskStopping, TaskRollbackStarted, ToolCallRequested)


def test_cancel_before_the_start_ends_the_run_before_it_begins() -> None:
    line = Line(rollout(1))
    line.cancel().then(TaskCancelled)
    line.start().then_nothing()
    late = Line(rollout(1))
    late.gate = GateView(grant=late.grant, cancel=line.gate.cancel)
    late.start().then(TaskCancelled)


def test_a_run_that_was_stopped_before_its_start_does_not_begin() -> None:
    for stop in (Line.revoke, Line.halt):
        line = Line(rollout(1))
        stop(line).then_nothing()
        line.start().then_nothing()
        line.cancel(keep=True).then(TaskCancelled)


def test_a_grant_that_is_not_the_gates_starts_nothing() -> None:
    line = Line(rollout(1))
    line.gate = GateView()
    line.start().then_nothing()
    line.gate = GateView(grant=line.grant.model_copy(update={"run": TASK}))
    line.start().then_nothing()


def test_revoke_pauses_the_run_and_resume_is_refused() -> None:
    line = begun(rollout(2, parallelism=1, checks=()))
    line.revoke().then(TaskStopping)
    line.applied("web-01").then(TaskStepSettled, TaskPaused)
    line.resume().then_refused("no_grant")
    line.cancel()
    line.applied("web-01").then(TaskStepSettled, TaskCancelled)


def test_revoke_changes_nothing_for_a_run_that_is_paused_or_taken_back() -> None:
    paused = begun(rollout(1, 1, checks=()))
    paused.pause()
    paused.applied("web-01")
    paused.revoke().then_nothing()
    back = watched()
    back.samples(healthy=False)
    back.revoke().then_nothing()


def test_halt_leaves_everything_to_a_person() -> None:
    line = begun(rollout(3, parallelism=2, checks=()))
    line.applied("web-01")
    line.halt().then(TaskStopping)
    line.applied("web-02").then(TaskStepSettled)
    outcome = line.applied("web-03").then(TaskStepSettled, TaskEscalated)
    assert len(outcome.event(TaskEscalated).not_undone) == 3
    line.resume().then_refused("not_running")


def test_halt_stops_a_rollback_and_a_cancel_and_a_pause() -> None:
    back = watched()
    back.samples(healthy=False)
    back.halt().then(TaskStopping)
    back.applied("web-01").then(TaskStepSettled, TaskEscalated)
    cancelled = begun(rollout(2, parallelism=1, checks=()))
    cancelled.cancel()
    cancelled.halt().then(TaskStopping)
    cancelled.applied("web-01").then(TaskStepSettled, TaskEscalated)
    paused = begun(rollout(1, 1, checks=()))
    paused.pause()
    paused.applied("web-01")
    paused.halt().then(TaskStopping, TaskEscalated)


def test_a_halted_run_takes_nothing_back_and_ends_when_cancelled_keeping_its_changes() -> None:
    line = watched()
    line.cancel()
    for request in line.waiting(Purpose.OBSERVE):
        line.sampled(request, shows=True)
    give_up(line, "web-01")
    assert line.run.ended == "escalated"
    line.halt().then_nothing()
    line.cancel(keep=True).then(TaskStopping, TaskCancelled)


def test_a_graver_stop_replaces_a_lighter_one_and_not_the_other_way_round() -> None:
    line = begun(rollout(2, parallelism=1, checks=()))
    line.pause().then(TaskStopping)
    line.revoke().then_nothing()
    line.cancel().then(TaskStopping)
    line.applied("web-01")
    assert line.run.rollback is not None
    graver = begun(rollout(2, parallelism=1, checks=()))
    graver.halt()
    graver.pause().then_nothing()
    graver.applied("web-01")
    assert graver.run.ended == "escalated"


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
