"""What is asked for, in the house's own name, after somebody has broken the glass. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from uuid import UUID

from smartops.contracts.commands import IntentContext, IntentSubmit, WantedStep
from smartops.contracts.events import TaskBreakGlassUsed
from smartops.contracts.plan import Plan
from smartops.contracts.tools import ToolDescriptor
from smartops.contracts.wire import Category, Environment

__all__ = ["looking_into"]

_MOST = 20
"""Targets that are looked at; of more, the first ones."""

_LONGEST = 2000
"""Characters of an intent."""


def looking_into(
    used: TaskBreakGlassUsed,
    task: UUID,
    plan: Plan,
    tools: Mapping[str, ToolDescriptor],
    *,
    why: bool = True,
) -> IntentSubmit:
    """The intent to look into it: how the targets stand, for a person who did not do it.

    Args:
        used: what was done.
        task: by which task.
        plan: the one that was let run.
        tools: its tools, as registered: what they look at before they act is looked at.
        why: quote the justification, too.
    """
    said = f"; the reason given: {used.justification}" if why else ""
    text = (
        f"Look into it: {used.by.actor_name} alone let plan {used.number} of task {task} run, "
        f"where {used.quorum} should have agreed ({used.summary}){said}"
    )
    return IntentSubmit(
        intent=text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…",
        environment=used.environment,
        tags=("break-glass", f"task:{task}"),
        context=IntentContext(
            agent="incident",
            steps=tuple(_looks(plan, tools)) or (_look_around(used.environment),),
            approval=True,
        ),
    )


def _looks(plan: Plan, tools: Mapping[str, ToolDescriptor]) -> Iterable[WantedStep]:
    seen: dict[tuple[str, str], None] = {}
    for step in plan.steps:
        tool = tools.get(step.tool)
        if step.category is not Category.READ and tool is not None and tool.before is not None:
            seen[tool.before, step.target] = None
    for reader, target in list(seen)[:_MOST]:
        yield WantedStep(tool=reader, target=target, arguments={"asset": target})


def _look_around(environment: Environment) -> WantedStep:
    """Where nothing can tell how single targets stand."""
    name = environment.value
    return WantedStep(tool="query_assets", target=name, arguments={"environment": name})
