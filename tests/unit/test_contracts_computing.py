"""The arguments of a computed step, its references, and what its result says."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import JsonValue
from smartops.contracts.computing import (
    Computation,
    computation_of,
    filled,
    references,
    verdict_of,
)
from smartops.contracts.errors import Malformed
from smartops.contracts.plan import Plan, Step
from smartops.contracts.watching import problems_of
from smartops.contracts.wire import Category
from support.plans import phase, plan, step, tool

COMPUTE = tool("compute", category=Category.READ)
LOOK = tool("look", category=Category.READ)


def computing(target: str, *refers: str, **arguments: Any) -> Step:
    inputs = {f"in{n}": {"$output": name} for n, name in enumerate(refers)}
    given = {"code": "result = 1", "inputs": inputs, **arguments}
    return step(target, COMPUTE, arguments=given)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"code": ""},
        {"code": "x" * 32_001},
        {"code": "x", "more": 1},
        {"code": "x", "inputs": {str(n): n for n in range(101)}},
        {"code": "x", "inputs": {"a": {"$output": 1}}},
        {"code": "x", "inputs": {"a": [{"$output": "a/b"}]}},
        {"code": "x", "inputs": {"a": {"$output": "a/b", "more": 1}}},
    ],
)
def test_what_is_no_computation_is_refused(arguments: dict[str, JsonValue]) -> None:
    with pytest.raises(Malformed, match="not a computation"):
        computation_of(arguments)


def test_references_are_filled_in_and_other_values_stay() -> None:
    computation = Computation(
        code="x", inputs={"a": {"$output": "p/look/a"}, "b": {"$output": "p/look/a"}, "c": [1, 2]}
    )
    assert references(computation) == ("p/look/a",)
    assert filled(computation, {"p/look/a": {"n": 1}}) == {
        "a": {"n": 1},
        "b": {"n": 1},
        "c": [1, 2],
    }
    with pytest.raises(KeyError):
        filled(computation, {})


def test_an_output_that_looks_like_a_reference_is_a_value() -> None:
    computation = Computation(code="x", inputs={"a": {"$output": "one"}})
    assert filled(computation, {"one": {"$output": "two"}}) == {"a": {"$output": "two"}}


@pytest.mark.parametrize(
    "result",
    [None, 1, [], {}, {"ok": True}, {"ok": 1, "detail": ""}, {"ok": "yes", "detail": ""},
     {"ok": True, "detail": 1}, {"ok": True, "detail": "x" * 4001}],
)  # fmt: skip
def test_a_result_that_does_not_say_whether_it_holds_is_none(result: JsonValue) -> None:
    with pytest.raises(Malformed):
        verdict_of(result)


def test_a_result_may_say_more() -> None:
    assert verdict_of({"ok": False, "detail": "two versions", "versions": [1, 2]}) == (
        False,
        "two versions",
    )


def problems(*phases: Any) -> list[str]:
    made: Plan = plan(*phases)
    return [path for path, _ in problems_of(made)]


def test_a_reference_names_a_step_that_has_ended_by_then() -> None:
    look = step("a", LOOK)
    later = phase(computing("x", "p/look/a"), name="later")
    assert problems(phase(look), later) == []
    assert problems(phase(look, computing("x", "p/look/a"), sequential=True)) == []
    # Side by side nobody knows which ends first.
    assert problems(phase(look, computing("x", "p/look/a"))) == ["/steps/1/arguments/inputs"]
    assert problems(phase(computing("x", "p/look/a"), look, sequential=True)) == [
        "/steps/0/arguments/inputs"
    ]
    assert problems(phase(computing("x", "p/compute/x"), sequential=True)) == [
        "/steps/0/arguments/inputs"
    ]
    assert problems(phase(look), phase(computing("x", "nowhere"))) == ["/steps/1/arguments/inputs"]


def test_a_plan_with_a_computation_that_is_none_is_unsound() -> None:
    assert problems(phase(computing("x", code=""))) == ["/steps/0/arguments"]
