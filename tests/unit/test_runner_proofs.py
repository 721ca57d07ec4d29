"""Taken back is what is as it was before: the target is read again, and compared."""

from __future__ import annotations

import pytest
from pydantic import JsonValue
from smartops.contracts.events import (
    BeforeState,
    TaskCancelled,
    TaskEscalated,
    TaskRolledBack,
    TaskStepSettled,
    ToolCallRequested,
)
from smartops.contracts.folds import CallStatus
from smartops.contracts.wire import Category, Purpose
from smartops.runner.proofs import before_state
from smartops.runner.rollback import MAX_UNDO_ATTEMPTS
from support.plans import phase, plan, step, tool
from support.running import Line

LOOK = tool("look", category=Category.READ)
BEFORE: JsonValue = {"version": "old", "healthy": True}


def proof(target: str) -> BeforeState:
    found = before_state(step(target), LOOK, BEFORE)
    assert found is not None
    return found


def failing(*targets: str, proved: bool = True) -> Line:
    """Steps that were applied, the last of which failed for good: the first undo is in flight."""
    line = Line(plan(phase(*(step(name) for name in targets), sequential=True)))
    line.start()
    for target in targets[:-1]:
        line.applied(target, before=proof(target) if proved else None)
    line.failed(targets[-1])
    return line


def read_again(line: Line, output: JsonValue) -> None:
    [request] = line.waiting(Purpose.OBSERVE)
    line.answer(request.call, CallStatus.SUCCEEDED, output=output)


def test_only_what_the_undo_puts_back_is_held_to_the_state_before() -> None:
    assert proof("a").fields == ("version",)
    assert before_state(step("a", undo=False), LOOK, BEFORE) is None
    assert before_state(step("a"), None, BEFORE) is None
    assert before_state(step("a"), LOOK, {"healthy": True}) is None


def test_after_each_undo_the_target_is_read_again_before_the_next() -> None:
    line = failing("a", "b", "c")
    for target in ("b", "a"):
        assert line.targets(Purpose.UNDO) == [target]
        outcome = line.applied(target).then(TaskStepSettled, ToolCallRequested)
        request = outcome.event(ToolCallRequested)
        assert (request.purpose, request.tool) == (Purpose.OBSERVE, "look")
        assert (request.target, request.arguments) == (target, {"asset": target})
        read_again(line, {"version": "old", "healthy": False})
    [ended] = [event for event in line.past.history if isinstance(event, TaskRolledBack)]
    assert (ended.undone, ended.verified, ended.unverified) == (2, 2, ())


def test_what_nothing_can_read_back_is_rolled_back_and_said_to_be_unproved() -> None:
    line = failing("a", "b", proved=False)
    line.applied("a")
    [ended] = [event for event in line.past.history if isinstance(event, TaskRolledBack)]
    assert (ended.undone, ended.verified, ended.unverified) == (1, 0, line.run.applied)


def test_a_target_that_is_not_as_before_is_never_called_rolled_back() -> None:
    line = failing("a", "b", "c")
    line.applied("b")
    read_again(line, {"version": "new"})
    assert line.count(TaskRolledBack) == 0
    [escalated] = [event for event in line.past.history if isinstance(event, TaskEscalated)]
    listed = [line.run.requests[call].target for call in escalated.not_undone]
    assert listed == ["b", "a"], "the one that is not as before, and what is left to take back"
    assert "not as it was before" in escalated.what_to_do


@pytest.mark.parametrize("output", [None, {}, {"healthy": True}, [], "old"])
def test_a_target_that_cannot_be_read_again_is_left_to_a_person(output: JsonValue) -> None:
    line = failing("a", "b")
    line.applied("a")
    for attempt in range(1, MAX_UNDO_ATTEMPTS + 1):
        read_again(line, output)
        if attempt < MAX_UNDO_ATTEMPTS:
            line.tick().then(ToolCallRequested)
    [escalated] = [event for event in line.past.history if isinstance(event, TaskEscalated)]
    assert escalated.not_undone == line.run.applied
    assert line.count(TaskRolledBack) == 0


def test_reading_again_is_tried_again() -> None:
    line = failing("a", "b")
    line.applied("a")
    [request] = line.waiting(Purpose.OBSERVE)
    line.answer(request.call, CallStatus.FAILED, error_code="unreachable").then(TaskStepSettled)
    assert line.tick().event(ToolCallRequested).attempt == 2
    read_again(line, BEFORE)
    assert line.run.ended == "rolled_back"


def test_what_was_mended_by_hand_is_read_again_and_not_undone_twice() -> None:
    line = failing("a", "b")
    line.applied("a")
    read_again(line, {"version": "new"})
    line.cancel()
    assert line.targets(Purpose.UNDO) == [], "it was taken back, and is only looked at"
    read_again(line, BEFORE)
    [ended] = [event for event in line.past.history if isinstance(event, TaskCancelled)]
    assert (ended.undone, ended.kept) == (1, 0)


def test_what_is_not_as_before_counts_as_kept_by_who_ends_the_task_so() -> None:
    line = failing("a", "b")
    line.applied("a")
    read_again(line, {"version": "new"})
    line.cancel(keep=True)
    [ended] = [event for event in line.past.history if isinstance(event, TaskCancelled)]
    assert (ended.undone, ended.kept) == (0, 1)
