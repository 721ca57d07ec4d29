"""Runbooks with computed steps: where those stand, and which steps they refer to."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydantic import TypeAdapter
from smartops.contracts.commands import IntentContext, WantedStep
from smartops.contracts.events import TaskSubmitted
from smartops.contracts.tools import ToolDescriptor
from smartops.contracts.wire import Environment
from smartops.planner.agents import RunbookAgent
from smartops.planner.agents.base import Draft, Misunderstood
from smartops.planner.agents.phasing import Windows
from smartops.sandbox import Level, Sandbox, Value
from support.handbook import ROOT, blocks
from support.plans import REQUESTER, TASK
from support.registered import REGISTERED

AGENT = RunbookAgent(
    Windows(timedelta(seconds=2), timedelta(seconds=1), timedelta(milliseconds=250)), frozenset()
)
TOOLS: dict[str, ToolDescriptor] = REGISTERED


def compute(target: str, **inputs: Any) -> WantedStep:
    return WantedStep(tool="compute", target=target, arguments={"code": "x", "inputs": inputs})


def noop(target: str) -> WantedStep:
    return WantedStep(tool="noop", target=target, arguments={"n": 1})


def drafted(*steps: WantedStep) -> Draft | Misunderstood:
    submitted = TaskSubmitted(
        intent="Carry these steps out",
        environment=Environment.STAGING,
        context=IntentContext(steps=steps),
        source="api",
        tags=(),
        requester=REQUESTER,
        command=TASK,
        content="sha256:" + "0" * 64,
    )
    spec = AGENT.specify(submitted)
    assert not isinstance(spec, Misunderstood)
    return AGENT.draft(submitted, spec, {}, TOOLS)


def shape(draft: Draft | Misunderstood) -> list[tuple[str, list[str]]]:
    assert isinstance(draft, Draft), draft
    return [(phase.name, [step.id for step in phase.steps]) for phase in draft.phases]


def test_what_looks_at_the_whole_comes_last_and_is_no_asset() -> None:
    draft = drafted(compute("fleet"), noop("a"), noop("b"))
    assert shape(draft) == [
        ("Canary", ["canary/1-noop/a"]),
        ("Wave 1", ["wave-1/1-noop/b"]),
        ("Conclusion", ["conclusion/1-compute/fleet"]),
    ]
    assert isinstance(draft, Draft)
    assert draft.total_assets == 2


def test_what_looks_at_one_target_goes_where_that_goes() -> None:
    assert shape(drafted(noop("a"), noop("b"), compute("a"))) == [
        ("Canary", ["canary/1-noop/a", "canary/2-compute/a"]),
        ("Wave 1", ["wave-1/1-noop/b"]),
    ]


def test_computed_steps_alone_are_a_runbook_too() -> None:
    draft = drafted(compute("x"), compute("x"), compute("y"))
    ids = ["conclusion/1-compute/x", "conclusion/2-compute/x", "conclusion/1-compute/y"]
    assert shape(draft) == [("Conclusion", ids)]


def test_numbers_become_ids_of_steps() -> None:
    draft = drafted(
        noop("a"), noop("b"), compute("all", first={"$output": 1}, n=5, second={"$output": 2})
    )
    assert isinstance(draft, Draft)
    assert draft.phases[-1].steps[0].arguments == {
        "code": "x",
        "inputs": {
            "first": {"$output": "canary/1-noop/a"},
            "n": 5,
            "second": {"$output": "wave-1/1-noop/b"},
        },
    }


@pytest.mark.parametrize(
    ("steps", "why"),
    [
        ([noop("a"), compute("a", x={"$output": 3})], "step 2: x refers to step 3"),
        ([compute("a", x={"$output": 2}), noop("a")], "step 1: x refers to step 2"),
        ([noop("a"), compute("a", x={"$output": 2})], "step 2: x refers to step 2"),
        # The other target is not done with by then.
        ([noop("a"), noop("b"), compute("a", x={"$output": 2})], "not carried out before it"),
        ([noop("a"), compute("b", x={"$output": "a"})], "step 2: "),
        ([noop("a"), compute("b", x={"$output": True})], "step 2: "),
        ([noop("a"), compute("b", x=[{"$output": 1}])], "step 2: "),
        (
            [
                noop("a"),
                WantedStep(tool="noop", target="b", arguments={"n": {"$output": 1}}),
            ],
            "step 2: ",
        ),
    ],
)
def test_a_reference_that_means_nothing_is_refused_by_its_step(
    steps: list[WantedStep], why: str
) -> None:
    found = drafted(*steps)
    assert isinstance(found, Misunderstood)
    assert (found.code, why in found.message) == ("validation_error", True), found.message


async def test_the_example_in_the_handbook_does_what_it_says() -> None:
    (example,) = blocks(ROOT / "docs" / "how-to" / "compute-in-a-plan.md", "json")
    steps = TypeAdapter(list[WantedStep]).validate_json(example.text)
    assert [name for name, _ in shape(drafted(*steps))] == ["Canary", "Wave 1", "Conclusion"]
    code = str(steps[-1].arguments["code"])
    run = Sandbox(Level.PROCESS).run
    same = {"a": {"version": "2.4.1"}, "b": {"version": "2.4.1"}}
    expected = Value({"ok": True, "detail": "they run ['2.4.1']"})
    assert (await run(code, same)).outcome == expected
    other = {**same, "b": {"version": "2.4.0"}}
    expected = Value({"ok": False, "detail": "they run ['2.4.0', '2.4.1']"})
    assert (await run(code, other)).outcome == expected
