"""Another plan for a task: why, from what, and what it must keep to. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from smartops.contracts.constraints import Constraints, constraint_problems
from smartops.contracts.editing import Unfit, edited
from smartops.contracts.events import (
    TaskApprovalRejected,
    TaskPlanEditAccepted,
    TaskPlanSuperseded,
    TaskReopened,
    TaskSubmitted,
)
from smartops.contracts.plan import Plan, Requester
from smartops.contracts.tools import ToolDescriptor
from smartops.planner.agents.base import Misunderstood
from smartops.planner.state import Task

__all__ = ["GivesWay", "constraints_of", "keeping", "why_anew", "with_edit", "within"]

GivesWay = TaskPlanEditAccepted | TaskApprovalRejected | TaskPlanSuperseded
"""What the gate says of a plan that another one follows, or may follow."""


def constraints_of(task: Task) -> Constraints:
    """All that was asked for so far."""
    return task.reopened.constraints if task.reopened is not None else Constraints()


def why_anew(task: Task, told: GivesWay) -> TaskReopened | None:
    """The beginning of the next plan; None where the gate's word asks for none."""
    constraints = constraints_of(task)
    number = told.number + 1
    match told:
        case TaskPlanEditAccepted():
            by = told.by
            return TaskReopened(
                number=number,
                because="edited",
                edit=told.edit,
                editor=Requester(principal=by.principal, authtype=by.authtype),
                constraints=constraints,
                feedback=told.reason,
                by=by.actor_name,
            )
        case TaskApprovalRejected(then="replan"):
            return TaskReopened(
                number=number,
                because="rejected",
                constraints=constraints.joined(told.constraints),
                feedback=told.note,
                by=told.by.actor_name,
            )
        case TaskPlanSuperseded(because="stale", then="replan"):
            return TaskReopened(
                number=number, because="stale", constraints=constraints, feedback=told.detail
            )
        case _:
            return None


def within(submitted: TaskSubmitted, constraints: Constraints) -> TaskSubmitted:
    """The intent with what was to be left out left out, for agents that look at its scope."""
    if not constraints.exclude_assets:
        return submitted
    scope = submitted.context.scope
    left_out = tuple(dict.fromkeys((*scope.exclude_assets, *constraints.exclude_assets)))
    scope = scope.model_copy(update={"exclude_assets": left_out})
    context = submitted.context.model_copy(update={"scope": scope})
    return submitted.model_copy(update={"context": context})


def with_edit(
    task: Task, reopened: TaskReopened, before: Plan | None, tools: Mapping[str, ToolDescriptor]
) -> Plan | Misunderstood:
    """The plan before with an accepted edit applied, on the evidence that there is by now."""
    if before is None or reopened.edit is None or reopened.editor is None:
        return Misunderstood("edit_failed", "the plan that was edited cannot be read")
    made = edited(before, reopened.edit, reopened.editor, tools)
    if isinstance(made, Unfit):
        return Misunderstood("edit_failed", f"the edit cannot be applied: {made.message}")
    evidence = tuple(found.digest for found in task.evidence.values())
    return made.model_copy(update={"header": made.header.model_copy(update={"evidence": evidence})})


def keeping(plan: Plan, constraints: Constraints) -> Plan | Misunderstood:
    """The plan, if it keeps to what was asked for."""
    problems = constraint_problems(plan, constraints)
    if not problems:
        return plan
    _, message = problems[0]
    return Misunderstood("validation_error", f"the plan does not keep to what was asked: {message}")
