"""What people order a run, in detail; the whole table is in `test_runner_orders.py`."""

from __future__ import annotations

from smartops.contracts.events import (
    TaskCancelled,
    TaskCompleted,
    TaskEscalated,
    TaskPaused,
    TaskPhaseCompleted,
    TaskResumed,
    TaskRollbackStarted,
    TaskStepSettled,
    TaskStopping,
    ToolCallRequested,
)
from smartops.contracts.folds import STOPPING, CallStatus, GateView
from smartops.contracts.wire import Purpose
from smartops.runner.steps import MAX_ATTEMPTS
from support.plans import TASK, phase, plan, step
from support.rollouts import READ, begun, give_up, pass_window, rollout, watched
from support.running import Line


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


def test_a_step_that_was_put_off_does_not_hold_up_a_pause_and_goes_out_after_it() -> None:
    line = begun(rollout(2, parallelism=2, checks=()))
    line.applied("web-01")
    line.pause().then(TaskStopping)
    line.denied("web-02", STOPPING).then(TaskStepSettled, TaskPaused)
    assert line.timers == set(), "whoever resumes waits for no pause"
    again = line.resume().then(TaskResumed, ToolCallRequested).event(ToolCallRequested)
    assert (again.target, again.attempt) == ("web-02", 2)
    line.applied("web-02").then(TaskStepSettled, TaskPhaseCompleted, TaskCompleted)


def test_pauses_use_up_no_attempts() -> None:
    line = begun(rollout(1, checks=()))
    for _ in range(MAX_ATTEMPTS):
        line.pause()
        line.denied("web-01", STOPPING).then(TaskStepSettled, TaskPaused)
        line.resume()
    for _ in range(MAX_ATTEMPTS - 1):
        line.failed("web-01", retryable=True).then(TaskStepSettled)
        line.tick()
    line.applied("web-01")
    assert line.run.ended == "completed"


def test_a_sample_that_was_put_off_does_not_hold_up_a_pause_and_proves_nothing() -> None:
    line = watched()
    line.pause()
    for request in line.waiting(Purpose.OBSERVE):
        outcome = line.answer(request.call, CallStatus.DENIED, error_code=STOPPING)
    outcome.then(TaskStepSettled, TaskPaused)
    line.resume()
    pass_window(line)
    assert line.run.phase == 1


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
        stop(line)
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
