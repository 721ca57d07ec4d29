"""Steps that fail, or of which nobody knows: what is taken back, and what is left to a person."""

from __future__ import annotations

from smartops.contracts.events import (
    TaskCancelled,
    TaskCompleted,
    TaskEscalated,
    TaskFailed,
    TaskPaused,
    TaskPhaseCompleted,
    TaskResumed,
    TaskRollbackStarted,
    TaskRolledBack,
    TaskStepSettled,
    TaskStopping,
    ToolCallRequested,
)
from smartops.contracts.folds import STOPPING, CallStatus
from smartops.contracts.wire import Purpose
from smartops.runner.rollback import MAX_UNDO_ATTEMPTS
from smartops.runner.steps import MAX_ATTEMPTS
from support.plans import CHECKS, phase, plan, step
from support.rollouts import OPAQUE, READ, begun, give_up, rollout
from support.running import Line

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
    line.failed("web-01").then(TaskStepSettled, TaskStopping, TaskFailed)


def stopped_with(line: Line) -> TaskFailed:
    """How a run ended that has failed; nothing of it is left behind."""
    [failed] = [event for event in line.past.history if isinstance(event, TaskFailed)]
    assert line.run.ended == "failed"
    assert (line.count(TaskRollbackStarted), line.count(TaskRolledBack)) == (0, 0)
    assert line.set_for == {}, "no deadline lies about after the end"
    return failed


def test_a_step_refused_for_good_fails_the_run_for_good_and_people_see_why() -> None:
    line = begun(rollout(1, checks=()))
    [request] = line.waiting()
    line.answer(request.call, CallStatus.FAILED, error_code="bad_version", message="no such thing")
    failed = stopped_with(line)
    assert (failed.error_code, failed.retryable) == ("step_refused", False)
    assert failed.run == line.grant.run
    assert failed.message == f"step {request.question} failed: bad_version: no such thing"


def test_a_step_whose_attempts_are_used_up_fails_the_run_for_now() -> None:
    line = begun(rollout(1, checks=()))
    for _ in range(MAX_ATTEMPTS - 1):
        line.failed("web-01", retryable=True)
        line.tick()
    line.failed("web-01", retryable=True).then(TaskStepSettled, TaskStopping, TaskFailed)
    failed = stopped_with(line)
    assert (failed.error_code, failed.retryable) == ("attempts_used_up", True)


def test_a_deadline_that_passes_before_anything_was_changed_fails_the_run_for_now() -> None:
    made = plan(phase(step("a"), step("b"), sequential=True), on_timeout="roll_back")
    line = begun(made)
    line.tick("deadline/run/0").then(TaskStopping)
    line.denied("a", STOPPING)
    failed = stopped_with(line)
    assert (failed.error_code, failed.retryable) == ("deadline_passed", True)
    assert "took longer than" in failed.message


def test_what_was_refused_for_good_outweighs_what_stopped_the_run_first() -> None:
    made = plan(phase(step("a"), step("b"), parallelism=2), on_timeout="roll_back")
    line = begun(made)
    line.tick("deadline/run/0").then(TaskStopping)
    line.denied("a", STOPPING)
    line.failed("b")
    failed = stopped_with(line)
    assert (failed.error_code, failed.retryable) == ("step_refused", False)
    assert failed.message.startswith("the run took longer than")
    assert "p/patch/b failed: refused" in failed.message


def test_targets_that_are_not_well_before_anything_was_changed_fail_the_run_for_now() -> None:
    line = begun(plan(phase(step("a", READ), checks=CHECKS[:1]), phase(step("b"), name="two")))
    line.applied("a")
    line.samples(healthy=False)
    failed = stopped_with(line)
    assert (failed.error_code, failed.retryable) == ("unhealthy", True)


def test_a_denial_that_outlasts_its_deadline_fails_the_run_for_good() -> None:
    line = begun(plan(phase(step("a")), on_timeout="roll_back"))
    line.denied("a", "tool_changed").then(TaskStepSettled, TaskStopping, TaskPaused)
    line.tick("deadline/run/0").then(TaskStopping, TaskFailed)
    failed = stopped_with(line)
    assert (failed.error_code, failed.retryable) == ("step_refused", False)
    assert "tool_changed" in failed.message


def test_a_change_that_cannot_be_taken_back_makes_no_mere_failure() -> None:
    line = begun(plan(phase(step("a", OPAQUE), step("b"), sequential=True)))
    line.applied("a")
    outcome = line.failed("b")
    outcome.then(TaskStepSettled, TaskStopping, TaskRollbackStarted, TaskEscalated)
    [left] = outcome.event(TaskEscalated).not_undone
    assert line.run.requests[left].target == "a"


def test_a_step_that_a_person_settles_as_not_applied_fails_the_run_for_good() -> None:
    line = begun(plan(phase(step("a", OPAQUE))))
    line.uncertain("a")
    [call] = line.run.stuck
    line.answer(call, CallStatus.NOT_APPLIED, settled_by="ada", error_code="not_applied")
    failed = stopped_with(line)
    assert (failed.error_code, failed.retryable) == ("step_refused", False)


def test_nobody_can_cancel_pause_or_resume_what_has_failed() -> None:
    line = begun(rollout(1, checks=()))
    line.failed("web-01")
    line.pause().then_refused("not_running")
    line.resume().then_refused("not_running")
    line.cancel().then_nothing()


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
    line.failed("b").then(TaskStepSettled, TaskStopping, TaskFailed)


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
