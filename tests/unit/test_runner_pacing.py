"""When steps go out: batches, maintenance windows, pauses before another attempt, deadlines."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from smartops.contracts.events import (
    TaskBatchCompleted,
    TaskCompleted,
    TaskEscalated,
    TaskPaused,
    TaskPhaseCompleted,
    TaskPhaseStarted,
    TaskResumed,
    TaskRollbackStarted,
    TaskStarted,
    TaskStepSettled,
    TaskStopping,
    TaskWaiting,
    ToolCallRequested,
)
from smartops.contracts.maintenance import OUTSIDE_WINDOW, MaintenanceWindow
from smartops.contracts.plan import HOUR_MS, Plan
from smartops.contracts.wire import Purpose
from smartops.runner.steps import MAX_ATTEMPTS
from support.plans import CHECKS, phase, plan, step
from support.running import Line

NIGHT = MaintenanceWindow(start="22:00", end="04:00", timezone="Europe/Berlin")
NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
OPENS = datetime(2026, 3, 1, 21, 0, tzinfo=UTC)
"""22:00 in Berlin, which is an hour ahead in winter."""


def begun(made: Plan) -> Line:
    line = Line(made)
    line.now = NOON
    line.start()
    return line


def steps(count: int, **fields: object) -> Plan:
    names = [f"t{number}" for number in range(count)]
    options: dict[str, object] = {"parallelism": count, **fields}
    return plan(phase(*(step(name) for name in names), **options))  # type: ignore[arg-type]


# ---- batches ---------------------------------------------------------------------------------


def test_a_batch_goes_out_only_when_the_one_before_is_healthy_for_its_whole_window() -> None:
    line = begun(steps(5, batch=2, checks=CHECKS))
    sent = []
    while line.run.alive:
        if targets := line.targets():
            sent.append(targets)
            for target in targets:
                line.applied(target)
        line.samples()
        if line.timers:
            line.tick()
    assert sent == [["t0", "t1"], ["t2", "t3"], ["t4"]]
    told = [e for e in line.past.history if isinstance(e, TaskBatchCompleted)]
    assert [(event.batch, event.steps) for event in told] == [(0, 2), (1, 4)]
    assert line.count(TaskPhaseCompleted) == 1
    per_batch = len(CHECKS) * 3
    observed = [r for r in line.run.requests.values() if r.purpose is Purpose.OBSERVE]
    assert len(observed) == 3 * per_batch


def test_a_batch_that_falls_ill_is_the_last_and_all_batches_are_taken_back() -> None:
    line = begun(steps(4, batch=1, checks=CHECKS[:1], rollback_if=""))
    for target in ("t0", "t1"):
        line.applied(target)
        for _ in range(2):
            line.samples()
            line.tick()
        line.samples(healthy=target != "t1")
    for target in ("t1", "t0"):
        assert line.targets(Purpose.UNDO) == [target]
        line.applied(target)
    assert line.run.ended == "rolled_back"
    assert {r.target for r in line.run.requests.values() if r.purpose is Purpose.DO} == {"t0", "t1"}


def test_batches_without_checks_wait_for_each_other() -> None:
    line = begun(steps(3, batch=2))
    line.applied("t0").then(TaskStepSettled)
    assert line.targets() == ["t1"]
    line.applied("t1").then(TaskStepSettled, TaskBatchCompleted, ToolCallRequested)
    line.applied("t2").then(TaskStepSettled, TaskPhaseCompleted, TaskCompleted)


def test_each_batch_waits_before_it_is_watched() -> None:
    line = begun(steps(2, batch=1, wait_ms=30_000, checks=CHECKS[:1], rollback_if=""))
    for target in ("t0", "t1"):
        line.applied(target)
        [timer] = line.timers
        assert line.set_for[timer] == timedelta(seconds=30)
        for _ in range(3):
            line.tick()
            line.samples()
    assert line.run.ended == "completed"


# ---- maintenance windows ---------------------------------------------------------------------


def test_outside_its_window_a_run_waits_and_says_until_when() -> None:
    line = Line(steps(1, maintenance=NIGHT))
    line.now = NOON
    outcome = line.start().then(TaskStarted, TaskPhaseStarted, TaskWaiting)
    waiting = outcome.event(TaskWaiting)
    assert waiting.until == OPENS
    assert "22:00 to 04:00 Europe/Berlin" in waiting.reason
    assert line.set_for == {"window/1": OPENS}, "no deadline passes while it may not work"
    line.now = OPENS
    line.tick().then(TaskResumed, ToolCallRequested)
    line.applied("t0").then(TaskStepSettled, TaskPhaseCompleted, TaskCompleted)


def test_a_window_that_closes_lets_what_is_in_flight_end_and_nothing_new_out() -> None:
    line = Line(steps(3, maintenance=NIGHT, parallelism=1))
    line.now = OPENS
    line.start()
    line.now = OPENS + timedelta(hours=6)
    line.applied("t0").then(TaskStepSettled, TaskWaiting)
    assert line.targets() == []
    line.now = OPENS + timedelta(hours=24)
    line.tick()
    assert line.targets() == ["t1"]


def test_only_its_window_ends_the_wait_of_a_run() -> None:
    line = Line(steps(2, maintenance=NIGHT, parallelism=1))
    line.now = OPENS
    line.start()
    line.now = OPENS + timedelta(hours=8)
    line.failed("t0", retryable=True).then(TaskStepSettled, TaskWaiting)
    [again] = [timer for timer in line.timers if timer.startswith("retry/")]
    line.tick(again).then_nothing()
    line.tick("window/0").then_nothing()
    assert line.timers == {"window/1"}


def test_a_step_that_the_gateway_found_too_late_waits_for_the_next_window() -> None:
    line = Line(steps(1, maintenance=NIGHT))
    line.now = OPENS
    line.start()
    line.now = OPENS + timedelta(hours=6)
    line.denied("t0", OUTSIDE_WINDOW).then(TaskStepSettled)
    line.tick().then(TaskWaiting)
    line.now = OPENS + timedelta(hours=24)
    line.tick("window/1").then(TaskResumed, ToolCallRequested)


def test_a_clock_that_runs_ahead_of_the_window_waits_again() -> None:
    line = begun(steps(1, maintenance=NIGHT))
    line.now = OPENS - timedelta(milliseconds=1)
    line.tick().then(TaskResumed, TaskWaiting)
    assert line.set_for == {"window/2": OPENS}


def test_the_window_of_a_phase_counts_before_that_of_the_plan() -> None:
    day = MaintenanceWindow(start="08:00", end="18:00", timezone="UTC")
    first = phase(step("t0"), name="a", maintenance=day)
    line = begun(plan(first, phase(step("t1"), name="b"), maintenance=NIGHT))
    assert line.targets() == ["t0"]
    line.applied("t0")
    assert line.count(TaskWaiting) == 1
    assert line.targets() == []


def test_taking_back_waits_for_no_window() -> None:
    line = Line(steps(2, maintenance=NIGHT, parallelism=1))
    line.now = OPENS
    line.start()
    line.now = OPENS + timedelta(hours=8)
    line.applied("t0")
    assert line.run.waiting is not None
    line.cancel()
    assert line.targets(Purpose.UNDO) == ["t0"]
    assert "window/1" not in line.set_for


def test_looking_waits_for_no_window() -> None:
    line = Line(steps(1, maintenance=NIGHT, checks=CHECKS))
    line.now = OPENS
    line.start()
    line.now = OPENS + timedelta(hours=8)
    line.applied("t0")
    assert len(line.waiting(Purpose.OBSERVE)) == 2


def test_who_pauses_a_waiting_run_has_it_paused_and_resume_waits_again() -> None:
    line = begun(steps(1, maintenance=NIGHT))
    line.pause().then(TaskStopping, TaskPaused)
    assert line.timers == set()
    line.resume().then(TaskResumed, TaskWaiting)
    assert line.timers == {"window/2"}


def test_a_time_zone_that_nobody_here_knows_pauses() -> None:
    nowhere = NIGHT.model_copy(update={"timezone": "Nowhere/Atlantis"})
    line = begun(steps(1, maintenance=nowhere))
    assert line.run.paused == "there is no time zone 'Nowhere/Atlantis'"


# ---- another attempt -------------------------------------------------------------------------


def test_each_attempt_waits_longer_than_the_one_before() -> None:
    line = begun(steps(1))
    pauses = []
    for _ in range(MAX_ATTEMPTS - 1):
        line.failed("t0", retryable=True).then(TaskStepSettled)
        [timer] = line.timers
        pauses.append(line.set_for[timer])
        line.tick().then(ToolCallRequested)
    assert pauses == [timedelta(milliseconds=500), timedelta(seconds=2)]


def test_who_waits_for_another_attempt_keeps_its_place() -> None:
    line = begun(steps(4, parallelism=2))
    line.failed("t0", retryable=True)
    line.applied("t1")
    assert line.targets() == ["t2"], "t0 and t2 are two"
    line.tick()
    assert sorted(line.targets()) == ["t0", "t2"]


def test_nobody_goes_before_a_step_that_waits_for_another_attempt_in_a_sequence() -> None:
    line = begun(plan(phase(step("a"), step("b"), sequential=True)))
    line.failed("a", retryable=True)
    assert line.waiting() == []
    line.tick()
    assert line.targets() == ["a"]


def test_a_pause_ends_the_wait_for_another_attempt_and_resume_asks_at_once() -> None:
    line = begun(steps(1))
    line.failed("t0", retryable=True)
    [timer] = line.timers
    line.pause().then(TaskStopping, TaskPaused)
    line.tick(timer).then_nothing()
    line.resume().then(TaskResumed, ToolCallRequested)
    line.tick(timer).then_nothing()


def test_what_is_not_worth_repeating_fails_at_once() -> None:
    line = begun(steps(1))
    line.failed("t0", retryable=False)
    assert line.run.ended == "failed"


# ---- deadlines -------------------------------------------------------------------------------


def test_a_run_may_take_four_hours_and_a_rollback_half_of_one() -> None:
    line = begun(steps(1))
    assert line.set_for == {"deadline/run/0": timedelta(hours=4)}
    line.cancel()
    line.applied("t0")
    assert line.set_for == {"deadline/rollback/1/0": timedelta(minutes=30)}


def test_no_deadline_outlives_its_run() -> None:
    line = begun(steps(1, timeout_ms=60_000))
    assert set(line.set_for) == {"deadline/run/0", "deadline/phase/0/0"}
    line.applied("t0")
    assert line.run.ended == "completed"
    assert "deadline/run/0" not in line.set_for


def test_a_run_past_its_deadline_pauses_and_says_so_and_resume_begins_its_time_anew() -> None:
    line = begun(plan(phase(step("t0"), step("t1")), max_run_ms=HOUR_MS))
    line.tick("deadline/run/0").then(TaskStopping)
    line.applied("t0").then(TaskStepSettled, TaskPaused)
    assert line.run.paused == "the run took longer than 1h"
    assert line.targets() == []
    line.resume()
    assert line.set_for["deadline/run/1"] == timedelta(hours=1)
    line.tick("deadline/run/0").then_nothing()


def test_a_person_who_resumes_gives_the_run_its_time_anew() -> None:
    line = begun(plan(phase(step("t0"), step("t1"), timeout_ms=60_000)))
    line.pause()
    line.applied("t0")
    line.resume()
    assert set(line.set_for) == {"deadline/run/1", "deadline/phase/0/1"}


def test_a_run_past_its_deadline_rolls_back_where_the_plan_says_so() -> None:
    line = begun(plan(phase(step("t0"), step("t1")), on_timeout="roll_back"))
    line.applied("t0")
    line.tick("deadline/run/0").then(TaskStopping)
    line.applied("t1")
    assert line.run.rollback is not None
    assert line.run.rollback.undo


def test_a_paused_run_past_its_deadline_stays_paused_or_rolls_back_as_the_plan_says() -> None:
    stays = begun(plan(phase(step("t0"), step("t1"))))
    stays.pause()
    stays.applied("t0")
    stays.tick("deadline/run/0").then_nothing()
    back = begun(plan(phase(step("t0"), step("t1")), on_timeout="roll_back"))
    back.pause()
    back.applied("t0")
    back.tick("deadline/run/0").then(TaskStopping, TaskRollbackStarted, ToolCallRequested)


@pytest.mark.parametrize(
    ("then", "event"), [("pause", TaskPaused), ("roll_back", TaskRollbackStarted)]
)
def test_a_phase_has_a_deadline_of_its_own(then: str, event: type) -> None:
    line = begun(steps(1, timeout_ms=60_000, on_timeout=then, checks=CHECKS[:1], rollback_if=""))
    line.applied("t0")
    line.tick("deadline/phase/0/0").then(TaskStopping)
    [sample] = line.waiting(Purpose.OBSERVE)
    outcome = line.sampled(sample, shows=True)
    assert outcome.event(event)


def test_the_deadline_of_a_phase_that_is_over_changes_nothing() -> None:
    made = plan(phase(step("t0"), name="a", timeout_ms=60_000), phase(step("t1"), name="b"))
    line = begun(made)
    line.applied("t0")
    line.tick("deadline/phase/0/0").then_nothing()


def test_a_rollback_past_its_deadline_calls_a_person() -> None:
    line = begun(plan(phase(step("t0"), step("t1"), sequential=True), rollback_timeout_ms=60_000))
    line.applied("t0")
    line.cancel()
    line.applied("t1")
    assert line.targets(Purpose.UNDO) == ["t1"]
    line.tick("deadline/rollback/1/0").then(TaskStopping)
    outcome = line.applied("t1").then(TaskStepSettled, TaskEscalated)
    escalated = outcome.event(TaskEscalated)
    assert "longer than 1m" in escalated.reason
    assert len(escalated.not_undone) == 1
