"""The quality score: how well made and how well tried a plan is, five dimensions of 20. Pure.

The points are the specification's; what earns them is told in docs/reference/scores.md, which a
test holds to this module. Nothing here is a model's word about itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from smartops.contracts.wire import Environment
from smartops.policy.agents.track import TrackRecord
from smartops.policy.scoring.reach import Reach

__all__ = ["DIMENSIONS", "Point", "Quality", "quality_of"]

DIMENSIONS = (
    "structural",
    "policy_compliance",
    "test_coverage",
    "operational_history",
    "human_review",
)
"""As the specification's API calls them."""

RECENT = timedelta(days=30)
"""How long an approval speaks for an agent."""
MANY_RUNS = 5
"""From so many on a record says something."""
SUCCESS = ((99, 10), (95, 8), (90, 5))
"""Points from this share of runs on, in per cent."""
ROLLED_BACK = ((1, 5), (5, 3))
"""Points up to this share of runs, in per cent."""

_LADDER = (
    Environment.SANDBOX,
    Environment.DEVELOPMENT,
    Environment.STAGING,
    Environment.PRODUCTION,
)


@dataclass(frozen=True, slots=True)
class Point:
    """Something that earns points, and how many of them were earned."""

    what: str
    earned: int
    of: int


@dataclass(frozen=True, slots=True)
class Quality:
    """The dimensions, each made of its points."""

    dimensions: Mapping[str, tuple[Point, ...]]

    def of(self, dimension: str) -> int:
        """0 to 20."""
        return sum(point.earned for point in self.dimensions[dimension])

    @property
    def total(self) -> int:
        """0 to 100."""
        return sum(map(self.of, self.dimensions))


def quality_of(
    reach: Reach,
    track: TrackRecord,
    *,
    grounded: bool,
    rehearsed: bool,
    within_limits: bool,
    now: datetime,
) -> Quality:
    """Score a plan that schema, policy and safety have let through.

    Args:
        reach: what it can change.
        track: what its agent version has done with its tools in its environment.
        grounded: it rests on answers of read tools that the log confirms, or on preconditions that
            are looked at again before it starts; or the requester spelled out what it writes.
        rehearsed: each of its writes was rehearsed, and there is one.
        within_limits: of assets and of critical assets.
        now: of the decision.
    """
    production = reach.environment is Environment.PRODUCTION
    where = " in every phase that writes" if production else ", which only production requires"
    return Quality(
        {
            # What a plan must have where it acts; the rules of `plan` say the same of production.
            "structural": (
                _five(f"health checks{where}", not production or not reach.unchecked),
                _five(f"conditions to take back{where}", not production or not reach.unwatched),
                _five("every write can be taken back", not reach.irreversible),
                _five("rests on evidence or the requester's own steps", grounded),
            ),
            # A plan without the first two is refused, and gets no score.
            "policy_compliance": (
                Point("policy allows it", 8, 8),
                Point("safe whatever policy says", 6, 6),
                Point("within the limits", 6 * within_limits, 6),
            ),
            "test_coverage": (
                Point("a plan", 5, 5),
                Point(
                    "succeeded in a lower environment", 10 * _tried(reach.environment, track), 10
                ),
                Point("every write was rehearsed", 5 * rehearsed, 5),
            ),
            "operational_history": _history(track),
            "human_review": _review(track, now),
        }
    )


def _five(what: str, holds: bool) -> Point:  # noqa: FBT001 - read at the call as a sentence
    return Point(what, 5 * holds, 5)


def _tried(environment: Environment, track: TrackRecord) -> bool:
    """In any lower environment; for the lowest, which has none, in itself."""
    place = _LADDER.index(environment)
    lower = _LADDER[:place] or _LADDER[:1]
    return any(one in track.environments_succeeded for one in lower)


def _history(track: TrackRecord) -> tuple[Point, ...]:
    runs, good, back = track.runs, track.succeeded, track.rolled_back
    if not runs:
        return (Point("new here", 5, 20),)
    # Multiplied, not divided: a share of exactly 99 % is one.
    success = next((points for share, points in SUCCESS if 100 * good >= share * runs), 0)
    calm = next((points for share, points in ROLLED_BACK if 100 * back <= share * runs), 0)
    return (
        Point(f"{runs} runs", 5 if runs >= MANY_RUNS else 2, 5),
        Point(f"{good} of them succeeded", success, 10),
        Point(f"{back} were rolled back", calm, 5),
    )


def _review(track: TrackRecord, now: datetime) -> tuple[Point, ...]:
    last = track.last_approved_at
    return (
        Point("approved before", 8 * (track.approved > 0), 8),
        Point("within 30 days", 6 * (last is not None and now - last < RECENT), 6),
        Point("by a senior approver", 6 * (track.senior_approvals > 0), 6),
    )
