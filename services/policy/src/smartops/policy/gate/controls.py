"""Cancel, revoke, halt: what people and breaches take back. Pure."""

from __future__ import annotations

from uuid import UUID

from smartops.contracts.bounds import OUTSIDE_ENVELOPE
from smartops.contracts.catalogue import GATEWAY, RUNNER
from smartops.contracts.commands import GrantRevoke, RunHalt, TaskCancel
from smartops.contracts.events import (
    TaskCancelled,
    TaskCancelRequested,
    TaskConditionChecked,
    TaskGrantRevoked,
    TaskHalted,
    ToolCallDenied,
)
from smartops.contracts.folds import RunView
from smartops.contracts.wire import LONGEST_TEXT
from smartops.policy.gate.granting import nothing_due
from smartops.policy.gate.state import Gate
from smartops.runtime.decision import NOTHING, CancelTimer, Decision, Refusal

__all__ = ["breach", "cancel", "halt", "no_such_task", "revoke", "unmet"]


def no_such_task(task: UUID) -> Decision:
    """Answer a command about a task that nobody submitted."""
    return Decision(refusal=Refusal("not_found", f"there is no task {task}", "task"))


def cancel(
    gate: Gate, task: UUID, command: TaskCancel, principal: str, actor: UUID | None, run: RunView
) -> Decision:
    """End a task: at once when nothing may be running, through the runner otherwise."""
    if gate.outcome is not None or run.ended not in (None, "escalated", "stale"):
        outcome = gate.outcome or run.ended
        return Decision(refusal=Refusal("ended", f"the task has already ended: {outcome}"))
    if gate.cancel is not None and run.ended in (None, "stale"):
        if gate.cancel.keep_changes == command.keep_changes:
            return NOTHING
        under_way = "keeping" if gate.cancel.keep_changes else "taking back"
        return Decision(
            refusal=Refusal(
                "cancelling",
                f"the task is being cancelled, {under_way} its changes",
                "keep_changes",
            )
        )
    if gate.halted is not None and not command.keep_changes:
        return Decision(
            refusal=Refusal(
                "halted", "the task is halted, so nothing is taken back: cancel it keeping changes"
            )
        )
    asked = TaskCancelRequested(
        principal=principal,
        actor=actor,
        reason=command.reason,
        keep_changes=command.keep_changes,
        run=gate.grant.run if gate.grant is not None else None,
    )
    if gate.grant is None or run.ended == "stale":
        # A run that never began takes nothing back, and says nothing more.
        ended = TaskCancelled(task=task, reason=command.reason)
        return Decision([asked, ended], timers=nothing_due(gate))
    return Decision([asked], timers=_asked_no_more(gate))


def revoke(
    gate: Gate, command: GrantRevoke, principal: str, actor: UUID | None, run: RunView
) -> Decision:
    """Take the grant back."""
    if gate.grant is None:
        return Decision(refusal=Refusal("not_found", "nothing was granted for this task"))
    if run.ended is not None:
        return Decision(refusal=Refusal("ended", f"the run has already ended: {run.ended}"))
    if gate.revoked is not None:
        return NOTHING
    revoked = TaskGrantRevoked(
        principal=principal,
        actor=actor,
        reason=command.reason,
        grant=gate.grant.grant,
        run=gate.grant.run,
    )
    return Decision([revoked], timers=_asked_no_more(gate))


def breach(gate: Gate, denied: ToolCallDenied) -> Decision:
    """A run asked for more than its grant allows: the grant ends, and with it all but undo."""
    grant = gate.grant
    if denied.reason_code != OUTSIDE_ENVELOPE or grant is None or grant.run != denied.run:
        return NOTHING
    if gate.revoked is not None:
        return NOTHING
    revoked = TaskGrantRevoked(
        principal=GATEWAY,
        reason=f"a call went beyond the grant: {denied.message}"[:LONGEST_TEXT],
        grant=grant.grant,
        run=grant.run,
    )
    return Decision([revoked], timers=_asked_no_more(gate))


def unmet(gate: Gate, checked: TaskConditionChecked) -> Decision:
    """The condition of a grant does not hold any more: the grant ends, and with it all but undo.

    By the run's word alone, as that can only stop it.
    """
    grant = gate.grant
    if checked.outcome != "broken" or grant is None or grant.run != checked.run:
        return NOTHING
    if gate.revoked is not None or grant.envelope is None:
        return NOTHING
    if grant.envelope.condition != checked.condition:
        return NOTHING  # Of an earlier grant, or of none.
    told = f"granted while {checked.condition}, and it does not hold: {checked.detail}"
    revoked = TaskGrantRevoked(
        principal=RUNNER, reason=told[:LONGEST_TEXT], grant=grant.grant, run=grant.run
    )
    return Decision([revoked], timers=_asked_no_more(gate))


def halt(
    gate: Gate, command: RunHalt, principal: str, actor: UUID | None, run: RunView
) -> Decision:
    """Emergency stop."""
    if gate.outcome is not None or run.ended not in (None, "escalated", "stale"):
        ended = gate.outcome or run.ended
        return Decision(refusal=Refusal("ended", f"the task has already ended: {ended}"))
    if gate.halted is not None:
        return NOTHING
    halted = TaskHalted(
        principal=principal,
        actor=actor,
        reason=command.reason,
        run=gate.grant.run if gate.grant is not None else None,
    )
    return Decision([halted], timers=_asked_no_more(gate))


def _asked_no_more(gate: Gate) -> list[CancelTimer]:
    """Forget when people are to decide on a plan that came back from its run."""
    return nothing_due(gate) if gate.returned is not None else []
