"""Edits: who may have the plan at hand written anew with other values, and when. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from smartops.contracts.commands import PlanEdit
from smartops.contracts.deciding import Evidence
from smartops.contracts.editing import Unfit
from smartops.contracts.events import Approval, TaskPlanEditAccepted, TaskPlanSuperseded
from smartops.contracts.plan import Plan
from smartops.policy.gate.granting import nothing_due
from smartops.policy.gate.replanning import refuse_replaced
from smartops.policy.gate.state import Gate
from smartops.runtime.decision import Decision, Refusal

__all__ = ["Editor", "decide_edit"]


@dataclass(frozen=True, slots=True)
class Editor:
    """The actor behind a principal, as the directory knows it; and what policy says of him."""

    principal: str
    authtype: str
    actor: UUID | None = None
    name: str = ""
    version: int = 0
    roles: tuple[str, ...] = ()
    reads: tuple[tuple[str, int], ...] = ()
    """Version of the actor's stream that this rests on."""
    denials: tuple[str, ...] = ()
    """Why policy does not let this actor decide on the plan."""
    evidence: tuple[Evidence, ...] = ()
    """What policy was asked, and what it said: recorded with the decision by who asks for it."""


def decide_edit(
    gate: Gate, command: PlanEdit, editor: Editor, made: Plan | Unfit | None, now: datetime
) -> Decision:
    """Decide on an edit. The plan at hand is closed by it, for good and for everybody.

    Args:
        gate: where a plan awaits a decision, or not.
        command: what is to be different.
        editor: who says so, and what policy says of that.
        made: what comes of it; None where there is no plan to edit.
        now: the database's clock.
    """
    refusal = _refuse(gate, command, editor, made, now)
    required = gate.required
    if refusal is not None or required is None or editor.actor is None:
        refusal = refusal or Refusal("not_found", "no plan of this task awaits a decision", "task")
        return Decision(refusal=refusal, reads=editor.reads)
    accepted = TaskPlanEditAccepted(
        number=required.number,
        plan_hash=required.plan_hash,
        by=Approval(
            actor=editor.actor,
            actor_name=editor.name,
            principal=editor.principal,
            authtype=editor.authtype,
            actor_version=editor.version,
            roles=editor.roles,
        ),
        edit=command.edit,
        reason=command.reason,
    )
    superseded = TaskPlanSuperseded(
        number=required.number,
        plan_hash=required.plan_hash,
        because="edited",
        then="replan",
        detail=f"edited by {editor.name}",
    )
    return Decision([accepted, superseded], timers=nothing_due(gate), reads=editor.reads)


def _refuse(
    gate: Gate, command: PlanEdit, editor: Editor, made: Plan | Unfit | None, now: datetime
) -> Refusal | None:
    required = gate.required
    if gate.returned is not None:
        return Refusal("under_way", "the plan is under way: approve it, reject it, or cancel")
    if gate.outcome is not None or gate.grant is not None:
        return Refusal("decided", f"already decided: {gate.outcome or 'approved'}")
    if gate.cancel is not None or gate.halted is not None:
        return Refusal("stopped", "the task was cancelled or halted")
    if (replaced := refuse_replaced(gate)) is not None:
        return replaced
    if required is None:
        return Refusal("not_found", "no plan of this task awaits a decision", "task")
    if command.plan_hash != required.plan_hash:
        return Refusal(
            "stale", f"the plan awaiting a decision is {required.plan_hash}", "plan_hash"
        )
    if now >= required.expires_at:
        return Refusal("expired", f"the decision was due at {required.expires_at.isoformat()}")
    if editor.actor is None:
        return Refusal("unmapped", "this principal is mapped to no actor, so it may not edit")
    if editor.denials:
        return Refusal("forbidden", "; ".join(editor.denials))
    if isinstance(made, Unfit):
        return Refusal("unfit", made.message, made.field)
    return None
