"""The assessment: what policy found out about a plan, as one document that votes and grants name.

It is hashed together with nothing else and stored as a blob; the approval card is made from these
very bytes. All of it is computed (see `risk.py`, `quality.py`, `reach.py`), and says of what.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from smartops.contracts.canonical import canonical
from smartops.contracts.plan import Plan
from smartops.policy.scoring.grounds import Seen
from smartops.policy.scoring.modes import Autonomy
from smartops.policy.scoring.quality import Quality
from smartops.policy.scoring.reach import Reach
from smartops.policy.scoring.risk import WEIGHTS, Risk
from smartops.policy_engine import AutonomyMode, Reason, Verdict

__all__ = ["SCHEMA", "Standing", "assessment", "changes_wanted"]

SCHEMA = "smartops.assessment.v2"

_MOST_LISTED = 20
"""Names in one list: the plan has them all."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What an agent may do here and now."""

    level: int
    autonomy: Autonomy
    tool_modes: Mapping[str, AutonomyMode]
    """Of every tool that the plan writes with."""
    cooldown_left: timedelta
    blocked: bool
    """A window is open in which nothing goes by itself."""

    def within_limits(self, reach: Reach) -> bool:
        """Whether a plan changes no more than may be changed."""
        return (
            reach.assets <= self.autonomy.max_assets
            and len(reach.critical) <= self.autonomy.max_critical_assets
        )


def assessment(
    plan: Plan,
    reach: Reach,
    risk: Risk,
    quality: Quality,
    standing: Standing,
    seen: Seen,
    verdicts: Mapping[str, Verdict],
    floor: tuple[Reason, ...],
    now: datetime,
) -> bytes:
    """The document, in its canonical bytes."""
    plan_says, gate_says = verdicts["plan"], verdicts["gate"]
    waits = bool(floor) or plan_says.requires_approval or gate_says.requires_approval
    return canonical(
        {
            "schema_name": SCHEMA,
            "plan_hash": plan.hash(),
            "requires_approval": waits,
            "risk": {
                "score": risk.score,
                "level": risk.level.value,
                "parts": {
                    name: {"points": part.points, "weight": WEIGHTS[name], "why": part.why}
                    for name, part in risk.parts.items()
                },
                "canary_wanted": risk.canary_wanted,
                "suggested_batch_percent": risk.suggested_batch_percent,
            },
            "quality_score": {
                "total": quality.total,
                **{name: quality.of(name) for name in quality.dimensions},
                "points": {
                    name: [f"{point.earned} of {point.of}: {point.what}" for point in points]
                    for name, points in quality.dimensions.items()
                },
            },
            "blast_radius": _radius(reach),
            "autonomy": {
                "mode": standing.autonomy.mode,
                "level": standing.level,
                "tool_modes": dict(standing.tool_modes),
            },
            "limits": _limits(standing),
            "approval": {
                "quorum": gate_says.quorum,
                "roles": list(gate_says.roles),
            },
            "reasons": [
                *({"from": "safety", "rule": r.rule, "message": r.message} for r in floor),
                *(
                    {"from": name, "rule": r.rule, "message": r.message}
                    for name, verdict in verdicts.items()
                    for r in verdict.reasons
                ),
            ],
            "changes_wanted": changes_wanted(reach, risk, quality, standing),
            "evidence": _evidence(seen, now),
            "unconfirmed_evidence": seen.unconfirmed,
            "policy": {
                "bundle": plan_says.bundle_digest,
                "engine": f"{plan_says.engine} {plan_says.engine_version}",
                "inputs": {name: verdict.input_digest for name, verdict in verdicts.items()},
            },
        }
    )


def changes_wanted(reach: Reach, risk: Risk, quality: Quality, standing: Standing) -> list[str]:
    """What would have to be otherwise for a better score, or to go without a person."""
    if not reach.writes:
        return []
    wanted = []
    batch, autonomy = risk.suggested_batch_percent, standing.autonomy
    if reach.largest_phase > 1 and 100 * reach.largest_phase > batch * reach.total:
        most = max(1, batch * reach.total // 100)
        wanted.append(
            f"change at most {batch} % at once ({most} of {reach.total}); the largest phase "
            f"changes {reach.largest_phase}"
        )
    if risk.canary_wanted and not reach.canary:
        wanted.append("begin with a canary")
    if reach.assets > autonomy.max_assets:
        wanted.append(f"change at most {autonomy.max_assets} assets, not {reach.assets}")
    if len(reach.critical) > autonomy.max_critical_assets:
        wanted.append(
            f"change at most {autonomy.max_critical_assets} critical assets, "
            f"not {len(reach.critical)}"
        )
    if standing.blocked:
        wanted.append("come back when no blocked window is open")
    if standing.cooldown_left:
        wanted.append(f"come back in {-(-standing.cooldown_left // timedelta(seconds=1))} s")
    if reach.unknown:
        wanted.append("attach an inventory that tells which assets are critical")
    return [
        *wanted,
        *(
            f"{point.what}: {point.of - point.earned} points of quality"
            for point in quality.dimensions["structural"]
            if point.earned < point.of
        ),
    ]


def _radius(reach: Reach) -> dict[str, Any]:
    return {
        "environment": reach.environment.value,
        "changed_assets": len(reach.changed),
        "reachable_assets": reach.assets,
        "total_assets": reach.total,
        "total_by_inventory": reach.counted,
        "percent": reach.percent,
        "scope": reach.scope.value,
        "largest_phase": reach.largest_phase,
        "writes": reach.writes,
        "irreversible_writes": reach.irreversible,
        "critical_assets": _listed(reach.critical),
        "unknown_assets": len(reach.unknown),
        "unbounded_tools": list(reach.unbounded),
    }


def _limits(standing: Standing) -> dict[str, Any]:
    autonomy = standing.autonomy
    return {
        "max_assets": autonomy.max_assets,
        "max_critical_assets": autonomy.max_critical_assets,
        "risk_threshold": autonomy.risk_threshold,
        "cooldown_left_ms": standing.cooldown_left // timedelta(milliseconds=1),
        "window_blocked": standing.blocked,
    }


def _evidence(seen: Seen, now: datetime) -> list[dict[str, Any]]:
    return [
        {
            "kind": one.kind,
            "tool": one.tool,
            "digest": one.digest,
            "call": str(one.call),
            "age_ms": max(0, (now - one.captured_at) // timedelta(milliseconds=1)),
        }
        for one in seen.evidence
    ]


def _listed(names: tuple[str, ...]) -> list[str]:
    if len(names) <= _MOST_LISTED:
        return list(names)
    return [*names[:_MOST_LISTED], f"and {len(names) - _MOST_LISTED} more"]
