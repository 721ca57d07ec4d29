"""Builds the `plan` input from a plan as the contracts know it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from smartops.contracts.plan import Phase, Plan, Step
from smartops.contracts.tools import ToolDescriptor
from smartops.contracts.watching import window_ms
from smartops.contracts.wire import Category
from smartops.policy_engine.inputs import (
    AutonomyMode,
    EvidenceInput,
    PhaseInput,
    PlanInput,
    StepInput,
)

__all__ = ["Registry", "Rehearsals", "plan_input"]

Registry = Callable[[str, str], ToolDescriptor | None]
"""The registered tool of this name and version, if there is one."""

Rehearsals = Callable[[Step], bool]
"""Whether the log shows that this step was rehearsed: its tool's rehearsal succeeded on the same
target with the same arguments. Asked only of steps whose tool declares one."""


def plan_input(
    plan: Plan,
    *,
    registry: Registry,
    autonomy_level: int,
    mode: AutonomyMode,
    evidence: Sequence[EvidenceInput],
    requester_roles: Sequence[str],
    token_budget_exhausted: bool,
    rehearsed: Rehearsals,
    total_assets: int | None = None,
) -> PlanInput:
    """The document on which policy decides about a plan.

    Category and reversibility come from the registry; a tool whose descriptor is no longer the
    one that the step pins, or whose category the step misstates, counts as not registered.

    Args:
        plan: a plan whose header and steps agree, as `Plan.read` returns it.
        registry: the log's view of the tools.
        autonomy_level: the lowest of the plan's agent over the tools that it writes with, 0 to 4.
        mode: in force for tenant and environment.
        evidence: what the log has about the findings that the header names.
        requester_roles: of the person behind the requester; none when nobody is known.
        token_budget_exhausted: nothing is left of what models may use.
        rehearsed: the log's view of rehearsals.
        total_assets: assets in scope by an inventory; otherwise the plan's own number is taken,
            raised to what the plan changes if that is more. What it only looks at counts for
            nothing: else reads would make a phase a smaller share of the whole.

    Raises:
        KeyError: the header lists a step that the plan does not have.
    """
    header = plan.header
    by_hash = plan.by_hash()
    phases: list[PhaseInput] = []
    steps: list[StepInput] = []
    for index, phase in enumerate(header.phases):
        members = [by_hash[step] for step in phase.steps]
        inputs = [_step(step, index, registry, rehearsed) for step in members]
        steps += inputs
        phases.append(_phase(phase, inputs))
    total = header.total_assets if total_assets is None else total_assets
    changed = len({step.target for step in steps if step.writes})
    return PlanInput(
        task=header.task,
        number=header.number,
        tenant=header.tenant,
        environment=header.environment,
        agent=header.agent.name,
        requester=header.requester.principal,
        autonomy_level=autonomy_level,
        total_assets=max(1, total, changed),
        approval_requested=header.approval_requested,
        type=header.type,
        summary=header.summary,
        mode=mode,
        max_run_ms=header.max_run_ms,
        maintenance=header.maintenance is not None
        or all(
            phase.maintenance is not None
            for phase, inputs in zip(header.phases, phases, strict=True)
            if inputs.writes
        ),
        evidence=tuple(evidence),
        requester_roles=tuple(requester_roles),
        token_budget_exhausted=token_budget_exhausted,
        phases=tuple(phases),
        steps=tuple(steps),
    )


def _step(step: Step, phase: int, registry: Registry, rehearsed: Rehearsals) -> StepInput:
    tool = registry(step.tool, step.version)
    if tool is not None and (tool.digest(), tool.category) != (step.schema_digest, step.category):
        tool = None
    category = None if tool is None else tool.category
    return StepInput(
        id=step.id,
        phase=phase,
        tool=step.tool,
        version=step.version,
        category=category,
        registered=tool is not None,
        reversible=category is Category.REVERSIBLE and step.undo is not None,
        risk=None if tool is None else tool.risk,
        scope=None if tool is None else tool.scope,
        simulation_required=tool is not None and tool.simulate is not None,
        rehearsed=tool is not None and tool.simulate is not None and rehearsed(step),
        target=step.target,
        arguments=step.arguments,
    )


def _phase(phase: Phase, steps: list[StepInput]) -> PhaseInput:
    return PhaseInput(
        name=phase.name,
        assets=tuple(dict.fromkeys(step.target for step in steps)),
        steps=len(steps),
        writes=sum(step.writes for step in steps),
        health_checks=len(phase.checks),
        rollback_if=phase.rollback_if,
        wait_ms=phase.wait_ms,
        watch_ms=window_ms(phase),
    )
