"""Runs that wait for their targets: paused, resumed and stopped before they begin."""

from __future__ import annotations

from datetime import timedelta

import pytest
from smartops.contracts.events import (
    TaskCancelled,
    TaskEscalated,
    TaskPaused,
    TaskResumed,
    TaskStarted,
    TaskStopping,
)
from smartops.contracts.folds import GateView
from smartops.runner.queued import CLAIM_PAUSE, Look, claim_timer
from support.plans import TASK, phase, plan, step
from support.running import Line


def queued() -> Line:
    """Granted; another run owns a target."""
    return Line(plan(phase(step("a"))))


def test_a_pause_is_confirmed_at_once_and_says_who_wanted_it() -> None:
    line = queued()
    outcome = line.pause().then(TaskStopping, TaskPaused)
    assert outcome.event(TaskStopping).principal == "op"
    assert outcome.event(TaskPaused).run == line.grant.run
    line.pause().then_nothing()


def test_a_paused_run_does_not_begin_whatever_becomes_free() -> None:
    line = queued()
    line.pause()
    line.start().then_nothing()
    assert line.run.started is None


def test_a_resumed_run_looks_for_its_targets_at_once_and_begins() -> None:
    line = queued()
    line.pause()
    outcome = line.resume().then(TaskResumed)
    [timer] = outcome.timers_set
    assert (timer.due, timer.payload) == (timedelta(0), TASK.bytes)
    assert Look.of(timer.name) == Look(term=line.run.terms, number=1)
    assert line.start().event(TaskStarted).claims == ("a",)
    assert "deadline/run/1" in line.set_for


def test_a_run_that_waits_for_its_targets_is_not_paused() -> None:
    queued().resume().then_refused("not_paused")


@pytest.mark.parametrize("stop", [Line.revoke, Line.halt])
def test_a_run_whose_gate_is_stopped_is_neither_paused_nor_resumed(stop: object) -> None:
    line = queued()
    line.pause()
    line.gate = GateView(grant=line.grant)
    stop(line)  # type: ignore[operator]
    code = "no_grant" if line.run.ended is None else "not_running"
    line.resume().then_refused(code)
    other = queued()
    stop(other)  # type: ignore[operator]
    other.pause().then_refused("not_running")


def test_a_paused_run_is_cancelled_as_if_it_had_never_been_paused() -> None:
    line = queued()
    line.pause()
    assert line.cancel().then(TaskCancelled).event(TaskCancelled).kept == 0
    line.resume().then_refused("not_running")
    line.start().then_nothing()


def test_a_halted_run_goes_to_a_person_and_ends_when_it_is_cancelled() -> None:
    line = queued()
    escalated = line.halt().then(TaskEscalated).event(TaskEscalated)
    assert "nothing was changed" in escalated.what_to_do
    line.start().then_nothing()
    line.cancel(keep=True).then(TaskCancelled)
    line.start().then_nothing()


@pytest.mark.parametrize(
    ("look", "name"),
    [(Look(0, 1), "claim/1"), (Look(0, 41), "claim/41"), (Look(2, 3), "claim/2/3")],
)
def test_a_look_has_a_timer_of_its_own(look: Look, name: str) -> None:
    timer = claim_timer(look, CLAIM_PAUSE, TASK)
    assert timer.name == name
    assert Look.of(name) == look
    assert look.next == Look(look.term, look.number + 1)


def test_a_look_that_was_set_before_a_pause_is_late_after_it() -> None:
    line = queued()
    assert not Look(0, 7).late(line.run)
    line.pause()
    line.resume()
    assert Look(0, 8).late(line.run)
    assert not Look(1, 1).late(line.run)
    line.start()
    assert Look(1, 2).late(line.run)


def test_other_timers_are_for_no_look() -> None:
    assert Look.of("sample/0/1") is None
