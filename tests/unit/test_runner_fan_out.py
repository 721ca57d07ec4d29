"""What one outcome costs a run must not grow faster than its phase, of 5,000 targets perhaps."""

from __future__ import annotations

import sys
from collections import deque
from datetime import timedelta
from types import FrameType

import pytest
from smartops.contracts.events import ToolCallRequested
from smartops.contracts.folds import CallStatus, CallView, GateView
from smartops.contracts.plan import MAX_STEPS, Plan
from smartops.eventstore.limits import MAX_UNIT_EVENTS
from smartops.runner import domain
from smartops.runner.state import Run
from smartops.runtime.decision import Decision
from support.grants import GRANTED_AT, grant_for
from support.plans import TASK, phase, plan, step

NOW = GRANTED_AT + timedelta(minutes=1)
WIDTH = 20


def wide(targets: int) -> Plan:
    steps = [step(f"web-{number}") for number in range(targets)]
    return plan(phase(*steps, parallelism=WIDTH))


class Running:
    """A run whose calls are all applied, one after the other."""

    def __init__(self, made: Plan) -> None:
        self.plan = made
        self.asked: deque[ToolCallRequested] = deque()
        grant = grant_for(made)
        self.run = Run()
        self._take(domain.start(self.run, grant, TASK, GateView(grant=grant), made, NOW))

    def one(self) -> None:
        call = self.asked.popleft()
        applied = CallView(call=call.call, status=CallStatus.SUCCEEDED, requester_stream="x")
        self._take(domain.note_outcome(self.run, self.plan, applied, NOW))

    def _take(self, decision: Decision) -> None:
        assert isinstance(decision.after, Run)
        self.run = decision.after
        self.asked.extend(e for e in decision.events if isinstance(e, ToolCallRequested))


def calls_of_one_outcome(targets: int) -> int:
    """Python functions entered while one outcome is noted, in the middle of the phase."""
    running = Running(wide(targets))
    for _ in range(targets // 2):
        running.one()
    entered = 0

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal entered
        entered += event == "call"

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        running.one()
    finally:
        sys.setprofile(before)
    return entered


def test_an_outcome_costs_no_more_than_its_phase_is_larger() -> None:
    few, many = calls_of_one_outcome(100), calls_of_one_outcome(800)
    assert many <= 8 * few


@pytest.mark.parametrize("targets", [1, WIDTH - 1, WIDTH, 3 * WIDTH + 1])
def test_as_many_calls_are_out_at_once_as_the_phase_says(targets: int) -> None:
    running = Running(wide(targets))
    most = len(running.run.in_flight)
    while running.asked:
        running.one()
        most = max(most, len(running.run.in_flight))
    assert most == min(targets, WIDTH)
    assert running.run.ended == "completed"


def test_the_run_of_the_largest_plan_fits_into_one_unit() -> None:
    """It claims each of its targets as it begins, and frees each as it ends."""
    assert MAX_STEPS + 200 <= MAX_UNIT_EVENTS
