"""A step under a grant with a condition goes out only if the samples themselves bear it out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast
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
from smartops.contracts.streams import stream
from smartops.contracts.wire import EventData, Purpose
from smartops.tool_gateway.checks import Denial
from smartops.tool_gateway.conditions import NOT_MEASURED, Conditions, check_condition
from support import plans
from support.call_facts import facts_of

CONDITION = "error_rate < 1%"
PLAN = plans.plan(
    plans.phase(plans.step("web-01"), name="one"),
    plans.phase(plans.step("web-02", phase="q"), name="two"),
)
RUN = stream(plans.TENANT, "run", plans.TASK)
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
    seen = {
        call: view if view.facts or call not in run.requests else carried_out(view, run, call)
        for call, view in (samples or {}).items()
    }
    return check_condition(RUN, run, PLAN, condition, seen)


def carried_out(view: CallView, run: RunView, call: UUID, **fields: Any) -> CallView:
    """As the gateway writes it down: what was asked for, by this run."""
    request = run.requests[call]
    about = {"requester_stream": RUN, "purpose": request.purpose, "version": request.version}
    arguments = dict(request.arguments or {})
    facts = facts_of(request.tool, request.target, arguments, **about | fields)
    return replace(view, facts=facts)


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


@pytest.mark.parametrize(
    "fields",
    [
        {"requester_stream": stream(plans.TENANT, "run", uuid4())},
        {"arguments": {"targets": ["web-03"]}},
        {"tool": "noop"},
    ],
    ids=["by another run", "about others", "by another tool"],
)
def test_what_was_carried_out_counts_and_not_what_was_asked_for_by_its_id(
    fields: dict[str, Any],
) -> None:
    asked = sample("web-01")
    run = RunView(requests={asked.call: asked})
    seen = {asked.call: carried_out(told(0.0), run, asked.call)}
    assert judged(began(), asked, says(asked.call), samples=seen) is None
    facts = facts_of("query_error_rate", "web-01", {"targets": ["web-01"]})
    other = facts.model_copy(update={**dict(seen[asked.call].facts or ()), **fields})
    seen = {asked.call: replace(seen[asked.call], facts=other)}
    denial = judged(began(), asked, says(asked.call), samples=seen)
    assert denial is not None
    assert denial.code == NOT_MEASURED


class Answers:
    """Views of samples; counts how often one is looked at."""

    def __init__(self) -> None:
        self.views: dict[UUID, CallView] = {}
        self.looks = 0
        self.call = self

    async def load(self, name: str, **_: Any) -> Any:
        self.looks += 1
        return SimpleNamespace(state=self.views.get(UUID(name.partition("call-")[2]), CallView()))

    async def output(self, _tenant: str, view: CallView) -> JsonValue:
        return view.output


async def test_what_held_once_for_a_batch_is_not_looked_up_for_each_of_its_steps() -> None:
    answers, asked, run = Answers(), sample("web-01"), RunView()
    conditions = Conditions(cast("Any", answers))
    for event in (began(), asked, says(asked.call)):
        run = evolve_run(run, event)
    denial = await conditions.denial(RUN, run, PLAN, CONDITION)
    assert denial is not None, "its answer is awaited"
    answers.views[asked.call] = carried_out(told(0.0), run, asked.call)
    assert await conditions.denial(RUN, run, PLAN, CONDITION) is None
    looks = answers.looks
    assert await conditions.denial(RUN, run, PLAN, CONDITION) is None
    assert answers.looks == looks
    # The word of the next batch, of another run or another condition has to be borne out anew.
    later = evolve_run(run, TaskBatchCompleted(**OF, phase=0, batch=0, steps=1))
    assert await conditions.denial(RUN, later, PLAN, CONDITION) is not None
    repeated = evolve_run(later, says(asked.call))
    assert await conditions.denial(RUN, repeated, PLAN, CONDITION) is not None
    other = stream(plans.TENANT, "run", uuid4())
    assert await conditions.denial(other, run, PLAN, CONDITION) is not None
    assert (
        await conditions.denial(RUN, run, PLAN, "error_rate < 2% and latency_p99 < 1s") is not None
    )


@pytest.mark.parametrize("phase", [-1, 2])
async def test_in_a_phase_that_the_plan_has_not_nothing_is_shown(phase: int) -> None:
    run = RunView(phase=phase)
    assert await Conditions(cast("Any", Answers())).denial(RUN, run, PLAN, CONDITION) is not None
