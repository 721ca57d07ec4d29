"""The risk score: how much can go wrong, in eight weighted parts. Pure.

Weights, levels, the canary threshold, suggested batches and the 60 points of Friday to Sunday are
the specification's; what each part measures, and from which source, is ours (ADR 32 and
docs/reference/scores.md, which a test holds to this module). A part goes from 0 to 100, whole
points, fractions rounded up. A plan that changes nothing risks nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from smartops.contracts.wire import Environment, RiskLevel, Scope
from smartops.policy.agents.track import TrackRecord
from smartops.policy.scoring.reach import Reach

__all__ = [
    "CANARY_ABOVE",
    "LEVELS",
    "SUGGESTED_BATCH",
    "WEIGHTS",
    "Part",
    "Risk",
    "level_of",
    "risk_of",
]

WEIGHTS: Mapping[str, int] = {
    "environment": 20,
    "scope": 15,
    "history": 15,
    "change_size": 15,
    "timing": 10,
    "dependencies": 10,
    "drift": 10,
    "rollback": 5,
}
"""Per cent of the whole."""

LEVELS = ((25, RiskLevel.LOW), (50, RiskLevel.MEDIUM), (75, RiskLevel.HIGH))
"""A score below the number has the level; from the last on it is critical."""

CANARY_ABOVE = 40
"""Above this score a plan should begin with a canary."""

SUGGESTED_BATCH: Mapping[RiskLevel, int] = {
    RiskLevel.LOW: 50,
    RiskLevel.MEDIUM: 25,
    RiskLevel.HIGH: 10,
    RiskLevel.CRITICAL: 5,
}
"""Per cent of the assets there are that should go together, by level."""

ENVIRONMENTS: Mapping[Environment, int] = {
    Environment.PRODUCTION: 80,
    Environment.STAGING: 40,
    Environment.DEVELOPMENT: 20,
    Environment.SANDBOX: 10,
}
SCOPES: Mapping[Scope, int] = {Scope.ASSET: 20, Scope.ENVIRONMENT: 60, Scope.ORGANIZATION: 100}
"""The least that a tool of this scope counts."""
POINTS_PER_ASSET = 5
"""Of the scope, where no inventory says which share an asset is."""
SIZES = ((0, 0), (1, 10), (5, 25), (20, 50), (100, 75))
"""Assets changed, up to the number; beyond the last 100 points."""
DEPENDENTS = ((0, 0), (5, 20), (20, 40))
"""Others that need one of the changed assets, up to the number; beyond the last 60 points."""
CRITICAL_POINTS = 80
WEEKEND_POINTS = 60
NIGHT_POINTS = 40
DAY_POINTS = 20
_FRIDAY = 4
_DAY_HOURS = range(8, 18)
UNWATCHED_POINTS = 50
UNCOMPARED_POINTS = 50
"""An asset whose version nobody compared is on it or off it."""
WORST = 100


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the score, and what it was made of."""

    points: int
    why: str


@dataclass(frozen=True, slots=True)
class Risk:
    """The score with its parts; none of them where nothing is changed."""

    parts: Mapping[str, Part]

    def points(self, part: str) -> int:
        """0 to 100."""
        return self.parts[part].points if self.parts else 0

    @property
    def score(self) -> int:
        """0 to 100, rounded up."""
        whole = sum(WEIGHTS[name] * part.points for name, part in self.parts.items())
        return -(-whole // 100)

    @property
    def level(self) -> RiskLevel:
        """In one word."""
        return level_of(self.score)

    @property
    def canary_wanted(self) -> bool:
        """Whether a canary should go first."""
        return self.score > CANARY_ABOVE

    @property
    def suggested_batch_percent(self) -> int:
        """How much of the fleet should go together, at most."""
        return SUGGESTED_BATCH[self.level]


def level_of(score: int) -> RiskLevel:
    """The level of a score."""
    return next((level for below, level in LEVELS if score < below), RiskLevel.CRITICAL)


def risk_of(
    reach: Reach, track: TrackRecord, strayed_percent: int | None, begins: datetime
) -> Risk:
    """Score a plan.

    Args:
        reach: what it can change.
        track: what its agent version has done with its tools in its environment.
        strayed_percent: share of the inventory that is off its version; None when unknown.
        begins: when its steps may begin, by the clock on the wall there.
    """
    if not reach.writes:
        return Risk({})
    return Risk(
        {
            "environment": Part(ENVIRONMENTS[reach.environment], reach.environment.value),
            "scope": _scope(reach),
            "history": _history(track),
            "change_size": Part(
                _step(SIZES, reach.assets, WORST), f"{_assets(reach.assets)} can change"
            ),
            "timing": _timing(begins),
            "dependencies": _dependencies(reach),
            "drift": _drift(strayed_percent),
            "rollback": _rollback(reach),
        }
    )


def _scope(reach: Reach) -> Part:
    floor = SCOPES[reach.scope]
    if reach.unbounded:
        return Part(WORST, f"{', '.join(reach.unbounded)} does not say how far it reaches")
    if not reach.counted:
        points = min(WORST, POINTS_PER_ASSET * reach.assets)
        told = f"{_assets(reach.assets)} of a fleet that no inventory in the log counts"
    else:
        points, told = reach.percent, f"{reach.assets} of {_assets(reach.total)}"
    return Part(max(floor, points), f"{told}, tools reach one {reach.scope.value}")


def _history(track: TrackRecord) -> Part:
    """Share of runs that went wrong, as if one more had and one had not: none leaves 50."""
    bad = track.rolled_back + track.failed + track.escalated
    points = -(-WORST * (bad + 1) // (track.runs + 2))
    if not track.runs:
        return Part(points, "this agent version has not run here with these tools")
    return Part(min(WORST, points), f"{bad} of {track.runs} runs went wrong")


def _timing(begins: datetime) -> Part:
    told = f"begins {begins:%A %H:%M}"
    if begins.weekday() >= _FRIDAY:
        return Part(WEEKEND_POINTS, told)
    return Part(DAY_POINTS if begins.hour in _DAY_HOURS else NIGHT_POINTS, told)


def _dependencies(reach: Reach) -> Part:
    if reach.unknown:
        return Part(WORST, f"unknown of {_assets(len(reach.unknown))}, so counted as worst")
    if reach.critical:
        return Part(CRITICAL_POINTS, f"{len(reach.critical)} critical")
    points = _step(DEPENDENTS, reach.dependents, 60)
    return Part(points, f"none critical, {reach.dependents} depend on one at most")


def _drift(strayed_percent: int | None) -> Part:
    if strayed_percent is None:
        return Part(UNCOMPARED_POINTS, "no inventory in the log compares versions")
    return Part(strayed_percent, f"{strayed_percent} % of the inventory is off its version")


def _rollback(reach: Reach) -> Part:
    if reach.irreversible:
        return Part(WORST, f"{reach.irreversible} of {reach.writes} writes cannot be taken back")
    if reach.unwatched:
        count = len(reach.unwatched)
        return Part(UNWATCHED_POINTS, f"{count} phases do not say when they are taken back")
    return Part(0, "every write can be taken back, every phase says when")


def _step(steps: tuple[tuple[int, int], ...], value: int, beyond: int) -> int:
    return next((points for upto, points in steps if value <= upto), beyond)


def _assets(count: int) -> str:
    return f"{count} asset" if count == 1 else f"{count} assets"
