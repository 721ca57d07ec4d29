"""A phase watched: rounds of samples, limits of patience, and `rollback_if` truly evaluated."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic import JsonValue
from smartops.contracts.events import (
    TaskHealthChecked,
    TaskPhaseCompleted,
    TaskRollbackStarted,
    TaskStepSettled,
    TaskStopping,
    ToolCallRequested,
)
from smartops.contracts.folds import CallStatus
from smartops.contracts.measured import Measured
from smartops.contracts.wire import ERROR_LIMIT, INCONCLUSIVE_LIMIT, Check, Purpose
from support.given import Outcome
from support.plans import CHECKS, phase, plan, step
from support.running import Line

QUEUE = Check(
    type="custom_metric",
    name="queue",
    query="sum(queue_depth)",
    threshold="< 10",
    window_ms=1000,
    interval_ms=500,
)


def watched(*checks: Check, rollback_if: str = "", targets: int = 1, **fields: object) -> Line:
    """A run whose only phase is applied and being watched."""
    names = [f"t{number}" for number in range(targets)]
    made = plan(
        phase(
            *(step(name) for name in names),
            parallelism=targets,
            checks=checks,
            rollback_if=rollback_if,
            **fields,  # type: ignore[arg-type]
        )
    )
    line = Line(made)
    line.start()
    for name in names:
        line.applied(name)
    return line


def answer(line: Line, **values: JsonValue) -> Outcome:  # type: ignore[type-arg]
    """The samples in flight come back with these values, by tool; None is no answer at all."""
    outcome = None
    for request in line.waiting(Purpose.OBSERVE):
        value = values[request.tool]
        if value is None:
            outcome = line.answer(request.call, CallStatus.FAILED, error_code="unreachable")
        else:
            outcome = line.answer(request.call, CallStatus.SUCCEEDED, output=value)
    assert outcome is not None
    return outcome


def per_target(*values: JsonValue) -> JsonValue:
    return {"results": {f"t{number}": value for number, value in enumerate(values)}}


def verdicts(line: Line) -> list[tuple[int | None, str]]:
    return [
        (event.check, event.outcome)
        for event in line.past.history
        if isinstance(event, TaskHealthChecked)
    ]


# ---- what each type of check asks, and how it judges ---------------------------------------


def test_a_custom_metric_is_asked_by_its_query_and_judged_as_a_bare_number() -> None:
    line = watched(QUEUE)
    [request] = line.waiting(Purpose.OBSERVE)
    assert (request.tool, request.arguments) == ("query_prometheus", {"query": "sum(queue_depth)"})
    outcome = answer(line, query_prometheus={"values": [10.0]})
    told = next(e for e in line.past.history if isinstance(e, TaskHealthChecked))
    assert (told.outcome, told.condition) == ("unhealthy", "< 10")
    assert told.values == {"queue": Measured(low=10.0, high=10.0, complete=True)}
    assert outcome.event(TaskStopping).then == "roll_back"


@pytest.mark.parametrize(
    "output",
    [
        {"values": []},
        {"values": [None]},
        {"values": [3.0, None]},
        {"values": None},
        {},
        [],
        "3",
        {"values": [True]},
    ],
)
def test_an_empty_or_numberless_answer_is_never_healthy(output: JsonValue) -> None:
    line = watched(QUEUE)
    settled = answer(line, query_prometheus=output).event(TaskStepSettled)
    assert settled.healthy is None


def test_latency_is_judged_in_milliseconds_for_every_target() -> None:
    check = Check(type="latency_p99", threshold="< 0.5s", window_ms=0)
    line = watched(check, targets=2)
    [request] = line.waiting(Purpose.OBSERVE)
    assert request.tool == "query_latency"
    assert answer(line, query_latency=per_target(100, 499)).event(TaskHealthChecked).outcome == (
        "healthy"
    )
    slow = watched(check, targets=2)
    answer(slow, query_latency=per_target(100, 500))
    assert verdicts(slow) == [(0, "unhealthy")]


@pytest.mark.parametrize(
    ("codes", "healthy"),
    [((200, 200), True), ((200, 503), False), ((200, None), None), ((503, None), False)],
)
def test_one_sick_target_is_enough_and_a_silent_one_hides_it_not(
    codes: tuple[int | None, ...],
    healthy: bool | None,  # noqa: FBT001
) -> None:
    line = watched(CHECKS[0], targets=2)
    settled = answer(line, probe_http=per_target(*codes)).event(TaskStepSettled)
    assert settled.healthy is healthy


# ---- patience --------------------------------------------------------------------------------


def test_errors_beyond_their_limit_count_as_unhealthy() -> None:
    line = watched(QUEUE)
    for _ in range(ERROR_LIMIT):
        answer(line, query_prometheus=None)
        line.tick()
    assert verdicts(line) == []
    answer(line, query_prometheus=None)
    assert verdicts(line) == [(0, "unhealthy")]
    assert line.run.rollback is not None
    assert "could not be asked" in line.run.rollback.reason


def test_empty_answers_beyond_their_limit_pause() -> None:
    line = watched(QUEUE)
    for _ in range(INCONCLUSIVE_LIMIT):
        answer(line, query_prometheus={"values": []})
        line.tick()
    answer(line, query_prometheus={"values": []})
    assert verdicts(line) == [(0, "inconclusive")]
    assert line.run.paused is not None
    assert line.count(TaskRollbackStarted) == 0


def test_limits_are_those_of_the_check() -> None:
    strict = QUEUE.model_copy(update={"inconclusive_limit": 0, "consecutive_error_limit": 0})
    empty = watched(strict)
    answer(empty, query_prometheus={"values": []})
    assert verdicts(empty) == [(0, "inconclusive")]
    broken = watched(strict)
    answer(broken, query_prometheus=None)
    assert verdicts(broken) == [(0, "unhealthy")]


def test_a_good_sample_forgives_what_showed_nothing_but_not_what_failed() -> None:
    lenient = QUEUE.model_copy(update={"failure_limit": 1, "window_ms": 10_000})
    line = watched(lenient)
    for values in ([], [99.0], [], [], [1.0], []):
        answer(line, query_prometheus={"values": values})
        line.tick()
    assert verdicts(line) == []
    answer(line, query_prometheus={"values": [99.0]})
    assert verdicts(line) == [(0, "unhealthy")]


def test_a_sample_that_takes_too_long_is_an_error() -> None:
    hasty = QUEUE.model_copy(update={"timeout_ms": 2000, "consecutive_error_limit": 0})
    line = watched(hasty)
    [request] = line.waiting(Purpose.OBSERVE)
    timer = f"answer/{request.call}"
    assert line.set_for[timer] == timedelta(seconds=2)
    outcome = line.tick(timer)
    assert outcome.event(TaskStepSettled).detail == "no answer within 2000 ms"
    assert verdicts(line) == [(0, "unhealthy")]
    line.answer(request.call, CallStatus.SUCCEEDED, output={"values": [1]}).then_nothing()


def test_a_sample_that_was_answered_is_timed_no_longer() -> None:
    line = watched(QUEUE.model_copy(update={"timeout_ms": 2000}))
    [request] = line.waiting(Purpose.OBSERVE)
    answer(line, query_prometheus={"values": [1]})
    assert f"answer/{request.call}" not in line.set_for
    line.tick(f"answer/{request.call}").then_nothing()


def test_a_check_with_a_longer_interval_keeps_its_own_time() -> None:
    often = CHECKS[0].model_copy(update={"interval_ms": 100, "window_ms": 1000})
    seldom = QUEUE.model_copy(update={"interval_ms": 450, "window_ms": 900})
    line = watched(often, seldom)
    asked: list[int] = []
    while line.run.alive:
        asked.append(sum(r.tool == "query_prometheus" for r in line.waiting(Purpose.OBSERVE)))
        answer(line, probe_http=per_target(200), query_prometheus={"values": [1]})
        if line.timers:
            line.tick()
    # Every fifth round of 100 ms: never sooner than its interval, and to the end of its window.
    assert asked == [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]
    assert line.run.ended == "completed"


# ---- rollback_if -----------------------------------------------------------------------------


def test_a_condition_that_holds_rolls_back_though_every_check_is_healthy() -> None:
    line = watched(CHECKS[0], rollback_if="error_rate > 1%")
    outcome = answer(line, probe_http=per_target(200), query_error_rate=per_target(0.02))
    told = next(e for e in line.past.history if isinstance(e, TaskHealthChecked))
    assert (told.check, told.type, told.outcome) == (None, "rollback_if", "unhealthy")
    assert told.condition == "error_rate > 1%"
    assert told.values["error_rate"] == Measured(low=0.02, high=0.02, complete=True)
    assert outcome.event(TaskStopping).then == "roll_back"
    assert "error_rate > 1%" in outcome.event(TaskStopping).reason
    assert line.count(TaskPhaseCompleted) == 0


def test_a_phase_without_checks_is_watched_by_its_condition_for_its_window() -> None:
    line = watched(rollback_if="latency_p99 > 1s", watch_ms=1000, watch_interval_ms=500)
    for _ in range(2):
        answer(line, query_latency=per_target(20))
        assert line.run.alive
        line.tick()
    answer(line, query_latency=per_target(20))
    assert verdicts(line) == [(None, "healthy")]
    assert line.run.ended == "completed"


def test_a_condition_is_judged_by_whole_rounds() -> None:
    line = watched(CHECKS[0], rollback_if="http_200 < 100% and error_rate > 1%")
    first, second = line.waiting(Purpose.OBSERVE)
    line.answer(first.call, CallStatus.SUCCEEDED, output=per_target(200)).then(TaskStepSettled)
    line.answer(second.call, CallStatus.SUCCEEDED, output=per_target(0.5)).then(TaskStepSettled)
    assert line.run.rounds[-1].keys() == {0, 1}


@pytest.mark.parametrize("missing", [None, {"results": {"t0": None}}, {"results": {}}])
def test_a_condition_that_cannot_be_decided_pauses(missing: JsonValue) -> None:
    line = watched(rollback_if="error_rate > 1%", watch_ms=60_000)
    for _ in range(INCONCLUSIVE_LIMIT):
        answer(line, query_error_rate=missing)
        line.tick()
    assert line.run.alive
    answer(line, query_error_rate=missing)
    assert verdicts(line) == [(None, "inconclusive")]
    assert line.run.paused is not None
    line.resume()
    assert len(line.waiting(Purpose.OBSERVE)) == 1, "watched anew"


def test_what_is_known_decides_though_other_metrics_are_missing() -> None:
    line = watched(rollback_if="error_rate > 1% or latency_p99 > 1s")
    answer(line, query_error_rate=per_target(0.5), query_latency=None)
    assert verdicts(line) == [(None, "unhealthy")]


def test_custom_metrics_are_named_by_their_check() -> None:
    lax = QUEUE.model_copy(update={"threshold": "< 1000"})
    line = watched(lax, rollback_if="queue > 50")
    answer(line, query_prometheus={"values": [3.0, 51.0]})
    assert verdicts(line) == [(None, "unhealthy")]


def test_a_condition_of_a_time_when_only_people_read_it_pauses_for_them() -> None:
    line = watched(rollback_if="when people say so")
    assert line.run.paused is not None
    assert "not understood" in line.run.paused
    assert line.count(ToolCallRequested) == 1
    line.cancel()
    assert line.targets(Purpose.UNDO) == ["t0"]
