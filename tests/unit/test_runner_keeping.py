"""A run under a grant with a condition: measured before each batch, and while it is watched."""

from __future__ import annotations

import pytest
from smartops.contracts.bounds import Envelope
from smartops.contracts.events import (
    TaskCompleted,
    TaskConditionBound,
    TaskConditionChecked,
    TaskFailed,
    TaskPaused,
    TaskRollbackStarted,
    TaskRolledBack,
    TaskStarted,
    TaskStopping,
    ToolCallRequested,
)
from smartops.contracts.folds import CallStatus
from smartops.contracts.measured import Measured
from smartops.contracts.plan import Plan
from smartops.contracts.wire import Check, Purpose
from smartops.runner.keeping import bind
from smartops.runner.moves import Moves
from support.grants import GRANTED_AT, grant_for
from support.plans import CHECKS, TASK, phase, plan, step
from support.running import Line

CONDITION = "error_rate < 0.5%"


def under(made: Plan, condition: str | None = CONDITION) -> Line:
    """A run that has just started under such a grant."""
    line = Line(made)
    envelope = Envelope(max_targets=9, max_calls=99, condition=condition)
    line.grant = grant_for(made, envelope=envelope)
    line.gate = type(line.gate)(grant=line.grant)
    line.start()
    return line


def two_phases(checks: tuple[Check, ...] = ()) -> Plan:
    return plan(
        phase(step("web-01"), name="one", checks=checks, rollback_if=""),
        phase(step("web-02", phase="q"), name="two", checks=checks, rollback_if=""),
    )


def rates(line: Line, rate: float | None) -> None:
    """All samples in flight come back, each target with this rate; health is well."""
    for request in line.waiting(Purpose.OBSERVE):
        names = (request.arguments or {})["targets"]
        assert isinstance(names, list)
        value = 200 if request.tool == "probe_http" else rate
        output = {"results": {str(name): value for name in names}}
        line.answer(request.call, CallStatus.SUCCEEDED, output=output)


def checked(line: Line) -> list[tuple[int, int, str]]:
    return [
        (one.phase, one.batch, one.outcome)
        for one in line.past.history
        if isinstance(one, TaskConditionChecked)
    ]


def watch_to_its_end(line: Line, rate: float = 0.001) -> None:
    """The phase under way is watched, and its condition measured, until something else is due."""
    while line.waiting(Purpose.OBSERVE) or line.timers:
        rates(line, rate) if line.waiting(Purpose.OBSERVE) else line.tick()
        if line.waiting(Purpose.DO) or not line.run.alive:
            return


def test_a_run_whose_grant_names_no_condition_says_and_asks_what_it_always_did() -> None:
    plain, free = Line(two_phases()), under(two_phases(), None)
    plain.start()
    assert plain.told == free.told
    assert [TaskConditionBound.__name__ in line.told for line in (plain, free)] == [False, False]
    assert free.targets(Purpose.OBSERVE) == []


def test_it_is_measured_before_the_first_step_goes_out() -> None:
    line = under(two_phases())
    assert line.told[:2] == [TaskStarted.__name__, TaskConditionBound.__name__]
    assert line.targets() == []
    [sample] = line.waiting(Purpose.OBSERVE)
    assert (sample.tool, sample.arguments) == ("query_error_rate", {"targets": ["web-01"]})
    rates(line, 0.004)
    [told] = [one for one in line.past.history if isinstance(one, TaskConditionChecked)]
    assert (told.outcome, told.calls, told.condition) == ("holds", (sample.call,), CONDITION)
    assert told.values == {"error_rate": Measured(low=0.004, high=0.004, complete=True)}
    assert line.targets() == ["web-01"]


def test_while_it_holds_the_run_goes_on_and_completes() -> None:
    line = under(two_phases())
    rates(line, 0.001)
    line.applied("web-01")
    watch_to_its_end(line)
    assert checked(line) == [(0, 0, "holds"), (0, 0, "holds"), (1, 0, "holds")]
    line.applied("web-02")
    watch_to_its_end(line)
    assert line.run.ended == "completed"
    assert checked(line)[-1] == (1, 0, "holds")
    assert line.count(TaskConditionBound) == 1


def test_a_later_phase_is_measured_on_what_was_reached_before_as_well() -> None:
    line = under(two_phases(CHECKS))
    rates(line, 0.001)
    line.applied("web-01")
    watch_to_its_end(line)
    line.applied("web-02")
    asked = [
        (one.arguments or {})["targets"]
        for one in line.waiting(Purpose.OBSERVE)
        if one.tool == "query_error_rate"
    ]
    assert asked == [["web-02"], ["web-01", "web-02"]]


def test_known_to_be_broken_it_is_taken_back_though_all_checks_are_well() -> None:
    line = under(two_phases(CHECKS))
    rates(line, 0.001)
    line.applied("web-01")
    rates(line, 0.007)  # Less than the one per cent that the plan's own checks allow.
    assert checked(line) == [(0, 0, "holds"), (0, 0, "broken")]
    stopped = next(one for one in line.past.history if isinstance(one, TaskStopping))
    assert stopped.then == "roll_back"
    assert "(error_rate < 0.5%) is broken in phase one: error_rate 0.007" in stopped.reason
    assert line.count(TaskRollbackStarted) == 1
    line.applied("web-01")
    assert line.run.ended == "rolled_back"
    assert (line.count(TaskRolledBack), line.count(TaskCompleted)) == (1, 0)


def test_broken_before_anything_was_changed_the_run_has_failed_and_may_be_asked_for_again() -> None:
    line = under(two_phases())
    rates(line, 0.02)
    [failed] = [one for one in line.past.history if isinstance(one, TaskFailed)]
    assert (failed.error_code, failed.retryable) == ("unhealthy", True)
    assert all(
        one.purpose is Purpose.OBSERVE
        for one in line.past.history
        if isinstance(one, ToolCallRequested)
    )


@pytest.mark.parametrize("rate", [None, "error"])
def test_what_cannot_be_told_pauses_and_is_measured_anew_when_somebody_resumes(
    rate: str | None,
) -> None:
    line = under(two_phases())
    for looks in (1, 2, 3):
        [sample] = line.waiting(Purpose.OBSERVE)
        if rate is None:
            rates(line, None)
        else:
            line.answer(sample.call, CallStatus.FAILED, error_code="unreachable")
        if looks < 3:
            line.tick()
    assert checked(line) == [(0, 0, "unknown")]
    assert (line.count(TaskPaused), line.targets()) == (1, [])
    line.resume()
    assert line.targets() == []
    rates(line, 0.001)
    assert line.targets() == ["web-01"]


def test_after_a_rest_it_is_measured_before_anything_more_goes_out() -> None:
    made = plan(phase(step("web-01"), step("web-02"), sequential=True))
    line = under(made)
    rates(line, 0.001)
    line.pause()
    line.applied("web-01")
    line.resume()
    assert line.targets() == []
    rates(line, 0.3)
    assert line.count(TaskRollbackStarted) == 1


def test_each_batch_waits_for_it() -> None:
    made = plan(phase(step("web-01"), step("web-02"), batch=1))
    line = under(made)
    rates(line, 0.001)
    assert line.targets() == ["web-01"]
    line.applied("web-01")
    watch_to_its_end(line)
    assert line.targets() == ["web-02"]
    assert checked(line) == [(0, 0, "holds"), (0, 0, "holds"), (0, 1, "holds")]


def test_a_metric_of_the_plan_is_asked_for_by_its_own_query() -> None:
    queue = Check(type="custom_metric", name="queue", query="sum(queue)", threshold="< 10")
    line = under(two_phases((queue,)), "queue < 5 and http_200 >= 90%")
    asked = {one.tool: one.arguments for one in line.waiting(Purpose.OBSERVE)}
    assert asked["query_prometheus"] == {"query": "sum(queue)"}
    assert asked["probe_http"] == {"targets": ["web-01"], "path": "/health"}


def test_another_grant_brings_its_own_condition_or_none() -> None:
    made = two_phases()
    line = under(made)
    moves = Moves(line.run, TASK, line.grant.run, made, GRANTED_AT)
    bind(moves, line.grant)
    assert moves.events == []
    bind(moves, grant_for(made, grant=2))
    [bound] = moves.events
    assert isinstance(bound, TaskConditionBound)
    assert (bound.grant, bound.condition, moves.run.bound) == (2, "", None)
