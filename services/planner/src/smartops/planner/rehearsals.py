"""What must be rehearsed before a plan is written: whatever its steps' tools want so. Pure.

It is the same for every agent: a draft is looked through, and what it lacks is asked for as
evidence. When the answers are there, the same draft is made again, and lacks nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from smartops.contracts.plan import Step
from smartops.contracts.rehearsing import (
    REASON_CODE,
    is_rehearsal,
    rehearsal_of,
    same_but_reason,
)
from smartops.contracts.tools import ToolDescriptor
from smartops.contracts.wire import Category, JsonObject
from smartops.planner.agents import Misunderstood
from smartops.planner.agents.base import Question

__all__ = ["MAX_EVIDENCE", "rehearsals_missing", "rehearsals_told"]

MAX_EVIDENCE = 200
"""Pieces of evidence that a plan's header holds."""

_TOLD = 3
"""Rehearsals that a summary names; of more it tells how many."""


def rehearsals_missing(
    steps: Iterable[Step], evidence: Collection[str], tools: Mapping[str, ToolDescriptor]
) -> tuple[Question, ...] | Misunderstood:
    """The rehearsals to ask for, one per tool, target and arguments.

    Also where the plan rehearses by a step of its own: people decide on a plan of which it is known
    that it would work now.

    Args:
        steps: of the plan.
        evidence: kinds that the task has.
        tools: the steps' tools and their rehearsals, as registered.

    Returns:
        The questions, in the order of their steps; or why nothing can be rehearsed.
    """
    wanted: dict[str, Question] = {}
    for step in steps:
        tool = tools.get(step.tool)
        if tool is None or tool.simulate is None or step.category is Category.READ:
            continue
        kind = rehearsal_of(step)
        if kind in evidence:
            continue
        rehearsal = tools.get(tool.simulate)
        if rehearsal is None or rehearsal.category is not Category.READ:
            what = "not registered" if rehearsal is None else f"no read: {rehearsal.category}"
            return Misunderstood(
                "validation_error",
                f"{step.tool} must be rehearsed by {tool.simulate} first, and that is {what}",
            )
        wanted[kind] = Question(kind, rehearsal.name, step.target, _arguments(step, rehearsal))
    if len(evidence) + len(wanted) > MAX_EVIDENCE:
        return Misunderstood(
            "validation_error",
            f"{len(wanted)} rehearsals are due, and a plan rests on {MAX_EVIDENCE} pieces of "
            "evidence at most: do it in several tasks",
        )
    return tuple(wanted.values())


def rehearsals_told(summary: str, steps: Iterable[Step], evidence: Collection[str]) -> str:
    """The summary with what was rehearsed, as people decide on the plan's bytes and no others."""
    if not any(map(is_rehearsal, evidence)):
        return summary
    done = dict.fromkeys(
        f"{step.tool} on {step.target}" for step in steps if rehearsal_of(step) in evidence
    )
    named = ", ".join(list(done)[:_TOLD])
    more = f" and {len(done) - _TOLD} more" if len(done) > _TOLD else ""
    return f"{summary}; rehearsed: {named}{more}"


def _arguments(step: Step, rehearsal: ToolDescriptor) -> JsonObject:
    """Those of the step; its reason only if the rehearsal takes one, too."""
    known = rehearsal.input_schema.get("properties")
    if isinstance(known, dict) and REASON_CODE in known:
        return step.arguments
    return same_but_reason(step.arguments)
