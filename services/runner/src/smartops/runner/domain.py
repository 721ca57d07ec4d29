"""The run decided: which step next, is it healthy, must it be taken back?

Each function takes the state and one new fact, and returns what follows. No clock, no ids from
nowhere, no I/O; a repeated fact returns nothing.
"""

from __future__ import annotations

from uuid import UUID

from smartops.contracts.events import (
    TaskApprovalGranted,
    TaskCancelled,
    TaskResumed,
    TaskStarted,
    TaskStepSettled,
    ToolCallRequested,
)
from smartops.contracts.folds import CallStatus, CallView, GateView
from smartops.contracts.plan import Plan
from smartops.contracts.wire import Category, Purpose
from smartops.runner.health import judge_sample
from smartops.runner.moves import Moves
from smartops.runner.phases import advance, sample_timer
from smartops.runner.state import Run
from smartops.runtime.decision import NOTHING, Decision, Refusal

__all__ = [
    "claims_of",
    "heed_gate",
    "note_outcome",
    "pause",
    "resume",
    "start",
    "tick",
]


def claims_of(plan: Plan) -> tuple[str, ...]:
    """The targets a plan changes: those that its run must own. Reading needs no claim."""
    return tuple(
        dict.fromkeys(step.target for step in plan.steps if step.category is not Category.READ)
    )


def start(run: Run, grant: TaskApprovalGranted, task: UUID, gate: GateView, plan: Plan) -> Decision:
    """Begin the run that a grant allows, all targets being owned by it.

    A gate that has meanwhile stopped the task ends the run before it begins.
    """
    if run.started is not None or run.ended is not None:
        return NOTHING
    if gate.grant is None or gate.grant.run != grant.run:
        return NOTHING
    if gate.cancel is not None:
        return Decision([TaskCancelled(task=task, run=grant.run, reason=gate.cancel.reason)])
    if gate.stopped:
        return NOTHING
    moves = Moves(run, task, grant.run, plan)
    moves.say(
        TaskStarted(
            task=task,
            run=grant.run,
            number=grant.number,
            plan_hash=grant.plan_hash,
            document=grant.document,
            grant=grant.grant,
            environment=grant.environment,
            phases=tuple(phase.name for phase in plan.header.phases),
            claims=claims_of(plan),
        )
    )
    return advance(moves)


def note_outcome(run: Run, plan: Plan, call: CallView) -> Decision:
    """Take note of a call's outcome and go on."""
    if call.call is None or call.call not in run.in_flight or run.started is None:
        return NOTHING
    request = run.requests[call.call]
    settled = _settle(run, plan, request, call)
    if settled is None:
        return NOTHING
    moves = Moves(run, run.started.task, run.started.run, plan)
    moves.say(settled)
    after = moves.run
    if call.call in after.stuck and after.alive and not (after.stopping or after.rollback):
        moves.stop(f"it is unknown whether {request.question} was applied", "escalate")
    return advance(moves)


def tick(run: Run, plan: Plan, timer: str) -> Decision:
    """A timer fired: it is time for the next health samples.

    One that is not the run's current timer is late, and changes nothing.
    """
    if not run.alive or run.started is None or timer != sample_timer(run):
        return NOTHING
    moves = Moves(run, run.started.task, run.started.run, plan)
    return advance(moves, sample_now=True)


def heed_gate(run: Run, plan: Plan | None, task: UUID, gate: GateView) -> Decision:
    """The gate spoke: cancel, revoke and halt stop the run, each in its own way."""
    if run.started is None:
        if run.ended is None and gate.cancel is not None and gate.grant is not None:
            ended = TaskCancelled(task=task, run=gate.grant.run, reason=gate.cancel.reason)
            return Decision([ended])
        return NOTHING
    if plan is None or run.ended not in (None, "escalated"):
        return NOTHING
    moves = Moves(run, task, run.started.run, plan)
    if gate.halted is not None and run.ended is None:
        moves.stop(f"halted: {gate.halted.reason}", "escalate", gate.halted.principal)
    elif gate.cancel is not None:
        if run.rollback is not None and run.ended is None:
            return NOTHING
        if gate.halted is not None and not gate.cancel.keep_changes:
            return NOTHING  # That cancel came before the halt, which forbids taking back.
        then = "cancel_and_keep" if gate.cancel.keep_changes else "cancel"
        moves.stop(gate.cancel.reason, then, gate.cancel.principal)
    elif gate.revoked is not None:
        if run.rollback is not None or run.ended is not None or run.paused is not None:
            return NOTHING
        moves.stop(f"grant revoked: {gate.revoked.reason}", "pause", gate.revoked.principal)
    else:
        return NOTHING
    return advance(moves)


def pause(run: Run, plan: Plan, principal: str, reason: str) -> Decision:
    """Let nothing more go out; confirmed by `task.paused` once nothing is in flight."""
    if not run.alive or run.started is None:
        return Decision(refusal=Refusal("not_running", "the run is not under way"))
    if run.rollback is not None:
        return Decision(refusal=Refusal("rolling_back", "a rollback is not paused; halt stops it"))
    if run.paused is not None or run.stopping is not None:
        return NOTHING
    moves = Moves(run, run.started.task, run.started.run, plan)
    moves.stop(reason, "pause", principal)
    return advance(moves)


def resume(run: Run, plan: Plan, gate: GateView, principal: str, reason: str) -> Decision:
    """Go on where the run stood; refused while the gate forbids it."""
    if not run.alive or run.started is None:
        return Decision(refusal=Refusal("not_running", "the run is not under way"))
    if run.paused is None:
        code, message = (
            ("stopping", "calls are still in flight; wait for task.paused")
            if run.stopping is not None
            else ("not_paused", "the run is not paused")
        )
        return Decision(refusal=Refusal(code, message))
    if gate.stopped:
        return Decision(
            refusal=Refusal("no_grant", "the grant was revoked or the task stopped; cancel it")
        )
    moves = Moves(run, run.started.task, run.started.run, plan)
    moves.say(
        TaskResumed(task=run.started.task, run=run.started.run, principal=principal, reason=reason)
    )
    return advance(moves, sample_now=True)


def _settle(
    run: Run, plan: Plan, request: ToolCallRequested, call: CallView
) -> TaskStepSettled | None:
    started = run.started
    if started is None or call.call is None:
        return None

    def settled(
        outcome: str, *, healthy: bool | None = None, retry: bool = False, detail: str = ""
    ) -> TaskStepSettled:
        return TaskStepSettled(
            task=started.task,
            run=started.run,
            call=request.call,
            purpose=request.purpose,
            question=request.question,
            outcome=outcome,
            healthy=healthy,
            retry=retry,
            detail=detail[:4000],
        )

    match call.status:
        case None | CallStatus.DISPATCHED:
            return None
        case CallStatus.UNCERTAIN:
            if call.settles_by != "human" or request.call in run.stuck:
                return None
            return settled("uncertain", detail=call.message)
        case CallStatus.SUCCEEDED | CallStatus.APPLIED:
            if request.purpose is Purpose.OBSERVE:
                healthy, detail = judge_sample(plan, request, call.output)
                return settled("applied", healthy=healthy, detail=detail)
            return settled("applied")
        case CallStatus.DENIED:
            return settled("denied", detail=f"{call.error_code}: {call.message}")
        case CallStatus.FAILED | CallStatus.NOT_APPLIED:
            outcome = "inconclusive" if request.purpose is Purpose.OBSERVE else "failed"
            return settled(
                outcome, retry=call.retryable, detail=f"{call.error_code}: {call.message}"
            )
