"""The plan card: what a person is asked to approve, read from the very bytes that were hashed.

Nothing on it comes from an event, a projection's column or a message: those could say something
else than what will run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from smartops.contracts.canonical import digest
from smartops.contracts.errors import Malformed
from smartops.contracts.parsing import strict_json
from smartops.contracts.plan import Phase, Plan, Step, UndoTemplate
from smartops.contracts.wire import Category, JsonObject
from smartops.sdk.errors import Unverified

__all__ = ["Action", "PlanCard", "card"]

_ASSESSMENT_MAX_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Action:
    """Steps of a phase that do the same thing to several targets."""

    tool: str
    version: str
    category: Category
    arguments: JsonObject
    """Without the argument that only repeats the target."""
    targets: tuple[str, ...]
    undo: UndoTemplate | None
    """How it is taken back, arguments likewise; None when nothing does."""


@dataclass(frozen=True, slots=True)
class PlanCard:
    """A verified plan with its verified assessment."""

    plan: Plan
    plan_hash: str
    assessment: Mapping[str, Any]
    """Policy's scores, blast radius and rules, as it hashed them."""
    assessment_hash: str
    before: Plan | None = None
    """The plan that this one was written in place of, verified likewise, if it is known."""

    def steps_of(self, phase: Phase) -> tuple[Step, ...]:
        """The steps of a phase, in order."""
        steps = self.plan.by_hash()
        return tuple(steps[hashed] for hashed in phase.steps)

    def actions_of(self, phase: Phase) -> tuple[Action, ...]:
        """The same, folded: like steps on several targets are one action."""
        groups: dict[tuple[object, ...], list[Step]] = {}
        for step in self.steps_of(phase):
            own, undo = _without(step.arguments, step.target), _undo(step)
            key = (step.tool, step.version, step.category, repr(own), repr(undo))
            groups.setdefault(key, []).append(step)
        return tuple(
            Action(
                tool=same[0].tool,
                version=same[0].version,
                category=same[0].category,
                arguments=_without(same[0].arguments, same[0].target),
                targets=tuple(dict.fromkeys(step.target for step in same)),
                undo=_undo(same[0]),
            )
            for same in groups.values()
        )

    @property
    def not_undoable(self) -> tuple[Step, ...]:
        """Changes that nothing takes back."""
        return tuple(
            step
            for step in self.plan.steps
            if step.undo is None and step.category is not Category.READ
        )


def card(
    document: bytes,
    assessment: bytes,
    *,
    plan_hash: str,
    assessment_hash: str,
    task: UUID | None = None,
) -> PlanCard:
    """Verify the bytes of a plan and of its assessment, and read them.

    Args:
        document: the plan blob.
        assessment: the assessment blob.
        plan_hash: what the approval will name.
        assessment_hash: what the approval will name.
        task: the task that the plan must be for; None: any.

    Raises:
        Unverified: a hash differs, or the two belong to another plan or task. Nothing is shown
            then.
    """
    try:
        plan = Plan.read(document, plan_hash=plan_hash)
    except Malformed as error:
        raise Unverified(f"the plan is not shown, because {error}") from error
    found = digest(assessment)
    if found != assessment_hash:
        raise Unverified(
            f"the plan is not shown, because its assessment hashes to {found}, "
            f"not to {assessment_hash}"
        )
    try:
        values = strict_json(assessment, max_bytes=_ASSESSMENT_MAX_BYTES)
    except Malformed as error:
        raise Unverified(f"the plan is not shown, because its assessment is {error}") from error
    if not isinstance(values, dict):
        raise Unverified("the plan is not shown, because its assessment is no object")
    if values.get("plan_hash", plan_hash) != plan_hash:
        raise Unverified("the plan is not shown, because its assessment is about another plan")
    if task is not None and plan.header.task != task:
        raise Unverified(f"the plan is not shown, because it is for task {plan.header.task}")
    return PlanCard(plan, plan_hash, values, assessment_hash)


def _without(arguments: JsonObject, target: str) -> JsonObject:
    return {key: value for key, value in arguments.items() if value != target}


def _undo(step: Step) -> UndoTemplate | None:
    if step.undo is None:
        return None
    own = _without(step.undo.arguments, step.target)
    return step.undo.model_copy(update={"arguments": own})
