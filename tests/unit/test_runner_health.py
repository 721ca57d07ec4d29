"""What the samples of a phase prove, and what follows from it."""

from __future__ import annotations

import pytest
from smartops.contracts.events import (
    TaskCompleted,
    TaskHealthChecked,
    TaskPhaseCompleted,
    TaskPhaseStarted,
    TaskRollbackStarted,
    TaskRolledBack,
    TaskStepSettled,
    TaskStopping,
    ToolCallRequested,
)
from smartops.contracts.folds import CallStatus
from smartops.contracts.wire import INCONCLUSIVE_LIMIT, Purpose
from support.plans import CHECKS, phase, plan, step
from support.rollouts import begun, pass_window, rollout, watched


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
