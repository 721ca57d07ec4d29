"""The validation pipeline: schema, then policy. What fails here never reaches a person."""

from __future__ import annotations

from collections.abc import Mapping

from smartops.contracts.canonical import canonical, digest
from smartops.contracts.events import PlanProblem, TaskPlanned
from smartops.contracts.plan import Plan
from smartops.contracts.tools import ToolDescriptor
from smartops.contracts.watching import problems_of
from smartops.contracts.wire import Category, Environment, RiskLevel
from smartops.policy.domain import Weighed
from smartops.policy_engine import PlanInput, PolicyEngine, plan_input

__all__ = ["check_header", "check_rules", "malformed", "weigh_plan"]


def check_header(plan: Plan, tenant: str, task: str, planned: TaskPlanned) -> list[PlanProblem]:
    """The plan must be of the task, tenant, number and environment that it was announced as."""
    header = plan.header
    claims = {
        "tenant": (header.tenant, tenant),
        "task": (str(header.task), task),
        "number": (header.number, planned.number),
        "environment": (header.environment, planned.environment),
    }
    return [
        PlanProblem(
            stage="schema",
            rule="plan.header",
            path=f"/header/{field}",
            message=f"says {said}, was announced as {announced}",
        )
        for field, (said, announced) in claims.items()
        if said != announced
    ]


def check_rules(plan: Plan) -> list[PlanProblem]:
    """What the plan says about watching and waiting must be something that a run can follow."""
    return [
        PlanProblem(
            stage="schema", rule=f"plan.{path.rpartition('/')[2]}", path=path, message=message
        )
        for path, message in problems_of(plan)
    ]


def malformed(message: str, engine: PolicyEngine) -> Weighed:
    """A plan that cannot even be read."""
    problem = PlanProblem(stage="schema", rule="plan.schema", message=message[:4000])
    return _refused((problem,), (), engine)


def weigh_plan(
    plan: Plan,
    problems: list[PlanProblem],
    tools: Mapping[str, ToolDescriptor],
    engine: PolicyEngine,
    autonomy: int,
) -> Weighed:
    """Run a readable plan through policy.

    Args:
        plan: verified against its hash.
        problems: found before.
        tools: registered ones by name.
        engine: with the bundle in force.
        autonomy: level of the plan's agent in its environment.
    """
    if problems:
        return _refused(tuple(problems), (), engine)

    def registry(name: str, version: str) -> ToolDescriptor | None:
        tool = tools.get(name)
        return tool if tool is not None and tool.version == version else None

    asked = plan_input(plan, registry=registry, autonomy_level=autonomy)
    verdict = engine.decide("plan", asked.canonical_bytes())
    if not verdict.allow:
        denied = tuple(
            PlanProblem(stage="policy", rule=d.rule, path=d.path, message=d.message[:4000])
            for d in verdict.denials
        )
        return _refused(denied, verdict.rules, engine)
    level = _risk(asked)
    assessment = canonical(
        {
            "schema_name": "smartops.assessment.v1",
            "plan_hash": plan.hash(),
            "risk_level": level.value,
            "requires_approval": verdict.requires_approval,
            "reasons": [{"rule": r.rule, "message": r.message} for r in verdict.reasons],
            "autonomy_level": autonomy,
            "blast_radius": _blast_radius(asked),
            "policy": {
                "bundle": verdict.bundle_digest,
                "engine": f"{verdict.engine} {verdict.engine_version}",
                "input": verdict.input_digest,
            },
        }
    )
    return Weighed(
        problems=(),
        requires_approval=verdict.requires_approval,
        rules=verdict.rules,
        bundle=verdict.bundle_digest,
        engine=f"{verdict.engine} {verdict.engine_version}",
        assessment=assessment,
        assessment_hash=digest(assessment),
        risk_level=level,
    )


def _blast_radius(asked: PlanInput) -> dict[str, object]:
    """What the plan can reach, from registry and plan alone."""
    changed = {step.target for step in asked.steps if step.writes}
    return {
        "environment": asked.environment.value,
        "changed_assets": len(changed),
        "total_assets": asked.total_assets,
        "percent": round(100 * len(changed) / asked.total_assets),
        "largest_phase": max(len(phase.assets) for phase in asked.phases),
        "writes": sum(step.writes for step in asked.steps),
        "irreversible_writes": sum(step.writes and not step.reversible for step in asked.steps),
    }


def _risk(asked: PlanInput) -> RiskLevel:
    """From what the plan does and where; never from what a model says about itself."""
    writes = [step for step in asked.steps if step.writes]
    if not writes:
        return RiskLevel.LOW
    irreversible = any(step.category is not Category.REVERSIBLE for step in writes)
    if asked.environment is Environment.PRODUCTION:
        return RiskLevel.CRITICAL if irreversible else RiskLevel.HIGH
    return RiskLevel.HIGH if irreversible else RiskLevel.MEDIUM


def _refused(
    problems: tuple[PlanProblem, ...], rules: tuple[str, ...], engine: PolicyEngine
) -> Weighed:
    return Weighed(
        problems=problems,
        requires_approval=True,
        rules=rules,
        bundle=engine.bundle_digest,
        engine=f"{engine.name} {engine.version}",
        assessment=b"",
        assessment_hash=digest(b""),
        risk_level=RiskLevel.CRITICAL,
    )
