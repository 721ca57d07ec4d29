"""What a plan rests on is read again before anything is changed."""

from __future__ import annotations

from typing import Any

import pytest
from smartops.contracts.events import (
    TaskCancelled,
    TaskPaused,
    TaskPhaseStarted,
    TaskPreconditionsStale,
    TaskResumed,
    TaskStarted,
    TaskStepSettled,
    TaskStopping,
    TaskWaiting,
    ToolCallRequested,
)
from smartops.contracts.folds import CallStatus
from smartops.contracts.maintenance import MaintenanceWindow
from smartops.contracts.plan import Plan, Precondition
from smartops.contracts.preconditions import seen_digest
from smartops.contracts.wire import Purpose
from smartops.runner.state import LOOKS
from support.plans import phase, plan, step
from support.running import Line

_FIELDS = ("version",)


def held(target: str, version: str = "1.0") -> Precondition:
    """That a server runs a version, whatever else is told of it."""
    return Precondition(
        tool="get_asset",
        arguments={"asset": target},
        expect=seen_digest({"version": version}, _FIELDS),
        target=target,
        fields=_FIELDS,
    )


def two(**fields: Any) -> Plan:
    """A plan that rests on the versions of its two servers."""
    members = (step("web-01"), step("web-02"))
    return plan(
        phase(*members, parallelism=2),
        preconditions=(held("web-01"), held("web-02")),
        **fields,
    )


def started(made: Plan | None = None) -> Line:
    """A run that has claimed its targets."""
    line = Line(made or two())
    line.start()
    return line


def seen(line: Line, target: str, version: str | None, **fields: Any) -> Any:
    """A server is read again; None: it does not tell its version."""
    [request] = [r for r in line.waiting(Purpose.OBSERVE) if r.target == target]
    output = {"healthy": False, **({} if version is None else {"version": version})}
    return line.answer(request.call, CallStatus.SUCCEEDED, output=output, **fields)


def unread(line: Line, target: str, *, retryable: bool) -> Any:
    """A server cannot be read."""
    [request] = [r for r in line.waiting(Purpose.OBSERVE) if r.target == target]
    return line.answer(
        request.call, CallStatus.FAILED, error_code="away", message="no answer", retryable=retryable
    )


def test_all_is_read_before_the_first_step_and_then_the_run_goes_on() -> None:
    line = Line(two())
    line.start().then(TaskStarted, ToolCallRequested, ToolCallRequested)
    assert line.targets(Purpose.OBSERVE) == ["web-01", "web-02"]
    seen(line, "web-02", "1.0").then(TaskStepSettled)
    seen(line, "web-01", "1.0").then(
        TaskStepSettled, TaskPhaseStarted, ToolCallRequested, ToolCallRequested
    )
    assert line.targets() == ["web-01", "web-02"]


def test_a_plan_that_rests_on_nothing_begins_at_once() -> None:
    Line(plan()).start().then(TaskStarted, TaskPhaseStarted, ToolCallRequested)


def test_what_has_changed_ends_the_run_before_any_step() -> None:
    line = started()
    seen(line, "web-01", "1.1").then(TaskStepSettled)
    ended = seen(line, "web-02", "1.0")
    ended.then(TaskStepSettled, TaskPreconditionsStale)
    [stale] = ended.event(TaskPreconditionsStale).stale
    assert (stale.place, stale.tool, stale.target, stale.fields) == (
        0,
        "get_asset",
        "web-01",
        _FIELDS,
    )
    assert stale.expected == seen_digest({"version": "1.0"}, _FIELDS)
    assert stale.found == seen_digest({"version": "1.1"}, _FIELDS)
    assert line.run.ended == "stale"
    assert line.targets() == []
    assert not any(name.startswith("deadline/") for name in line.set_for), "nothing lies about"
    assert "TaskPhaseStarted" not in line.told


def test_all_that_has_changed_is_told_at_once() -> None:
    line = started()
    seen(line, "web-01", "1.1")
    told = seen(line, "web-02", "1.2").event(TaskPreconditionsStale)
    assert [one.target for one in told.stale] == ["web-01", "web-02"]


def test_what_cannot_be_told_pauses_the_run_and_is_read_again_once_resumed() -> None:
    line = started()
    seen(line, "web-01", "1.0")
    paused = seen(line, "web-02", None)
    paused.then(TaskStepSettled, TaskStopping, TaskPaused)
    assert "cannot be told" in paused.event(TaskPaused).reason
    assert "web-02" in paused.event(TaskPaused).reason
    line.resume().then(TaskResumed, ToolCallRequested, ToolCallRequested)
    assert line.targets(Purpose.OBSERVE) == ["web-01", "web-02"], "both: the world went on"
    seen(line, "web-01", "1.0")
    seen(line, "web-02", "1.0")
    assert line.targets() == ["web-01", "web-02"]


def test_a_look_that_failed_is_repeated_after_a_pause_and_not_for_ever() -> None:
    line = started()
    seen(line, "web-02", "1.0")
    for attempt in range(1, LOOKS):
        unread(line, "web-01", retryable=True).then(TaskStepSettled)
        assert line.timers == {f"look/0/{attempt}"}
        line.tick().then(ToolCallRequested)
    unread(line, "web-01", retryable=True).then(TaskStepSettled, TaskStopping, TaskPaused)
    assert line.targets() == []


def test_a_look_that_was_refused_for_good_pauses_at_once() -> None:
    line = started()
    seen(line, "web-02", "1.0")
    unread(line, "web-01", retryable=False).then(TaskStepSettled, TaskStopping, TaskPaused)


def test_what_has_changed_weighs_more_than_what_cannot_be_told() -> None:
    line = started()
    unread(line, "web-01", retryable=False)
    seen(line, "web-02", "1.1").then(TaskStepSettled, TaskPreconditionsStale)


def test_a_cancel_meanwhile_ends_the_run_as_ever() -> None:
    line = started()
    line.cancel()
    assert line.run.ended is None, "two looks are in flight"
    seen(line, "web-01", "1.1")
    last = seen(line, "web-02", "1.0")
    assert last.event(TaskCancelled).undone == 0
    assert "TaskPreconditionsStale" not in line.told


def test_nothing_is_read_before_the_maintenance_window_opens() -> None:
    closed = MaintenanceWindow(start="02:00", end="03:00", timezone="UTC")
    line = Line(two(maintenance=closed))
    line.start().then(TaskStarted, TaskWaiting)
    assert line.targets(Purpose.OBSERVE) == []


@pytest.mark.parametrize("late", ["look/0/1", "look/7/1", "look/0/9"])
def test_a_timer_that_is_not_current_changes_nothing(late: str) -> None:
    line = started()
    line.tick(late).then_nothing()


def test_after_the_first_step_nothing_is_read_again() -> None:
    line = started()
    seen(line, "web-01", "1.0")
    seen(line, "web-02", "1.0")
    line.pause()
    line.applied("web-01")
    line.applied("web-02")
    line.resume()
    assert line.targets(Purpose.OBSERVE) == []
    assert line.run.ended == "completed"
