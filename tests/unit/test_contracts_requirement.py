"""What must hold while a grant is used: read, joined, and judged over every target."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from smartops.contracts.bounds import LONGEST_CONDITION, Limits, LimitsV1
from smartops.contracts.commands import ApprovalDecide, ApprovalDecideV1
from smartops.contracts.condition import MAX_COMPARISONS, Condition, read_condition
from smartops.contracts.errors import Malformed
from smartops.contracts.measured import Measured
from smartops.contracts.requirement import (
    guard_window_ms,
    guarded_targets,
    guards_of,
    holds,
    joined,
    read_requirement,
    unmeasured,
)
from smartops.contracts.wire import Check
from support.plans import CHECKS, TASK, phase, plan, step

QUEUE = Check(type="custom_metric", name="queue", query="sum(queue_depth)", threshold="< 10")


def over(*values: float, missing: int = 0) -> Measured:
    """What these targets gave, and so many did not."""
    return Measured(low=min(values, default=None), high=max(values, default=None),
                    complete=bool(values) and not missing)  # fmt: skip


# ---- every target, not any ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "rates", "expected"),
    [
        ("error_rate < 1%", over(0.0, 0.009), True),
        ("error_rate < 1%", over(0.0, 0.01), False),
        ("error_rate < 1%", over(0.0, missing=1), None),
        ("error_rate < 1%", over(0.02, missing=1), False),
        ("error_rate < 1%", over(), None),
        ("not error_rate > 1%", over(0.0, 0.01), True),
        ("not error_rate > 1%", over(0.0, 0.011), False),
        ("not (error_rate > 1% or error_rate > 5%)", over(0.02), False),
        ("not not error_rate < 1%", over(0.0, 0.02), False),
        ("error_rate < 1% or error_rate > 50%", over(0.6, 0.7), True),
        ("error_rate < 1% or error_rate > 50%", over(0.0, 0.7), False),
        ("error_rate < 1% and latency_p99 < 500ms", over(0.0), None),
        ("error_rate < 1% and latency_p99 < 500ms", over(0.3), False),
    ],
)
def test_a_condition_holds_only_if_it_does_for_every_target(
    text: str, rates: Measured, *, expected: bool | None
) -> None:
    assert holds(read_requirement(text), {"error_rate": rates}) is expected


_LIMITS = st.tuples(st.sampled_from(["<", "<=", ">", ">="]), st.integers(0, 4))
_ATOMS = st.tuples(st.sampled_from(["a", "b"]), _LIMITS).map(
    lambda one: f"{one[0]} {one[1][0]} {one[1][1]}"
)
_TEXTS = st.recursive(
    _ATOMS,
    lambda inner: st.one_of(
        inner.map(lambda part: f"not ({part})"),
        st.tuples(inner, inner).map(lambda two: f"({two[0]}) and ({two[1]})"),
        st.tuples(inner, inner).map(lambda two: f"({two[0]}) or ({two[1]})"),
    ),
    max_leaves=5,
)


@given(_TEXTS, st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=4))
def test_what_holds_is_true_of_each_target_alone(text: str, targets: list[tuple[int, int]]) -> None:
    condition = read_requirement(text)
    whole = {"a": over(*(float(a) for a, _ in targets)), "b": over(*(float(b) for _, b in targets))}
    alone = [holds(condition, {"a": over(float(a)), "b": over(float(b))}) for a, b in targets]
    assert None not in alone
    if holds(condition, whole):
        assert all(alone)
    if len(targets) == 1:
        assert holds(condition, whole) is alone[0]


_PAIRS = st.tuples(st.integers(0, 4), st.integers(0, 4))


@given(_TEXTS, _PAIRS, _PAIRS)
def test_what_is_said_with_a_target_missing_stays_true_whatever_that_one_has(
    text: str, seen: tuple[int, int], unseen: tuple[int, int]
) -> None:
    condition = read_requirement(text)
    names = ("a", "b")
    part = {name: over(float(value), missing=1) for name, value in zip(names, seen, strict=True)}
    whole = {
        name: over(float(one), float(other))
        for name, one, other in zip(names, seen, unseen, strict=True)
    }
    assert holds(condition, part) in (None, holds(condition, whole))


# ---- read and joined ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        (" ", "it says nothing: write one like 'error_rate < 1%'"),
        ("error_rate", "one of < <= > >= is wanted at character 11, not the end"),
        ("error_rate < 1", "error_rate is compared with a number that has %, not '< 1'"),
        ("error_rate < 1% until 14:00", "'and', 'or' or the end is wanted at character 17"),
    ],
)
def test_what_is_no_condition_is_told_with_its_place(text: str, wrong: str) -> None:
    with pytest.raises(Malformed) as caught:
        read_requirement(text)
    assert wrong in caught.value.reason


def test_of_several_conditions_all_must_hold() -> None:
    one, two = "error_rate < 1%", "latency_p99 < 1s or http_200 >= 99%"
    assert joined([]) is None
    assert joined([one]) == one
    assert joined([one, " error_rate<1% "]) == one
    assert joined([one, two]) == "error_rate < 1% and (latency_p99 < 1s or http_200 >= 99%)"
    ill = {"error_rate": over(0.0), "latency_p99": over(2000.0), "http_200": over(0.5)}
    assert holds(read_requirement(joined([one, two]) or ""), ill) is False


@given(st.lists(_TEXTS, min_size=1, max_size=4))
def test_what_was_joined_reads_as_what_was_said(texts: list[str]) -> None:
    whole = joined(texts)
    assert whole is not None
    read: Condition | None = read_condition(whole)
    assert str(read) == whole


def test_more_than_can_be_read_again_is_not_joined() -> None:
    half = " and ".join(f"m{number} < 1" for number in range(MAX_COMPARISONS // 2 + 1))
    other = half.replace("m", "n")
    assert joined([half]) is not None
    with pytest.raises(Malformed, match="more than 50 comparisons"):
        joined([half, other])
    long = [f"{'x' * 400}{number} < 1" for number in range(11)]
    with pytest.raises(Malformed, match="more than 4000 characters"):
        joined(long)


def test_a_condition_is_bounded_in_length_by_its_field() -> None:
    with pytest.raises(ValidationError, match="condition"):
        Limits(condition="x" * (LONGEST_CONDITION + 1))
    with pytest.raises(ValidationError, match="condition"):
        Limits(condition="")
    assert not Limits().given
    assert Limits(condition="error_rate < 1%").given


def test_a_voice_of_an_older_client_limits_what_it_did() -> None:
    told = ApprovalDecideV1(
        task=TASK,
        plan_hash=f"sha256:{'0' * 64}",
        assessment_hash=f"sha256:{'1' * 64}",
        decision="approve",
        limits=LimitsV1(max_targets=3),
    )
    assert ApprovalDecide.of(told).limits == Limits(max_targets=3)


# ---- what a plan can be held to ----------------------------------------------------------------


def test_a_metric_that_nobody_measures_is_named_with_those_that_there_are() -> None:
    without = plan(phase(step("web-01")))
    told = unmeasured(without, Limits(condition="queue < 10"))
    assert told is not None
    assert "nobody measures 'queue' for this plan" in told
    assert "error_rate, http_200, latency_p99" in told
    assert "custom_metric" in told
    measuring = plan(phase(step("web-01"), checks=(QUEUE,), rollback_if=""))
    assert unmeasured(measuring, Limits(condition="queue < 10")) is None
    known = "error_rate < 1% and latency_p99 < 1s and http_200 >= 90%"
    assert unmeasured(without, Limits(condition=known)) is None
    assert unmeasured(without, Limits()) is None


def test_a_condition_is_measured_beside_what_the_phase_is_watched_by() -> None:
    ready = Check(type="http_200", target="/ready")
    made = plan(
        phase(step("web-01"), checks=(QUEUE, ready), rollback_if="", name="a"),
        phase(step("web-02"), step("web-01", phase="b"), checks=CHECKS, name="b"),
    )
    condition = read_requirement("error_rate < 1% and queue < 10 and http_200 >= 90%")
    guards = guards_of(made, 1, condition)
    assert [(one.number, one.type, one.metric) for one in guards] == [
        (2, "error_rate", "error_rate"),
        (3, "custom_metric", "queue"),
        (4, "http_200", "http_200"),
    ]
    assert (guards[1].query, guards[2].path) == ("sum(queue_depth)", "/health")
    assert guards_of(made, 0, condition)[2].path == "/ready"
    assert guarded_targets(made, 0) == ("web-01",)
    assert guarded_targets(made, 1) == ("web-01", "web-02")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [({}, 3000), ({"watch_ms": 500}, 500), ({"checks": CHECKS}, 1000)],
)
def test_a_phase_that_nobody_watches_is_watched_under_a_condition(
    fields: dict[str, object], expected: int
) -> None:
    made, _ = phase(step("web-01"), **fields)  # type: ignore[arg-type]
    assert guard_window_ms(made) == expected
