"""The validation pipeline: schema, then policy, then safety, then who must say so.

What fails in one of the first three never reaches a person; each problem names its stage, its rule
and a path into what was looked at: the plan document for `schema` and `safety`, the input of the
entrypoint for `policy` and `gate`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from smartops.contracts.canonical import digest
from smartops.contracts.events import EvidenceRef, PlanProblem, TaskPlanned, TaskSubmitted
from smartops.contracts.plan import Plan, Step
from smartops.contracts.rehearsing import rehearsed
from smartops.contracts.tools import ToolDescriptor
from smartops.contracts.watching import may_begin, problems_of
from smartops.contracts.wire import LONGEST_TEXT, Category, RiskLevel
from smartops.policy.agents.track import TrackRecord
from smartops.policy.domain import Weighed
from smartops.policy.gate.quorum import APPROVER
from smartops.policy.scoring.assessment import Standing, assessment
from smartops.policy.scoring.grounds import Seen
from smartops.policy.scoring.inventory import Inventory, inventory_of
from smartops.policy.scoring.quality import Quality, quality_of
from smartops.policy.scoring.reach import Reach, reach_of
from smartops.policy.scoring.risk import WEIGHTS, Risk, risk_of
from smartops.policy.scoring.safety import REQUESTED, check_safety, must_be_asked
from smartops.policy_engine import (
    Asked,
    EvidenceInput,
    GateInput,
    LimitsInput,
    PlanInput,
    PolicyEngine,
    QualityInput,
    Reason,
    RiskInput,
    RiskParts,
    StepInput,
    Verdict,
    ask,
    plan_input,
)

__all__ = [
    "Grounds",
    "check_header",
    "check_rules",
    "malformed",
    "refused",
    "weigh_plan",
    "writing_tools",
]

_MOST_PROBLEMS = 50
"""In one event; the plan that has so many is mended from the first ones."""


@dataclass(frozen=True, slots=True)
class Grounds:
    """What a plan is weighed on beside itself."""

    tools: Mapping[str, ToolDescriptor]
    """Registered ones by name."""
    seen: Seen
    track: TrackRecord
    standing: Standing
    requester_roles: tuple[str, ...]
    now: datetime
    """By the database's clock."""


def writing_tools(plan: Plan, tools: Mapping[str, ToolDescriptor]) -> frozenset[str]:
    """The tools of a plan that are not known reads."""
    names = {step.tool for step in plan.steps}
    return frozenset(
        name for name in names if name not in tools or tools[name].category is not Category.READ
    )


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
    problem = PlanProblem(stage="schema", rule="plan.schema", message=message[:LONGEST_TEXT])
    return refused((problem,), engine)


def refused(problems: Iterable[PlanProblem], engine: PolicyEngine, *asked: Asked) -> Weighed:
    """A plan that reaches nobody."""
    return Weighed(
        problems=tuple(problems)[:_MOST_PROBLEMS],
        requires_approval=True,
        rules=asked[-1].verdict.rules if asked else (),
        bundle=engine.bundle_digest,
        engine=f"{engine.name} {engine.version}",
        assessment=b"",
        assessment_hash=digest(b""),
        risk_level=RiskLevel.CRITICAL,
        asked=asked,
    )


def weigh_plan(plan: Plan, grounds: Grounds, engine: PolicyEngine) -> Weighed:
    """Run a plan through policy, safety and the gate.

    Args:
        plan: verified against its hash; `check_header` and `check_rules` found nothing.
        grounds: what the log says beside it.
        engine: with the bundle in force.
    """
    evidence = sorted(grounds.seen.evidence, key=lambda one: one.captured_at)
    answers = [(one.kind, one.answer) for one in evidence]
    inventory = inventory_of(answers, plan.header.environment)
    reach = reach_of(plan, grounds.tools, inventory, grounds.standing.autonomy)
    asked = _asked(plan, reach, grounds)
    first = ask(engine, "plan", asked)
    if not first.verdict.allow:
        return refused(_denied("policy", first.verdict), engine, first)
    seen = grounds.seen
    if unsafe := check_safety(plan, seen.submitted, grounds.tools, reach):
        return refused(unsafe, engine, first)
    risk, quality = _scores(plan, asked, reach, inventory, grounds)
    gate = _gate(plan, asked, first.verdict, reach, risk, quality, grounds)
    second = ask(engine, "gate", gate)
    if not second.verdict.allow:
        return refused(_denied("gate", second.verdict), engine, first, second)
    floor = tuple(must_be_asked(plan, seen.submitted, reach))
    waits = bool(floor) or first.verdict.requires_approval or second.verdict.requires_approval
    document = assessment(
        plan,
        reach,
        risk,
        quality,
        grounds.standing,
        seen,
        {"plan": first.verdict, "gate": second.verdict},
        floor,
        grounds.now,
    )
    return Weighed(
        problems=(),
        requires_approval=waits,
        rules=tuple(
            sorted({*first.verdict.rules, *second.verdict.rules, *(r.rule for r in floor)})
        ),
        bundle=engine.bundle_digest,
        engine=f"{engine.name} {engine.version}",
        assessment=document,
        assessment_hash=digest(document),
        risk_level=risk.level,
        quorum=second.verdict.quorum,
        roles=second.verdict.roles or (APPROVER,),
        asked=(first, second),
        needs_look=_needs_look(floor, grounds.standing),
    )


def _needs_look(floor: Iterable[Reason], standing: Standing) -> str:
    """Why nobody can have agreed to this plan beforehand; empty if somebody can."""
    if any(reason.rule == REQUESTED for reason in floor):
        return "a person was asked for"
    return "nothing goes by itself at this time" if standing.blocked else ""


def _asked(plan: Plan, reach: Reach, grounds: Grounds) -> PlanInput:
    tools, seen, standing = grounds.tools, grounds.seen, grounds.standing

    def registry(name: str, version: str) -> ToolDescriptor | None:
        tool = tools.get(name)
        return tool if tool is not None and tool.version == version else None

    shown = [one for one in seen.evidence if one.digest in plan.header.evidence]

    # The kind is the planner's word; that the tool's own rehearsal said it, the log's.
    by_tool: dict[str, list[EvidenceRef]] = {}
    for one in seen.evidence:
        by_tool.setdefault(one.tool, []).append(one.ref())

    def was_rehearsed(step: Step) -> bool:
        return rehearsed(step, by_tool.get(tools[step.tool].simulate or "", ()))

    return plan_input(
        plan,
        registry=registry,
        autonomy_level=standing.level,
        mode=standing.autonomy.mode,
        evidence=[
            EvidenceInput(kind=e.tool, age_ms=_ms(grounds.now - e.captured_at)) for e in shown
        ],
        requester_roles=grounds.requester_roles,
        # Nothing in the log takes note of tokens yet, so nothing can be used up.
        token_budget_exhausted=False,
        rehearsed=was_rehearsed,
        total_assets=reach.total,
    )


def _scores(
    plan: Plan, asked: PlanInput, reach: Reach, inventory: Inventory, grounds: Grounds
) -> tuple[Risk, Quality]:
    begins = grounds.standing.autonomy.local(may_begin(plan, grounds.now))
    risk = risk_of(reach, grounds.track, inventory.strayed_percent, begins)
    writes = [step for step in asked.steps if step.writes]
    quality = quality_of(
        reach,
        grounds.track,
        grounded=not writes
        or bool(asked.evidence or plan.header.preconditions)
        or _spelled_out(writes, grounds.seen.submitted),
        rehearsed=bool(writes) and all(step.rehearsed for step in writes),
        within_limits=grounds.standing.within_limits(reach),
        now=grounds.now,
    )
    return risk, quality


def _spelled_out(writes: Iterable[StepInput], submitted: TaskSubmitted | None) -> bool:
    """Whether every write is one that the requester wrote down."""
    if submitted is None:
        return False
    wanted = {(step.tool, step.target) for step in submitted.context.steps}
    return all((step.tool, step.target) in wanted for step in writes)


def _gate(
    plan: Plan,
    asked: PlanInput,
    verdict: Verdict,
    reach: Reach,
    risk: Risk,
    quality: Quality,
    grounds: Grounds,
) -> GateInput:
    standing = grounds.standing
    autonomy = standing.autonomy
    return GateInput(
        task=asked.task,
        number=asked.number,
        tenant=asked.tenant,
        environment=asked.environment,
        type=asked.type,
        agent=asked.agent,
        agent_version=plan.header.agent.version,
        agent_runs=grounds.track.runs,
        mode=asked.mode,
        autonomy_level=asked.autonomy_level,
        writes=reach.writes,
        irreversible=reach.irreversible > 0,
        canary=reach.canary,
        changed_assets=reach.assets,
        critical_assets=len(reach.critical),
        total_assets=max(1, reach.total, reach.assets),
        risk=RiskInput(
            score=risk.score,
            level=risk.level,
            parts=RiskParts(**{name: risk.points(name) for name in WEIGHTS}),
        ),
        quality=QualityInput(
            total=quality.total,
            structural=quality.of("structural"),
            policy=quality.of("policy_compliance"),
            tests=quality.of("test_coverage"),
            history=quality.of("operational_history"),
            review=quality.of("human_review"),
        ),
        limits=LimitsInput(
            max_assets=autonomy.max_assets,
            max_critical_assets=autonomy.max_critical_assets,
            cooldown_ms=_ms(autonomy.cooldown),
            risk_threshold=autonomy.risk_threshold,
        ),
        cooldown_left_ms=_ms(standing.cooldown_left),
        window_blocked=standing.blocked,
        tool_modes=dict(standing.tool_modes),
        plan_requires_approval=verdict.requires_approval,
        plan_rules=verdict.rules,
        require_two_approvers=autonomy.require_two_approvers,
        approval_requested=asked.approval_requested,
    )


def _denied(stage: str, verdict: Verdict) -> list[PlanProblem]:
    return [
        PlanProblem(stage=stage, rule=d.rule, path=d.path, message=d.message[:LONGEST_TEXT])
        for d in verdict.denials
    ]


def _ms(span: timedelta) -> int:
    return max(0, span // timedelta(milliseconds=1))
