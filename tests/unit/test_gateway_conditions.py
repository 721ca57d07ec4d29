"""A step under a grant with a condition goes out only if the samples themselves bear it out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import JsonValue
from smartops.contracts.bounds import OUTSIDE_ENVELOPE
from smartops.contracts.events import (
    TaskBatchCompleted,
    TaskConditionChecked,
    TaskPhaseStarted,
    TaskResumed,
    ToolCallRequested,
)
from smartops.contracts.folds import CallStatus, CallView, RunView, evolve_run
from smartops.contracts.wire import EventData, Purpose
from smartops.tool_gateway.checks import Denial
from smartops.tool_gateway.conditions import NOT_MEASURED, check_condition
from support import plans

CONDITION = "error_rate < 1%"
PLAN = plans.plan(
    plans.phase(plans.step("web-01"), name="one"),
    plans.phase(plans.step("web-02", phase="q"), name="two"),
)
OF = {"task": plans.TASK, "run": plans.TASK}


def began(phase: int = 0) -> TaskPhaseStarted:
    return TaskPhaseStarted(**OF, phase=phase, name="p", steps=1, targets=("web-01",))


def sample(*targets: str, **fields: Any) -> ToolCallRequested:
    """A sample of the error rate."""
    return ToolCallRequested(
        **{
            **OF,
            "call": uuid4(),
            "purpose": Purpose.OBSERVE,
            "tool": "query_error_rate",
            "version": "1",
            "target": targets[0],
            "question": "0/error_rate/0",
            "attempt": 1,
            "phase": 0,
            "arguments": {"targets": list(targets)},
        }
        | fields
    )


def says(*calls: UUID, outcome: str = "holds") -> TaskConditionChecked:
    """The run's word."""
    return TaskConditionChecked(
        **OF,
        condition=CONDITION,
        phase=0,
        batch=0,
        outcome=outcome,
        calls=calls,
        values={},
        rounds=1,
        detail="well",
    )


def told(rate: JsonValue, *targets: str, status: CallStatus = CallStatus.SUCCEEDED) -> CallView:
    results: dict[str, JsonValue] = dict.fromkeys(targets or ("web-01",), rate)
    return CallView(status=status, output={"results": results})


def judged(
    *events: EventData, samples: dict[UUID, CallView] | None = None, condition: str = CONDITION
) -> Denial | None:
    run = RunView()
    for event in events:
        run = evolve_run(run, event)
    return check_condition(run, PLAN, condition, samples or {})


def test_what_was_measured_since_the_phase_began_and_holds_lets_a_step_out() -> None:
    asked = sample("web-01")
    seen = {asked.call: told(0.005)}
    assert judged(began(), asked, says(asked.call), samples=seen) is None


@pytest.mark.parametrize(
    "between",
    [
        began(1),
        TaskBatchCompleted(**OF, phase=0, batch=0, steps=1),
        TaskResumed(**OF, principal="op"),
    ],
    ids=["a phase", "a batch", "a rest"],
)
def test_what_held_before_says_nothing_of_what_comes_now(between: EventData) -> None:
    asked = sample("web-01")
    seen = {asked.call: told(0.0, "web-01", "web-02")}
    denial = judged(began(), asked, says(asked.call), between, samples=seen)
    assert denial is not None
    assert (denial.code, denial.rule) == (NOT_MEASURED, "gateway.condition")
    # Nor if it is said again: the sample is of before.
    again = judged(began(), asked, between, says(asked.call), samples=seen)
    assert again is not None
    assert again.code == NOT_MEASURED


def test_a_runner_that_says_otherwise_than_was_measured_has_left_its_grant() -> None:
    asked = sample("web-01")
    denial = judged(began(), asked, says(asked.call), samples={asked.call: told(0.3)})
    assert denial is not None
    assert denial.code == OUTSIDE_ENVELOPE
    assert denial.message == "granted while error_rate < 1%, which does not hold"


@pytest.mark.parametrize(
    "change",
    [
        lambda _: {"arguments": {"targets": ["web-03"]}},
        lambda _: {"arguments": {"targets": []}},
        lambda _: {"tool": "query_latency"},
        lambda _: {"version": "2"},
        lambda _: {"purpose": Purpose.DO},
    ],
    ids=["of others", "of none", "another metric", "another version", "no look"],
)
def test_only_a_sample_of_the_condition_counts(change: Callable[[None], dict[str, Any]]) -> None:
    asked = sample("web-01", **change(None))
    denial = judged(began(), asked, says(asked.call), samples={asked.call: told(0.0)})
    assert denial is not None
    assert denial.code == NOT_MEASURED


@pytest.mark.parametrize(
    "view",
    [
        told(None),
        told("0"),
        told(0.0, "web-09"),
        told(0.0, status=CallStatus.FAILED),
        told(0.0, status=CallStatus.DENIED),
        CallView(status=CallStatus.SUCCEEDED),
        CallView(),
    ],
)
def test_a_sample_that_shows_nothing_proves_nothing(view: CallView) -> None:
    asked = sample("web-01")
    denial = judged(began(), asked, says(asked.call), samples={asked.call: view})
    assert denial is not None
    assert denial.code == NOT_MEASURED


@pytest.mark.parametrize("outcome", ["broken", "unknown"])
def test_what_the_run_itself_does_not_call_held_is_not(outcome: str) -> None:
    asked = sample("web-01")
    seen = {asked.call: told(0.0)}
    denial = judged(
        began(), asked, says(asked.call), says(asked.call, outcome=outcome), samples=seen
    )
    assert denial is not None
    assert denial.code == NOT_MEASURED


def test_a_run_that_leaves_the_measuring_out_is_stopped() -> None:
    assert judged(began()) is not None
    forged = says(uuid4())
    assert judged(began(), forged, samples={forged.calls[0]: told(0.0)}) is not None


def test_an_old_sample_is_not_made_new_by_asking_under_its_name_again() -> None:
    asked = sample("web-01", "web-02")
    seen = {asked.call: told(0.0, "web-01", "web-02")}
    assert judged(began(), asked, began(1), asked, says(asked.call), samples=seen) is not None


def test_in_a_later_phase_all_that_was_reached_must_be_measured() -> None:
    narrow, whole = sample("web-02"), sample("web-01", "web-02")
    seen = {one.call: told(0.0, "web-01", "web-02") for one in (narrow, whole)}
    assert judged(began(1), narrow, says(narrow.call), samples=seen) is not None
    assert judged(began(1), whole, says(whole.call), samples=seen) is None


def test_each_metric_of_the_condition_must_be_measured() -> None:
    asked = sample("web-01")
    seen = {asked.call: told(0.0)}
    both = "error_rate < 1% and latency_p99 < 1s"
    assert judged(began(), asked, says(asked.call), samples=seen, condition=both) is not None
    slow = sample("web-01", tool="query_latency")
    seen[slow.call] = told(20.0)
    told_of = says(asked.call, slow.call)
    assert judged(began(), asked, slow, told_of, samples=seen, condition=both) is None


def test_a_condition_that_nobody_can_read_lets_nothing_out() -> None:
    asked = sample("web-01")
    seen = {asked.call: told(0.0)}
    denial = judged(began(), asked, says(asked.call), samples=seen, condition="error_rate is low")
    assert denial is not None
    assert denial.code == NOT_MEASURED
