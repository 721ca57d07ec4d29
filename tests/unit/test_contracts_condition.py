"""`rollback_if`: read by one grammar, and decided in three-valued logic."""

from __future__ import annotations

import contextlib
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from smartops.contracts.condition import (
    MAX_COMPARISONS,
    MAX_DEPTH,
    AllOf,
    AnyOf,
    Comparison,
    Condition,
    Negation,
    evaluate,
    metrics_of,
    read_condition,
)
from smartops.contracts.errors import Malformed
from smartops.contracts.measured import Measured, merged
from smartops.contracts.quantities import UNITS, Limit

NAMES = ("error_rate", "latency_p99", "http_200", "queue_depth", "x1")


@st.composite
def limits(draw: st.DrawFn, metric: str) -> Limit:
    number = draw(st.decimals(-999, 999, places=3, allow_nan=False))
    return Limit(
        draw(st.sampled_from(("<", "<=", ">", ">="))),
        number,
        draw(st.sampled_from(UNITS.get(metric, ("",)))),
    )


@st.composite
def comparisons(draw: st.DrawFn) -> Comparison:
    metric = draw(st.sampled_from(NAMES))
    return Comparison(metric, draw(limits(metric)))


def _branches(inner: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
    parts = st.lists(inner, min_size=2, max_size=3).map(tuple)
    return st.one_of(inner.map(Negation), parts.map(AllOf), parts.map(AnyOf))


CONDITIONS: st.SearchStrategy[Condition] = st.recursive(comparisons(), _branches, max_leaves=10)
NUMBERS = st.floats(-2000, 2000, allow_nan=False)


@st.composite
def measured(draw: st.DrawFn) -> Measured:
    some = sorted(draw(st.lists(NUMBERS, max_size=3)))
    if not some:
        return Measured()
    return Measured(low=some[0], high=some[-1], complete=draw(st.booleans()))


VALUES = st.dictionaries(st.sampled_from(NAMES), measured())


@given(CONDITIONS)
def test_what_is_printed_is_read_as_the_same(condition: Condition) -> None:
    assert read_condition(str(condition)) == condition


@given(CONDITIONS, VALUES)
def test_every_condition_is_decided_or_unknown_and_nothing_is_raised(
    condition: Condition, values: dict[str, Measured]
) -> None:
    assert evaluate(condition, values) in (True, False, None)


@given(CONDITIONS, VALUES, VALUES)
def test_what_was_decided_stays_decided_however_the_missing_turn_out(
    condition: Condition, values: dict[str, Measured], later: dict[str, Measured]
) -> None:
    """To learn more never turns a yes into a no."""
    before = evaluate(condition, values)
    filled = {
        name: known
        if known.complete
        else merged(
            one for one in (known, later.get(name, Measured())) if one.low is not None
        ).model_copy(update={"complete": True})
        for name, known in {**later, **values}.items()
    }
    after = evaluate(condition, filled)
    assert before is None or after is before


@given(CONDITIONS, st.dictionaries(st.sampled_from(NAMES), NUMBERS))
def test_with_all_values_there_is_always_a_decision(
    condition: Condition, values: dict[str, float]
) -> None:
    whole = {name: Measured(low=0.0, high=0.0, complete=True) for name in NAMES}
    whole |= {n: Measured(low=v, high=v, complete=True) for n, v in values.items()}
    assert evaluate(condition, whole) is not None


@given(CONDITIONS)
def test_with_nothing_known_nothing_is_decided(condition: Condition) -> None:
    assert evaluate(condition, {}) is None


@given(CONDITIONS, VALUES)
def test_a_negation_is_the_opposite(condition: Condition, values: dict[str, Measured]) -> None:
    held, opposite = evaluate(condition, values), evaluate(Negation(condition), values)
    assert opposite is (None if held is None else not held)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(Malformed):
        read_condition(text)


@pytest.mark.parametrize(
    ("text", "values", "held"),
    [
        ("error_rate > 1%", {"error_rate": (0.001, 0.02)}, True),
        ("error_rate > 1%", {"error_rate": (0.001, 0.01)}, False),
        ("latency_p99 >= 0.5s", {"latency_p99": (10, 500)}, True),
        ("latency_p99 >= 500ms", {"latency_p99": (10, 499.9)}, False),
        ("http_200 < 100%", {"http_200": (0.9, 0.9)}, True),
        ("queue < 3 AND not queue < 1", {"queue": (2, 9)}, True),
        ("a > 1 or b > 1", {"a": (2, 2)}, True),
        ("a > 1 and b > 1", {"a": (0, 0)}, False),
        ("a > 1 or b > 1", {"a": (0, 0)}, None),
        ("a > 1 and b > 1", {"a": (2, 2)}, None),
        ("a > 1 or a < 1 and b > 1", {"a": (2, 2)}, True),
        ("(a > 1 or a < 1) and b > 1", {"a": (2, 2)}, None),
    ],
)
def test_conditions_mean_what_people_take_them_for(
    text: str,
    values: dict[str, tuple[float, float]],
    held: bool | None,  # noqa: FBT001
) -> None:
    condition = read_condition(text)
    assert condition is not None
    known = {n: Measured(low=a, high=b, complete=True) for n, (a, b) in values.items()}
    assert evaluate(condition, known) is held


def test_one_target_over_the_limit_decides_though_another_is_silent() -> None:
    condition = read_condition("error_rate > 1%")
    assert condition is not None
    half = {"error_rate": Measured(low=0.0, high=0.5, complete=False)}
    assert evaluate(condition, half) is True
    assert evaluate(condition, {"error_rate": Measured(low=0.0, high=0.0)}) is None


@pytest.mark.parametrize("text", ["", " ", "\n\t"])
def test_an_empty_text_states_no_condition(text: str) -> None:
    assert read_condition(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "when people say so",
        "error_rate",
        "error_rate >",
        "error_rate > 1",
        "error_rate > 1ms",
        "latency_p99 > 1%",
        "latency_p99 > 500",
        "queue > 5%",
        "error_rate = 1%",
        "error_rate == 1%",
        "1% < error_rate",
        "error_rate > 1% or",
        "(error_rate > 1%",
        "error_rate > 1%)",
        "error_rate > 1% error_rate > 2%",
        "not",
        "__import__('os')",
        "error_rate > 1%; drop",
        "queue > nan",
        "queue > 1e9",
        " and ".join(["a > 1"] * (MAX_COMPARISONS + 1)),
        "(" * (MAX_DEPTH + 1) + "a > 1" + ")" * (MAX_DEPTH + 1),
        "not " * 3000 + "a > 1",
    ],
)
def test_what_is_not_of_the_grammar_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        read_condition(text)


def test_a_refusal_says_where() -> None:
    with pytest.raises(Malformed, match=r"'= 1%' at character 11 is not understood"):
        read_condition("error_rate = 1%")
    with pytest.raises(Malformed, match=r"a number is wanted at character 14, not 'one'"):
        read_condition("error_rate > one")


def test_metrics_are_each_named_once_in_order() -> None:
    condition = read_condition("b > 1 or (a > 1 and not b < 0)")
    assert condition is not None
    assert metrics_of(condition) == ("b", "a")
    assert read_condition("x > 1.50") == Comparison("x", Limit(">", Decimal("1.50")))
