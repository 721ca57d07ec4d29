"""What held at a time is what the log said by then, no more and no less."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from smartops.contracts.autonomy import ANY
from smartops.contracts.events import AutonomyChanged, AutonomyDefaultSet
from smartops.contracts.folds import (
    AutonomyDefault,
    AutonomyScope,
    AutonomyView,
    effective_level,
    evolve_autonomy,
)
from smartops.contracts.wire import EventData
from smartops.sdk.cli.moments import past_moment
from smartops.sdk.cli.session import Usage
from smartops.sdk.event import Event
from smartops.sdk.levels import levels_at

START = datetime(2026, 11, 21, 14, tzinfo=UTC)
SCOPES = st.builds(
    AutonomyScope,
    st.sampled_from(("1.0.0", ANY)),
    st.sampled_from(("patch", "restart", ANY)),
    st.sampled_from(("staging", "production", ANY)),
)
CELL = AutonomyScope("1.0.0", "patch", "staging")


def event(number: int, data: EventData, stream: str = "acme/autonomy-drift") -> Event:
    return Event(
        id=uuid4(),
        topic=data.type_key(),
        tenant="acme",
        stream=stream,
        version=number,
        entity="-",
        task=None,
        cause=None,
        time=START + timedelta(minutes=number),
        data=data,
        raw=b"",
    )


def said(number: int, scope: AutonomyScope, level: int, before: int | None = None) -> Event:
    return event(
        number,
        AutonomyChanged(
            agent="drift",
            agent_version=scope.version,
            tool=scope.tool,
            environment=scope.environment,
            level=level,
            before=before,
            rule="rollback",
            reason="so it was",
        ),
    )


@given(st.lists(st.tuples(SCOPES, st.integers(0, 3)), max_size=12), st.integers(0, 14))
def test_what_held_at_a_time_is_the_fold_of_what_had_been_said(
    history: list[tuple[AutonomyScope, int]], minutes: int
) -> None:
    own = [said(number, *one) for number, one in enumerate(history, start=1)]
    view = AutonomyView()
    for one in own[:minutes]:
        assert one.data is not None
        view = evolve_autonomy(view, one.data)
    then = levels_at(own, [], START + timedelta(minutes=minutes))
    assert then.view == view
    held = then.held(CELL)
    assert held.level == effective_level(view, AutonomyDefault(), CELL)
    assert held.rests_on is None or held.rests_on in own[:minutes]
    assert set(held.chain) <= set(own[:minutes])


def test_the_default_is_that_of_the_time() -> None:
    default = [
        event(5, AutonomyDefaultSet(production=0, elsewhere=1), "_platform/autonomy-default")
    ]
    assert levels_at([], default, START).held(CELL).level == 2
    now = levels_at([], default).held(CELL)
    assert (now.level, now.rests_on) == (1, None)


def test_the_chain_tells_all_that_a_level_lies_within() -> None:
    wide, other = AutonomyScope(ANY, ANY, "staging"), AutonomyScope("1.0.0", "restart", "staging")
    own = [said(1, wide, 1), said(2, other, 1), said(3, CELL, 1), said(4, CELL, 2)]
    held = levels_at(own, []).held(CELL)
    assert (held.level, held.rests_on) == (2, own[3])
    assert held.chain == (own[0], own[2], own[3])


def test_a_cap_above_the_default_is_told_as_what_it_is() -> None:
    cap = AutonomyScope(ANY, ANY, "production")
    held = levels_at([said(1, cap, 2)], []).held(AutonomyScope("1.0.0", "patch", "production"))
    assert (held.level, held.default_lower) == (1, True)


def test_without_anything_each_environment_is_told() -> None:
    scopes = levels_at([], []).scopes([])
    assert [scope.environment for scope in scopes] == [
        "development",
        "production",
        "sandbox",
        "staging",
    ]
    assert levels_at([], []).scopes([CELL]) == [CELL]


NOW = datetime(2026, 11, 21, 15, 30, tzinfo=timezone(timedelta(hours=1)))


@pytest.mark.parametrize(
    ("text", "then"),
    [
        ("45m", NOW - timedelta(minutes=45)),
        ("14:03", NOW.replace(hour=14, minute=3)),
        ("16:00", NOW.replace(hour=16, minute=0) - timedelta(days=1)),
        ("2026-11-20T08:00", NOW.replace(day=20, hour=8, minute=0)),
        ("2026-11-20T08:00+00:00", datetime(2026, 11, 20, 8, tzinfo=UTC)),
    ],
)
def test_a_time_that_was_is_read_as_people_write_it(text: str, then: datetime) -> None:
    assert past_moment(text, NOW, "--at") == then


@pytest.mark.parametrize("text", ["tomorrow", "2026-11-22T00:00", "25:00", ""])
def test_what_is_no_time_that_was_is_refused_by_name(text: str) -> None:
    with pytest.raises(Usage, match="--at"):
        past_moment(text, NOW, "--at")
