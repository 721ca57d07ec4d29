"""Risk and quality: every threshold from both sides, bounds, and more assets never risk less."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from smartops.contracts.wire import Environment, RiskLevel, Scope
from smartops.policy.agents.track import TrackRecord
from smartops.policy.scoring.quality import DIMENSIONS, Quality, quality_of
from smartops.policy.scoring.reach import Reach
from smartops.policy.scoring.risk import WEIGHTS, Part, Risk, level_of, risk_of

MONDAY_NOON = datetime(2026, 11, 16, 12, tzinfo=UTC)
NOW = datetime(2026, 11, 16, 12, tzinfo=UTC)

ONE = Reach(
    environment=Environment.STAGING,
    writes=1,
    changed=("web-01",),
    assets=1,
    total=100,
    counted=True,
    largest_phase=1,
    canary=True,
)
"""One reversible, watched write on one asset of a hundred, of which nothing bad is known."""


def risk(
    reach: Reach = ONE,
    track: TrackRecord = TrackRecord(),  # noqa: B008 - frozen
    strayed: int | None = 0,
    begins: datetime = MONDAY_NOON,
) -> Risk:
    return risk_of(reach, track, strayed, begins)


def points(part: str, **fields: Any) -> int:
    return risk(**fields).points(part)


def quality(reach: Reach = ONE, track: TrackRecord | None = None, **fields: Any) -> Quality:
    told = {"grounded": True, "rehearsed": False, "within_limits": True, "now": NOW}
    return quality_of(reach, track or TrackRecord(), **(told | fields))


# ---- risk ---------------------------------------------------------------------------------------


def test_the_weights_make_a_whole() -> None:
    assert sum(WEIGHTS.values()) == 100


@pytest.mark.parametrize(
    ("score", "level"),
    [
        (0, "low"), (24, "low"), (25, "medium"), (49, "medium"), (50, "high"), (74, "high"),
        (75, "critical"), (100, "critical"),
    ],
)  # fmt: skip
def test_the_level_of_a_score(score: int, level: str) -> None:
    assert level_of(score) == level


@pytest.mark.parametrize(("score", "wanted"), [(40, False), (41, True)])
def test_a_canary_is_wanted_above_forty(score: int, *, wanted: bool) -> None:
    assert whole(score).canary_wanted is wanted


@pytest.mark.parametrize(
    ("score", "batch"), [(24, 50), (25, 25), (49, 25), (50, 10), (74, 10), (75, 5)]
)
def test_the_higher_the_risk_the_smaller_the_batch(score: int, batch: int) -> None:
    assert whole(score).suggested_batch_percent == batch


def test_fractions_of_a_point_are_rounded_up() -> None:
    assert Risk({"rollback": Part(1, "")}).score == 1


def test_a_plan_that_changes_nothing_risks_nothing() -> None:
    nothing = risk(Reach(Environment.PRODUCTION), TrackRecord(runs=9, failed=9), None)
    assert (nothing.score, nothing.level, nothing.points("environment")) == (0, RiskLevel.LOW, 0)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [("production", 80), ("staging", 40), ("development", 20), ("sandbox", 10)],
)
def test_the_environments_part(environment: str, expected: int) -> None:
    assert points("environment", reach=replace(ONE, environment=Environment(environment))) == (
        expected
    )


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"assets": 1}, 20),
        ({"assets": 20}, 20),
        ({"assets": 21}, 21),
        ({"assets": 1, "total": 3}, 34),
        ({"assets": 100}, 100),
        ({"assets": 101}, 100),
        ({"assets": 1, "scope": Scope.ENVIRONMENT}, 60),
        ({"assets": 1, "scope": Scope.ORGANIZATION}, 100),
        ({"assets": 1, "unbounded": ("anything",)}, 100),
        ({"assets": 4, "counted": False, "total": 4}, 20),
        ({"assets": 5, "counted": False, "total": 5}, 25),
        ({"assets": 20, "counted": False, "total": 20}, 100),
    ],
)
def test_the_scopes_part(fields: dict[str, Any], expected: int) -> None:
    assert points("scope", reach=replace(ONE, **fields)) == expected


@pytest.mark.parametrize(
    ("track", "expected"),
    [
        (TrackRecord(), 50),
        (TrackRecord(runs=1, succeeded=1), 34),
        (TrackRecord(runs=1, rolled_back=1), 67),
        (TrackRecord(runs=2, failed=1, escalated=1), 75),
        (TrackRecord(runs=98, succeeded=98), 1),
        (TrackRecord(rejected=5), 50),
    ],
)
def test_the_historys_part(track: TrackRecord, expected: int) -> None:
    assert points("history", track=track) == expected


@pytest.mark.parametrize(
    ("assets", "expected"),
    [(1, 10), (2, 25), (5, 25), (6, 50), (20, 50), (21, 75), (100, 75), (101, 100)],
)
def test_the_part_of_the_size(assets: int, expected: int) -> None:
    assert points("change_size", reach=replace(ONE, assets=assets)) == expected


@pytest.mark.parametrize(
    ("day", "hour", "minute", "expected"),
    [
        (16, 7, 59, 40), (16, 8, 0, 20), (16, 17, 59, 20), (16, 18, 0, 40),
        (19, 23, 59, 40), (20, 0, 0, 60), (20, 12, 0, 60), (22, 23, 59, 60), (23, 0, 0, 40),
    ],
)  # fmt: skip
def test_the_part_of_the_time(day: int, hour: int, minute: int, expected: int) -> None:
    """16 November 2026 is a Monday, the 20th a Friday."""
    begins = datetime(2026, 11, day, hour, minute, tzinfo=UTC)
    assert points("timing", begins=begins) == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, 0),
        ({"dependents": 1}, 20),
        ({"dependents": 5}, 20),
        ({"dependents": 6}, 40),
        ({"dependents": 20}, 40),
        ({"dependents": 21}, 60),
        ({"critical": ("web-01",)}, 80),
        ({"unknown": ("web-01",)}, 100),
        ({"unknown": ("web-01",), "critical": ("web-02",)}, 100),
    ],
)
def test_the_part_of_the_dependencies(fields: dict[str, Any], expected: int) -> None:
    assert points("dependencies", reach=replace(ONE, **fields)) == expected


@pytest.mark.parametrize(("strayed", "expected"), [(None, 50), (0, 0), (1, 1), (100, 100)])
def test_the_drifts_part(strayed: int | None, expected: int) -> None:
    assert points("drift", strayed=strayed) == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [({}, 0), ({"unwatched": ("Wave 1",)}, 50), ({"irreversible": 1, "unwatched": ("p",)}, 100)],
)
def test_the_rollbacks_part(fields: dict[str, Any], expected: int) -> None:
    assert points("rollback", reach=replace(ONE, **fields)) == expected


def test_the_score_is_the_weighted_sum() -> None:
    made = risk(replace(ONE, environment=Environment.PRODUCTION, assets=3), strayed=35)
    expected = {
        "environment": 80, "scope": 20, "history": 50, "change_size": 25, "timing": 20,
        "dependencies": 0, "drift": 35, "rollback": 0,
    }  # fmt: skip
    assert {name: made.points(name) for name in WEIGHTS} == expected
    assert made.score == 36  # 16 + 3 + 7.5 + 3.75 + 2 + 0 + 3.5 + 0 = 35.75


# ---- quality ------------------------------------------------------------------------------------


def test_the_dimensions_are_called_as_in_the_specification() -> None:
    assert tuple(quality().dimensions) == DIMENSIONS


def test_who_is_new_has_the_half() -> None:
    new = quality()
    assert [new.of(name) for name in DIMENSIONS] == [20, 20, 5, 5, 0]
    assert new.total == 50


@pytest.mark.parametrize(
    ("fields", "grounded", "expected"),
    [
        ({}, True, 20),
        ({}, False, 15),
        ({"irreversible": 1}, True, 15),
        ({"unwatched": ("p",), "unchecked": ("p",)}, True, 20),
        ({"environment": Environment.PRODUCTION, "unwatched": ("p",)}, True, 15),
        ({"environment": Environment.PRODUCTION, "unchecked": ("p",)}, True, 15),
        (
            {
                "environment": Environment.PRODUCTION,
                "unchecked": ("p",),
                "unwatched": ("p",),
                "irreversible": 1,
            },
            False,
            0,
        ),
    ],
)
def test_structural(fields: dict[str, Any], expected: int, *, grounded: bool) -> None:
    assert quality(replace(ONE, **fields), grounded=grounded).of("structural") == expected


@pytest.mark.parametrize(("within", "expected"), [(True, 20), (False, 14)])
def test_policy_compliance(expected: int, *, within: bool) -> None:
    assert quality(within_limits=within).of("policy_compliance") == expected


@pytest.mark.parametrize(
    ("where", "succeeded", "rehearsed", "expected"),
    [
        ("production", (), False, 5),
        ("production", ("production",), False, 5),
        ("production", ("staging",), False, 15),
        ("production", ("sandbox",), True, 20),
        ("staging", ("production",), True, 10),
        ("staging", ("development",), False, 15),
        ("sandbox", ("sandbox",), False, 15),
    ],
)
def test_test_coverage(
    where: str, succeeded: tuple[str, ...], expected: int, *, rehearsed: bool
) -> None:
    track = TrackRecord(environments_succeeded=frozenset(map(Environment, succeeded)))
    made = quality(replace(ONE, environment=Environment(where)), track, rehearsed=rehearsed)
    assert made.of("test_coverage") == expected


@pytest.mark.parametrize(
    ("runs", "succeeded", "rolled_back", "expected"),
    [
        (0, 0, 0, 5),
        (1, 1, 0, 2 + 10 + 5),
        (4, 4, 0, 2 + 10 + 5),
        (5, 5, 0, 5 + 10 + 5),
        (100, 99, 1, 5 + 10 + 5),
        (100, 98, 1, 5 + 8 + 5),
        (100, 95, 2, 5 + 8 + 3),
        (100, 94, 5, 5 + 5 + 3),
        (100, 90, 6, 5 + 5 + 0),
        (100, 89, 0, 5 + 0 + 5),
        (1, 0, 1, 2 + 0 + 0),
    ],
)
def test_operational_history(runs: int, succeeded: int, rolled_back: int, expected: int) -> None:
    track = TrackRecord(
        runs=runs,
        succeeded=succeeded,
        rolled_back=rolled_back,
        failed=runs - succeeded - rolled_back,
    )
    assert quality(track=track).of("operational_history") == expected


@pytest.mark.parametrize(
    ("approved", "days_ago", "senior", "expected"),
    [
        (0, None, 0, 0),
        (1, 31, 0, 8),
        (1, 30, 0, 8),
        (1, 29.9, 0, 14),
        (2, 1, 1, 20),
    ],
)
def test_human_review(approved: int, days_ago: float | None, senior: int, expected: int) -> None:
    last = None if days_ago is None else NOW - timedelta(days=days_ago)
    track = TrackRecord(approved=approved, last_approved_at=last, senior_approvals=senior)
    assert quality(track=track).of("human_review") == expected


# ---- whatever comes -----------------------------------------------------------------------------

COUNTS = st.integers(min_value=0, max_value=200)


@st.composite
def reaches(draw: st.DrawFn) -> Reach:
    """Any reach that a plan can have."""
    count = draw(st.integers(1, 150))
    changed = tuple(f"a{n}" for n in range(count))
    critical, unknown = (draw(st.integers(0, count)) for _ in range(2))
    known = draw(st.booleans())
    return Reach(
        environment=draw(st.sampled_from(Environment)),
        writes=count,
        irreversible=draw(st.integers(0, count)),
        changed=changed,
        assets=count + draw(COUNTS),
        total=max(count, draw(COUNTS)) if known else count,
        counted=known,
        scope=draw(st.sampled_from(Scope)),
        critical=changed[:critical],
        unknown=changed[:unknown],
        dependents=draw(COUNTS),
        largest_phase=draw(st.integers(1, count)),
        canary=draw(st.booleans()),
        unwatched=draw(st.sampled_from(((), ("p",)))),
        unchecked=draw(st.sampled_from(((), ("p",)))),
    )


@st.composite
def tracks(draw: st.DrawFn) -> TrackRecord:
    """Any record whose numbers agree."""
    ends = [draw(COUNTS) for _ in range(4)]
    return TrackRecord(
        runs=sum(ends),
        succeeded=ends[0],
        rolled_back=ends[1],
        failed=ends[2],
        escalated=ends[3],
        approved=draw(COUNTS),
        last_approved_at=draw(
            st.none()
            | st.datetimes(datetime(2020, 1, 1), NOW.replace(tzinfo=None), timezones=st.just(UTC))  # noqa: DTZ001
        ),
        environments_succeeded=frozenset(draw(st.sets(st.sampled_from(Environment)))),
        senior_approvals=draw(COUNTS),
    )


@given(reach=reaches(), track=tracks(), strayed=st.none() | st.integers(0, 100))
def test_risk_is_never_below_nothing_nor_above_a_hundred(
    reach: Reach, track: TrackRecord, strayed: int | None
) -> None:
    made = risk(reach, track, strayed)
    assert 0 <= made.score <= 100
    assert all(0 <= part.points <= 100 for part in made.parts.values())
    assert set(made.parts) == set(WEIGHTS)


@given(reach=reaches(), track=tracks(), grounded=st.booleans(), rehearsed=st.booleans())
def test_each_dimension_of_quality_has_twenty_points(
    reach: Reach, track: TrackRecord, *, grounded: bool, rehearsed: bool
) -> None:
    made = quality(reach, track, grounded=grounded, rehearsed=rehearsed)
    assert all(0 <= made.of(name) <= 20 for name in DIMENSIONS)
    assert 0 <= made.total <= 100


@given(reach=reaches(), more=st.integers(1, 50), track=tracks())
def test_more_assets_never_risk_less(reach: Reach, more: int, track: TrackRecord) -> None:
    changed = (*reach.changed, *(f"b{n}" for n in range(more)))
    wider = replace(
        reach,
        writes=reach.writes + more,
        changed=changed,
        assets=reach.assets + more,
        total=max(reach.total, len(changed)),
    )
    before, after = risk(reach, track), risk(wider, track)
    assert after.score >= before.score
    assert all(after.points(name) >= before.points(name) for name in WEIGHTS)


@given(reach=reaches(), track=tracks())
def test_a_worse_record_never_risks_less(reach: Reach, track: TrackRecord) -> None:
    worse = replace(track, runs=track.runs + 1, failed=track.failed + 1)
    assert risk(reach, worse).score >= risk(reach, track).score


def whole(score: int) -> Risk:
    """A risk of this very score."""
    return Risk(dict.fromkeys(WEIGHTS, Part(score, "")))
