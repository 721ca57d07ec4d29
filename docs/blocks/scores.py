"""Risk, quality, modes and limits, from the modules that compute and hold them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from smartops.contracts.wire import Environment
from smartops.policy.agents.track import TrackRecord
from smartops.policy.scoring import quality, risk
from smartops.policy.scoring.modes import Autonomy, read_autonomy
from smartops.policy.scoring.quality import quality_of
from smartops.policy.scoring.reach import Reach

from blocks.markdown import code, table
from blocks.settings import docs_of

__all__ = ["autonomy", "levels", "quality_points", "risk_parts"]

_SOURCES: Mapping[str, tuple[str, str]] = {
    "environment": ("plan", "by environment"),
    "scope": (
        "registry, evidence",
        (
            "share of the assets there are that its calls can change, in per cent; without an "
            f"inventory {risk.POINTS_PER_ASSET} for each asset. At least the points of the widest "
            "tool that writes; 100 if one does not say how far it reaches"
        ),
    ),
    "history": (
        "track record",
        (
            "100 * (bad + 1) / (runs + 2), where bad are the runs that were rolled back, failed or "
            "escalated: 50 for who is new"
        ),
    ),
    "change_size": ("registry, plan", "by number of assets that its calls can change"),
    "timing": (
        "clock of the database, maintenance window",
        (
            "when its steps may begin, by the clock on the wall there: "
            f"Friday to Sunday {risk.WEEKEND_POINTS}, else {risk.DAY_POINTS} from 8 to 18 and "
            f"{risk.NIGHT_POINTS} otherwise"
        ),
    ),
    "dependencies": (
        "evidence, settings",
        (
            f"{risk.WORST} if of one changed asset nobody says whether anything depends on it, "
            f"{risk.CRITICAL_POINTS} if one is critical, else by the most assets that need one of "
            "them"
        ),
    ),
    "drift": (
        "evidence",
        (
            "share of the inventory that is off its version, in per cent; "
            f"{risk.UNCOMPARED_POINTS} if nothing in the log compares versions"
        ),
    ),
    "rollback": (
        "registry, plan",
        (
            f"{risk.WORST} if one write cannot be taken back, {risk.UNWATCHED_POINTS} if a phase "
            "that writes does not say when it is, else 0"
        ),
    ),
}


def risk_parts() -> str:
    """Weight, source and formula of each part, and the steps that they climb."""
    rows = [[code(name), f"{risk.WEIGHTS[name]} %", *_SOURCES[name]] for name in risk.WEIGHTS]
    steps = [
        ["`environment`", _points(risk.ENVIRONMENTS)],
        ["`scope`, at least", _points(risk.SCOPES)],
        ["`change_size`", _steps(risk.SIZES, risk.WORST)],
        ["`dependencies`", _steps(risk.DEPENDENTS, 60)],
    ]
    parts = table(["part", "weight", "from", "points, 0 to 100"], rows)
    return f"{parts}\n{table(['part', 'points'], steps)}"


def levels() -> str:
    """What a score means."""
    low, rows = 0, []
    for below, level in (*risk.LEVELS, (101, risk.RiskLevel.CRITICAL)):
        rows.append([f"{low} to {below - 1}", level.value, f"{risk.SUGGESTED_BATCH[level]} %"])
        low = below
    return table(["score", "level", "suggested batch"], rows)


def quality_points() -> str:
    """What earns points, from the scores of a plan in production and one elsewhere."""
    track = TrackRecord(runs=5, succeeded=5)
    made = quality_of(
        Reach(Environment.PRODUCTION, writes=1),
        track,
        grounded=True,
        rehearsed=True,
        within_limits=True,
        now=datetime(2026, 1, 1, tzinfo=UTC),
    )
    rows = []
    for name in quality.DIMENSIONS:
        told = _history() if name == "operational_history" else None
        earned = told or "; ".join(f"{one.of}: {one.what}" for one in made.dimensions[name])
        rows.append([code(name), earned])
    return table(["dimension, 20 points", "made of"], rows)


def _history() -> str:
    success = ", ".join(f"from {share} % on {points}" for share, points in quality.SUCCESS)
    back = ", ".join(f"up to {share} % {points}" for share, points in quality.ROLLED_BACK)
    runs = f"5 from {quality.MANY_RUNS} runs on and 2 before"
    return f"5 if new here; else {runs}; success {success}; rolled back {back}"


def autonomy() -> str:
    """What can be set for an environment, and what is shipped."""
    shipped = read_autonomy(None).environments
    docs = {"mode": "See above.", **docs_of(Autonomy)}
    rows = []
    for name in Autonomy.model_fields:
        values = {env: _told(one.model_dump(mode="json")[name]) for env, one in shipped.items()}
        same = len(set(values.values())) == 1
        told = (
            next(iter(values.values()))
            if same
            else ", ".join(f"{env.value} {value}" for env, value in values.items())
        )
        rows.append([code(name), told, docs.get(name, "")])
    return table(["field", "as shipped", "meaning"], rows)


def _told(value: Any) -> str:
    return code(value) if value not in ([], ()) else "none"


def _points(points: Mapping[Any, int]) -> str:
    return ", ".join(f"{name.value} {value}" for name, value in points.items())


def _steps(steps: tuple[tuple[int, int], ...], beyond: int) -> str:
    return ", ".join(f"up to {upto}: {points}" for upto, points in steps) + f", more: {beyond}"
