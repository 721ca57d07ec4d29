"""Runs that rest because policy denied a step: another grant lets them go on, or they end. Pure.

Nothing is done twice by that: the run keeps what it knows, its targets, and the order of its
phases. A person cannot resume it past the gate. See ADR 38.
"""

from __future__ import annotations

from datetime import datetime

from smartops.contracts.events import TaskGrantRevoked
from smartops.contracts.folds import GateView
from smartops.contracts.plan import Plan
from smartops.runner.keeping import bind
from smartops.runner.moves import Moves
from smartops.runner.phases import advance, go_on_after_rest
from smartops.runner.rollback import nothing_changed
from smartops.runner.rounds import sample_timer
from smartops.runner.state import Run
from smartops.runtime.decision import NOTHING, Decision, Refusal

__all__ = ["give_up", "go_on", "refuse_resume"]


def go_on(run: Run, plan: Plan, gate: GateView, now: datetime) -> Decision:
    """The plan was granted once more: go on where the run stood.

    Only a run that rests, and was denied under an earlier grant: the grant that it was denied under
    may be told of again, and lets nothing go on.
    """
    grant, started = gate.grant, run.started
    if grant is None or started is None or gate.stopped or not run.alive:
        return NOTHING
    if (grant.run, grant.plan_hash) != (started.run, started.plan_hash):
        return NOTHING
    if run.paused is None or not run.withheld:
        return NOTHING
    if any(one.grant >= grant.grant for one in run.withheld) or not grant.approvals:
        return NOTHING
    moves = Moves(run, started.task, started.run, plan, now)
    names = " and ".join(voice.actor_name for voice in grant.approvals)
    go_on_after_rest(moves, grant.approvals[0].principal, f"approved once more, by {names}")
    bind(moves, grant)
    moves.fired = sample_timer(moves.run)
    return advance(moves)


def give_up(moves: Moves, revoked: TaskGrantRevoked) -> None:
    """There will be no other grant: fail if nothing was changed, else leave it to a person.

    What was changed is not taken back by itself: it was approved, and it is another policy that
    stopped the rest.
    """
    then = "roll_back" if nothing_changed(moves) else "escalate"
    moves.stop(f"the plan may not go on: {revoked.reason}", then)


def refuse_resume(run: Run, gate: GateView) -> Refusal | None:
    """Why a person cannot let a run that rests go on, and what is awaited."""
    if gate.cancel is None and gate.halted is None and gate.revoked is None and run.withheld:
        steps = ", ".join(dict.fromkeys(one.step for one in run.withheld))
        awaited = (
            f"plan {gate.returned.number} must be approved once more: see smartops approvals"
            if gate.returned is not None and gate.required is not None
            else "the plan is being weighed again"
        )
        return Refusal("returned", f"policy denied {steps}: {awaited}"[:4000])
    if gate.stopped:
        return Refusal("no_grant", "the grant was revoked or the task stopped; cancel it")
    return None
