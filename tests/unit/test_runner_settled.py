"""An escalated run goes on once a person has said what nobody knew, as its state says."""

from __future__ import annotations

from smartops.contracts.events import (
    TaskCancelled,
    TaskCompleted,
    TaskEscalated,
    TaskPaused,
    TaskPhaseCompleted,
    TaskResumed,
    TaskRollbackStarted,
    TaskRolledBack,
    TaskStepSettled,
    TaskStopping,
    ToolCallRequested,
)
from smartops.contracts.folds import CallStatus, evolve_run
from smartops.contracts.folds.run import RunView
from smartops.contracts.plan import Plan
from smartops.contracts.wire import Purpose
from smartops.runner.state import Run
from support.given import Outcome
from support.plans import phase, plan, step
from support.running import Line


def begun(made: Plan) -> Line:
    """A run that has just started."""
    line = Line(made)
    line.start()
    return line


def two() -> Plan:
    """Two changes, one after the other."""
    return plan(phase(step("a"), step("b"), sequential=True))


def settled(line: Line, *, applied: bool, retry: bool = False, which: int = 0) -> Outcome[Run]:
    """A person says what became of a stuck call."""
    stuck = sorted(line.run.stuck, key=str)[which]
    status = CallStatus.APPLIED if applied else CallStatus.NOT_APPLIED
    return line.answer(stuck, status, retryable=retry, settled_by="p-anna", message="looked at it")


def test_what_was_applied_after_all_the_run_goes_on_behind() -> None:
    line = begun(two())
    line.uncertain("a")
    outcome = settled(line, applied=True).then(TaskStepSettled, TaskResumed, ToolCallRequested)
    resumed = outcome.event(TaskResumed)
    assert (resumed.principal, "looked at it" in resumed.reason) == ("p-anna", True)
    assert line.targets() == ["b"]
    line.applied("b").then(TaskStepSettled, TaskPhaseCompleted, TaskCompleted)


def test_what_may_be_attempted_again_is() -> None:
    line = begun(two())
    line.uncertain("a")
    outcome = settled(line, applied=False, retry=True)
    request = outcome.then(TaskStepSettled, TaskResumed, ToolCallRequested).event(ToolCallRequested)
    assert (request.target, request.attempt) == ("a", 2)


def test_what_was_not_applied_and_is_not_to_be_ends_in_a_rollback() -> None:
    line = begun(two())
    line.applied("a")
    line.uncertain("b")
    settled(line, applied=False).then(
        TaskStepSettled, TaskStopping, TaskRollbackStarted, ToolCallRequested
    )
    assert line.targets(Purpose.UNDO) == ["a"]
    line.applied("a").then(TaskStepSettled, TaskRolledBack)


def test_all_that_is_open_is_waited_for() -> None:
    line = begun(plan(phase(step("a"), step("b"), step("c"), parallelism=2)))
    line.uncertain("a")
    line.uncertain("b").then(TaskStepSettled, TaskEscalated)
    settled(line, applied=True).then(TaskStepSettled)
    assert line.run.ended == "escalated"
    settled(line, applied=True).then(TaskStepSettled, TaskResumed, ToolCallRequested)


def test_one_that_is_not_to_be_attempted_again_decides_for_all() -> None:
    line = begun(plan(phase(step("a"), step("b"), step("c"), parallelism=2)))
    line.uncertain("a")
    line.uncertain("b")
    settled(line, applied=False).then(TaskStepSettled)
    outcome = settled(line, applied=True)
    assert outcome.event(TaskRollbackStarted).undo


def test_a_run_that_was_to_pause_pauses_then() -> None:
    line = begun(two())
    line.pause()
    line.uncertain("a").then(TaskStepSettled, TaskEscalated)
    settled(line, applied=True).then(TaskStepSettled, TaskResumed, TaskStopping, TaskPaused)
    line.resume().then(TaskResumed, ToolCallRequested)


def test_a_run_that_was_to_be_taken_back_is() -> None:
    line = begun(plan(phase(step("a"), step("b"), parallelism=2)))
    line.failed("a").then(TaskStepSettled, TaskStopping)
    line.uncertain("b").then(TaskStepSettled, TaskEscalated)
    settled(line, applied=True).then(
        TaskStepSettled, TaskStopping, TaskRollbackStarted, ToolCallRequested
    )
    assert line.targets(Purpose.UNDO) == ["b"]


def test_a_rollback_that_stood_still_goes_on() -> None:
    line = begun(two())
    line.applied("a")
    line.failed("b")
    line.uncertain("a").then(TaskStepSettled, TaskEscalated)
    outcome = settled(line, applied=True)
    outcome.then(TaskStepSettled, TaskResumed, TaskRolledBack)


def test_an_undo_that_was_not_applied_is_attempted_again() -> None:
    line = begun(two())
    line.applied("a")
    line.failed("b")
    line.uncertain("a")
    settled(line, applied=False, retry=True).then(TaskStepSettled, TaskResumed)
    line.tick().then(ToolCallRequested)
    line.applied("a").then(TaskStepSettled, TaskRolledBack)


def test_a_halted_run_stays_where_it_is() -> None:
    line = begun(two())
    line.halt().then(TaskStopping)
    line.uncertain("a").then(TaskStepSettled, TaskEscalated)
    settled(line, applied=True).then(TaskStepSettled)
    assert line.run.ended == "escalated"


def test_a_run_that_was_cancelled_meanwhile_only_takes_note() -> None:
    line = begun(two())
    line.uncertain("a")
    line.cancel(keep=True).then(TaskStopping, TaskCancelled)
    settled(line, applied=True).then(TaskStepSettled)
    assert line.run.ended == "cancelled"


def test_others_see_that_it_goes_on() -> None:
    line = begun(two())
    line.uncertain("a")
    settled(line, applied=True)
    view = RunView()
    for event in line.past.history:
        view = evolve_run(view, event)
    assert view.ended is None, "else the gateway would deny all that follows"
