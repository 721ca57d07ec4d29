"""Inputs of policy as large as one likes."""

from __future__ import annotations

from uuid import UUID

from smartops.contracts.wire import Category, Environment, Risk, Scope
from smartops.policy_engine import EvidenceInput, PhaseInput, PlanInput, StepInput

__all__ = ["plan_of"]

_TASK = UUID("4f7f0a52-5c0d-5d43-9a55-0c8d8c3f3a11")
_PER_PHASE = 50
"""Targets of one phase after the canary."""


def plan_of(steps: int) -> PlanInput:
    """A plan in staging that applies a baseline to as many servers, canary first.

    In staging, since production changes a fifth of its fleet at a time: with 500 of 500 servers
    that is a plan of very many phases, and another question.
    """
    sizes = [1, *_sizes(steps - 1)]
    phases: list[PhaseInput] = []
    members: list[StepInput] = []
    for number, size in enumerate(sizes):
        targets = tuple(f"stage-{len(members) + n:04}" for n in range(size))
        members += [_step(number, target) for target in targets]
        phases.append(
            PhaseInput(
                name="Canary" if number == 0 else f"Wave {number}",
                assets=targets,
                steps=size,
                writes=size,
                health_checks=2,
                rollback_if="error_rate > 1%",
                wait_ms=5_000,
                watch_ms=30_000,
            )
        )
    return PlanInput(
        task=_TASK,
        number=1,
        tenant="acme",
        environment=Environment.STAGING,
        agent="drift",
        requester="ifxw6zlumuqg64dfojqxi33s",
        autonomy_level=2,
        total_assets=max(10, steps),
        approval_requested=False,
        type="drift_plan",
        summary="Applies the baseline to every server that is off it.",
        mode="risk_based",
        max_run_ms=3_600_000,
        maintenance=False,
        evidence=(
            EvidenceInput(kind="query_assets", age_ms=60_000),
            EvidenceInput(kind="get_golden_image", age_ms=60_000),
        ),
        requester_roles=("operator",),
        token_budget_exhausted=False,
        phases=tuple(phases),
        steps=tuple(members),
    )


def _sizes(left: int) -> list[int]:
    return [min(_PER_PHASE, left - start) for start in range(0, left, _PER_PHASE)]


def _step(phase: int, target: str) -> StepInput:
    return StepInput(
        id=f"{phase}/apply_patch/{target}",
        phase=phase,
        tool="apply_patch",
        version="1.0.0",
        category=Category.REVERSIBLE,
        registered=True,
        reversible=True,
        risk=Risk.STATE_CHANGE_NONPROD,
        scope=Scope.ASSET,
        simulation_required=False,
        rehearsed=False,
        target=target,
        arguments={"asset": target, "version": "2.4.1", "reason": "drift"},
    )
