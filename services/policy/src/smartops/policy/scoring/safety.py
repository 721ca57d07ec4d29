"""The safety stage: what no text of a policy bundle can switch off. Pure.

Bundles are changed by people, and a mistake there must not be enough to harm what the intent
protects. So a few things are looked at again in code, after Rego has allowed a plan: those that
would make the person's decision meaningless, or go out without one. Each is argued in ADR 32.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import JsonValue
from smartops.contracts.events import PlanProblem, TaskSubmitted
from smartops.contracts.plan import MAX_STEPS, Plan, Step
from smartops.contracts.tools import ToolDescriptor
from smartops.contracts.wire import Category, Environment
from smartops.policy.scoring.reach import Reach
from smartops.policy_engine import Reason

__all__ = ["REQUESTED", "check_safety", "must_be_asked"]

REQUESTED = "safety.requested"
"""The reason for which a person decides because one was asked for."""


def check_safety(
    plan: Plan, submitted: TaskSubmitted | None, tools: Mapping[str, ToolDescriptor], reach: Reach
) -> list[PlanProblem]:
    """Why a plan that policy allows must not go before anybody.

    Args:
        plan: readable, and allowed by policy.
        submitted: the intent as it was accepted; None: the log has none.
        tools: registered ones by name.
        reach: of the plan.
    """
    if not reach.writes:
        return []
    if submitted is None:
        return [_problem("intent_missing", "", "the log holds no intent of this task")]
    return [
        *_not_the_intents(plan, submitted),
        *_off_limits(plan, submitted, tools),
        *_no_way_back(plan, tools),
        *_no_canary(reach),
        *_boundless(reach),
    ]


def must_be_asked(plan: Plan, submitted: TaskSubmitted | None, reach: Reach) -> Iterator[Reason]:
    """Why a person must decide, whatever the rules say."""
    if reach.writes and reach.environment is Environment.PRODUCTION:
        yield Reason("safety.production_write", "nothing is written in production by itself")
    if reach.irreversible:
        yield Reason("safety.irreversible", "what cannot be taken back needs a person")
    asked = submitted is not None and submitted.context.approval
    if asked or plan.header.approval_requested:
        yield Reason(REQUESTED, "the requester asked for a person")


def _not_the_intents(plan: Plan, submitted: TaskSubmitted) -> Iterator[PlanProblem]:
    """Production called staging would run by itself; another requester would void four eyes."""
    header = plan.header
    if header.environment != submitted.environment:
        yield _problem(
            "other_environment",
            "/header/environment",
            f"the intent is about {submitted.environment}, the plan about {header.environment}",
        )
    if header.requester != submitted.requester:
        yield _problem("other_requester", "/header/requester", "somebody else asked for this task")


def _off_limits(
    plan: Plan, submitted: TaskSubmitted, tools: Mapping[str, ToolDescriptor]
) -> Iterator[PlanProblem]:
    """The requester's own constraints: assets left out, or the only ones meant."""
    scope = submitted.context.scope
    excluded, only = frozenset(scope.exclude_assets), frozenset(scope.asset_ids)
    if not excluded and not only:
        return
    for index, step in enumerate(plan.steps):
        if _category(step, tools) is Category.READ:
            continue
        named = {step.target, *_texts(step.arguments)}
        if hit := sorted(named & excluded):
            yield _problem(
                "excluded_asset", f"/steps/{index}", f"the intent leaves out {', '.join(hit)}"
            )
        if only and step.target not in only:
            yield _problem(
                "outside_scope", f"/steps/{index}/target", f"the intent does not name {step.target}"
            )


def _no_way_back(plan: Plan, tools: Mapping[str, ToolDescriptor]) -> Iterator[PlanProblem]:
    """An undo is owed and goes out without a grant: it must be the tool's own."""
    for index, step in enumerate(plan.steps):
        tool = tools.get(step.tool)
        if tool is None or tool.category is not Category.REVERSIBLE:
            continue
        if step.undo is None:
            yield _problem(
                "undo_missing",
                f"/steps/{index}/undo",
                f"{tool.name} can be taken back, and the plan does not say how",
            )
        elif step.undo.tool != tool.undo_tool:
            yield _problem(
                "undo_other_tool",
                f"/steps/{index}/undo/tool",
                f"{tool.name} is taken back by {tool.undo_tool}, not by {step.undo.tool}",
            )


def _no_canary(reach: Reach) -> Iterator[PlanProblem]:
    if reach.environment is Environment.PRODUCTION and not reach.canary:
        yield _problem(
            "canary_missing",
            "/header/phases",
            f"{len(reach.changed)} assets in production are changed without a canary",
        )


def _boundless(reach: Reach) -> Iterator[PlanProblem]:
    """An envelope counts assets up to a number; what reaches further it cannot hold."""
    if reach.assets > MAX_STEPS:
        yield _problem(
            "beyond_envelope",
            "/header/phases",
            f"its calls can change {reach.assets} assets; no grant can bound more than {MAX_STEPS}",
        )


def _problem(rule: str, path: str, message: str) -> PlanProblem:
    return PlanProblem(stage="safety", rule=f"safety.{rule}", path=path, message=message[:4000])


def _category(step: Step, tools: Mapping[str, ToolDescriptor]) -> Category | None:
    tool = tools.get(step.tool)
    return None if tool is None else tool.category


def _texts(value: JsonValue) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
