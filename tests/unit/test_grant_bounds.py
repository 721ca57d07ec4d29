"""The envelope of a grant: drawn from the plan, closer by its approvers, never wider."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue
from smartops.contracts.bounds import Envelope, Limits, ParameterBound
from smartops.contracts.plan import Plan
from smartops.contracts.wire import Category
from smartops.policy.gate.bounds import ATTEMPTS, envelope_of, expiry_within, too_wide
from smartops.runner.steps import MAX_ATTEMPTS
from smartops.sdk.cli.moments import moment
from smartops.sdk.cli.session import Usage
from support import plans

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=timezone(timedelta(hours=1)))
LOOK = plans.tool("look", category=Category.READ, undo=None)


def three_servers() -> Plan:
    steps = [
        plans.step(f"web-{n}", arguments={"asset": f"web-{n}", "v": v})
        for n, v in ((1, "2.0"), (2, "2.0"), (3, "2.1"))
    ]
    steps.append(plans.step("web-9", LOOK, arguments={"deep": True}))
    return plans.plan(plans.phase(*steps))


def test_the_envelope_reaches_as_far_as_the_plan() -> None:
    envelope = envelope_of(three_servers())
    assert (envelope.max_targets, envelope.max_calls) == (3, 4 * ATTEMPTS)
    assert envelope.parameters == (
        ParameterBound(tool="look", parameter="deep", one_of=(True,)),
        ParameterBound(tool="patch", parameter="v", one_of=("2.0", "2.1")),
    )


def test_code_of_the_plan_is_no_argument_of_a_call() -> None:
    compute = plans.tool("compute", category=Category.READ)
    steps = plans.step("all", compute, arguments={"code": "x" * 30_000})
    assert envelope_of(plans.plan(plans.phase(steps))).parameters == ()


def test_a_run_that_behaves_never_meets_its_own_bound() -> None:
    assert ATTEMPTS > MAX_ATTEMPTS


def test_of_several_limits_the_strictest_holds() -> None:
    ends = NOW + timedelta(hours=2)
    limits = (Limits(max_targets=2), Limits(max_targets=3, max_calls=5), Limits(expires_at=ends))
    envelope = envelope_of(three_servers(), limits)
    assert (envelope.max_targets, envelope.max_calls) == (2, 5)
    assert expiry_within(NOW + timedelta(hours=4), limits) == ends
    assert expiry_within(NOW + timedelta(hours=1), limits) == NOW + timedelta(hours=1)


@pytest.mark.parametrize(
    ("limits", "field"),
    [
        ({"max_targets": 4}, "limits.max_targets"),
        ({"max_calls": 4 * ATTEMPTS + 1}, "limits.max_calls"),
        ({"expires_at": NOW + timedelta(hours=5)}, "limits.expires_at"),
    ],
)
def test_a_limit_that_limits_nothing_is_refused_by_its_field(
    limits: dict[str, Any], field: str
) -> None:
    found = too_wide(three_servers(), Limits(**limits), NOW + timedelta(hours=4))
    assert found is not None
    assert found[0] == field
    assert too_wide(three_servers(), Limits(max_targets=3), NOW) is None


@given(st.lists(st.builds(Limits, max_targets=st.none() | st.integers(1, 3)), max_size=4))
def test_limits_never_widen(limits: list[Limits]) -> None:
    full, drawn = envelope_of(three_servers()), envelope_of(three_servers(), limits)
    assert drawn.max_targets <= full.max_targets
    assert drawn.max_calls <= full.max_calls
    assert drawn.parameters == full.parameters


@pytest.mark.parametrize(
    ("bound", "inside", "outside"),
    [
        ({"one_of": (1, "a")}, [1, "a"], [True, 2, "b", None]),
        ({"minimum": 1, "maximum": 3}, [1, 2.5, 3], [0, 3.1, "2", True, None, [2]]),
        ({"maximum": 3}, [-7, 3], [4, False]),
    ],
)
def test_a_parameter_stays_within_its_bound(
    bound: dict[str, Any], inside: list[JsonValue], outside: list[JsonValue]
) -> None:
    made = ParameterBound(tool="patch", parameter="v", **bound)
    assert all(made.allows(value) for value in inside)
    assert not any(made.allows(value) for value in outside)


def test_an_envelope_with_many_values_leaves_them_to_the_hash() -> None:
    steps = [plans.step(f"web-{n}", arguments={"n": n}) for n in range(30)]
    assert envelope_of(plans.plan(plans.phase(*steps))) == Envelope(
        max_targets=30, max_calls=30 * ATTEMPTS
    )


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("45m", NOW + timedelta(minutes=45)),
        ("2h", NOW + timedelta(hours=2)),
        ("14:00", NOW.replace(hour=14)),
        ("9:30", NOW.replace(day=2, hour=9, minute=30)),
        ("2026-03-01T13:00", NOW.replace(hour=13)),
        ("2026-03-01T13:00+00:00", datetime(2026, 3, 1, 13, 0, tzinfo=UTC)),
    ],
)
def test_a_moment_is_read_as_people_write_it(text: str, meant: datetime) -> None:
    assert moment(text, NOW, "--until") == meant


@pytest.mark.parametrize("text", ["", "soon", "25:00", "0m", "-5m", "2026-02-28", "14.00", "1e3h"])
def test_what_is_no_moment_to_come_is_refused_by_its_option(text: str) -> None:
    with pytest.raises(Usage, match="--until"):
        moment(text, NOW, "--until")
