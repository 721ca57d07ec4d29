"""Plans that give way to others: which may come next, and what it must be. Pure."""

from __future__ import annotations

from typing import Literal, NamedTuple

from smartops.contracts.commands import ApprovalDecide
from smartops.contracts.constraints import Constraints, constraint_problems
from smartops.contracts.editing import Unfit, edited
from smartops.contracts.events import (
    UNASKED,
    PlanProblem,
    TaskCancelled,
    TaskPlanned,
    TaskPlanSuperseded,
    TaskPreconditionsStale,
)
from smartops.contracts.folds import RunView
from smartops.contracts.plan import Plan, Requester
from smartops.contracts.tools import ToolDescriptor
from smartops.contracts.wire import EventData, Purpose
from smartops.policy.gate.state import Gate
from smartops.runtime.decision import NOTHING, Decision, Refusal

__all__ = [
    "Aftermath",
    "aftermath",
    "ask_anew",
    "gone_stale",
    "not_as_asked",
    "refuse_replaced",
    "refuse_wishes",
    "unwanted",
]


class Aftermath(NamedTuple):
    """What comes after a rejection."""

    then: Literal["archive", "replan"]
    constraints: Constraints
    detail: str


def aftermath(gate: Gate, vote: ApprovalDecide, most: int) -> Aftermath:
    """Another plan if it was asked for, and that has not been so too often; else the end."""
    if vote.then == "replan" and gate.replans >= most:
        return Aftermath("archive", vote.constraints, _too_often(gate))
    return Aftermath(vote.then, vote.constraints, "")


def refuse_wishes(gate: Gate, vote: ApprovalDecide) -> Refusal | None:
    """Why a voice may not ask for what it asks for besides."""
    if vote.decision == "reject" and gate.returned is not None:
        under_way = "the plan is under way, so rejecting it takes it back: ask for another task"
        if vote.then != "archive":
            return Refusal("under_way", under_way, "then")
        return Refusal("under_way", under_way, "constraints") if vote.constraints.given else None
    if vote.decision == "reject":
        return None
    if vote.then != "archive":
        return Refusal("nothing_to_plan", "an approved plan is carried out, not replaced", "then")
    if vote.constraints.given:
        return Refusal("nothing_to_plan", "what is approved is the plan as it is", "constraints")
    return None


def refuse_replaced(gate: Gate) -> Refusal | None:
    """Why nobody can decide on the newest plan: another one is being written in its place."""
    if not gate.replaced:
        return None
    how = {
        "edited": "was edited",
        "rejected": "was rejected, to be written anew",
        "stale": "rests on what has changed since",
    }[gate.replaced]
    return Refusal("superseded", f"plan {gate.number} {how}: wait for plan {gate.expects}")


def unwanted(gate: Gate, planned: TaskPlanned) -> tuple[PlanProblem, ...]:
    """Why a plan is refused whatever it says: nobody has asked for it."""
    if planned.number == gate.expects and gate.grant is None:
        return ()
    awaited = f"plan {gate.expects}" if gate.expects else "none"
    message = f"nobody asked for plan {planned.number}; awaited is {awaited}"
    where = "/header/number"
    return (PlanProblem(stage="schema", rule=UNASKED, path=where, message=message),)


def ask_anew(gate: Gate) -> bool:
    """Whether a person must decide on the next plan, whatever policy says of it.

    Somebody was asked about an earlier one, and has changed it, refused it, or agreed to what is no
    longer so.
    """
    return bool(gate.editors) or gate.required is not None


def not_as_asked(
    gate: Gate, plan: Plan, before: Plan | None, tools: dict[str, ToolDescriptor]
) -> list[PlanProblem]:
    """Where a plan is not what was asked for in place of the one before.

    Args:
        gate: which has asked for it.
        plan: that has come.
        before: the one it replaces; None where that cannot be read.
        tools: registered ones.
    """
    found = [
        PlanProblem(stage="schema", rule="gate.constraints", path=path, message=message)
        for path, message in constraint_problems(plan, gate.constraints)
    ]
    if gate.edit is None:
        return found
    by = gate.edit.by
    editor = Requester(principal=by.principal, authtype=by.authtype)
    wanted = Unfit("", "the plan before cannot be read")
    made = edited(before, gate.edit.edit, editor, tools) if before is not None else wanted
    if isinstance(made, Unfit):
        message = f"the edit cannot be applied: {made.message}"
    elif _bare(made) != _bare(plan):
        message = "is not the plan before with the accepted edit, and nothing else, applied"
    else:
        return found
    return [*found, PlanProblem(stage="schema", rule="gate.edit", path="/", message=message)]


def gone_stale(gate: Gate, told: TaskPreconditionsStale, run: RunView, most: int) -> Decision:
    """A run found out, before it began, that its plan rests on what has changed.

    Believed only of a run that asked for no step: a grant under which something was done stays, and
    with it the right to take that back.
    """
    grant = gate.grant
    if grant is None or (grant.run, grant.number) != (told.run, told.number):
        return NOTHING
    if run.ended != "stale" or any(r.purpose is Purpose.DO for r in run.requests.values()):
        return NOTHING
    if gate.outcome is not None or gate.halted is not None or gate.revoked is not None:
        return NOTHING
    changed = ", ".join(dict.fromkeys(f"{one.tool} on {one.target}" for one in told.stale))
    detail = f"changed since the plan was made: {changed}"
    over = gate.cancel is not None or gate.replans >= most
    if over and gate.cancel is None:
        detail = f"{detail}; {_too_often(gate)}"
    events: list[EventData] = [
        TaskPlanSuperseded(
            number=grant.number,
            plan_hash=grant.plan_hash,
            because="stale",
            then="end" if over else "replan",
            grant=grant.grant,
            run=grant.run,
            detail=detail[:4000],
        )
    ]
    if gate.cancel is not None:
        # It was on its way to a run that had ended by then.
        events.append(TaskCancelled(task=told.task, reason=gate.cancel.reason))
    return Decision(events)


def _bare(plan: Plan) -> str:
    """A plan's hash but for what may be added to it: evidence of rehearsals, and words of them."""
    header = plan.header.model_copy(update={"evidence": (), "summary": ""})
    return plan.model_copy(update={"header": header}).hash()


def _too_often(gate: Gate) -> str:
    times = "once" if gate.replans == 1 else f"{gate.replans} times"
    return f"the task was planned anew {times}, which is the most that is allowed: it ends here"
