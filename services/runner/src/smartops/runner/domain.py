"""The run decided: which step next, is it healthy, must it be taken back?

Each function takes the state and one new fact, and returns what follows. No clock, no ids from
nowhere, no I/O; a repeated fact returns nothing.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from smartops.contracts.events import (
    BeforeState,
    TaskApprovalGranted,
    TaskCancelled,
    TaskStarted,
    TaskStepSettled,
    TaskStepWithheld,
    ToolCallRequested,
)
from smartops.contracts.folds import BY_POLICY, STOPPING, CallStatus, CallView, GateView
from smartops.contracts.maintenance import OUTSIDE_WINDOW
from smartops.contracts.plan import Plan
from smartops.contracts.wire import Category, Purpose
from smartops.runner.deadlines import forget, heed, is_deadline, run_term
from smartops.runner.health import Sampled, judge_sample
from smartops.runner.holding import is_look, judge_held, look_due, set_look
from smartops.runner.keeping import bind
from smartops.runner.moves import Moves
from smartops.runner.phases import advance, go_on_after_rest
from smartops.runner.proofs import judge_proof
from smartops.runner.queued import heed_queued
from smartops.runner.returned import give_up, go_on, refuse_resume
from smartops.runner.rollback import undo_timer
from smartops.runner.rounds import answer_timer, forget_answer, sample_timer, watch_of
from smartops.runner.state import HOLDS, VERIFY, Run
from smartops.runner.steps import is_retry, retry_timer, set_retry, window_timer
from smartops.runtime.decision import NOTHING, Decision, Refusal

__all__ = [
    "claims_of",
    "go_on",
    "heed_gate",
    "note_outcome",
    "pause",
    "resume",
    "start",
    "tick",
]

_PASSING = frozenset({OUTSIDE_WINDOW, STOPPING})
"""Denials that say nothing of the step. The window closed between our clock and the gateway's:
asked again, the run waits. The run stopped first: it asks again if it goes on."""


def claims_of(plan: Plan) -> tuple[str, ...]:
    """The targets a plan changes: those that its run must own. Reading needs no claim."""
    return tuple(
        dict.fromkeys(step.target for step in plan.steps if step.category is not Category.READ)
    )


def start(
    run: Run,
    grant: TaskApprovalGranted,
    task: UUID,
    gate: GateView,
    plan: Plan,
    now: datetime,
) -> Decision:
    """Begin the run that a grant allows, all targets being owned by it.

    A gate that has meanwhile cancelled the task ends the run before it begins. One that was paused
    while it was queued waits until it is resumed.
    """
    if run.started is not None or run.ended is not None:
        return NOTHING
    if gate.grant is None or gate.grant.run != grant.run:
        return NOTHING
    if gate.cancel is not None:
        return Decision([TaskCancelled(task=task, run=grant.run, reason=gate.cancel.reason)])
    if gate.stopped or run.paused is not None:
        return NOTHING
    moves = Moves(run, task, grant.run, plan, now)
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
    bind(moves, grant)
    run_term(moves)
    return advance(moves)


def note_outcome(
    run: Run, plan: Plan, call: CallView, now: datetime, before: BeforeState | None = None
) -> Decision:
    """Take note of a call's outcome and go on.

    Args:
        run: the state.
        plan: what it carries out.
        call: as far as it has come.
        now: the database's clock.
        before: what taking the call back will be held to, if it changed something and there is a
            tool that can tell.
    """
    if call.call is None or call.call not in run.in_flight or run.started is None:
        return NOTHING
    request = run.requests[call.call]
    moves = Moves(run, run.started.task, run.started.run, plan, now)
    settled = _settle(moves, request, call, before)
    if settled is None:
        return NOTHING
    moves.say(settled)
    _note_withheld(moves, request, call)
    forget_answer(moves, request)
    if run.ended not in (None, "escalated"):
        return moves.decision()  # It has said how it ended, and says it once.
    set_retry(moves, settled)
    set_look(moves, settled)
    after = moves.run
    if call.call in after.stuck and after.alive and not (after.stopping or after.rollback):
        moves.stop(f"it is unknown whether {request.question} was applied", "escalate")
    elif call.call in run.stuck and not after.stuck and after.ended == "escalated":
        _take_up(moves, call)
    return advance(moves)


def tick(run: Run, plan: Plan, timer: str, now: datetime) -> Decision:
    """A timer fired: for samples, another attempt, a maintenance window, a deadline.

    One that is not among the run's current timers is late, and changes nothing.
    """
    if not run.alive or run.started is None:
        return NOTHING
    moves = Moves(run, run.started.task, run.started.run, plan, now, timer)
    if is_deadline(timer):
        heed(moves)
        return advance(moves) if moves.events else NOTHING
    late = _unanswered(run, timer)
    if late is not None:
        moves.say(_unanswered_in_time(moves, late))
        return advance(moves)
    return advance(moves) if _is_due(moves, timer) else NOTHING


def _is_due(moves: Moves, timer: str) -> bool:
    run = moves.run
    if is_retry(timer):
        return run.phase_open and any(
            run.settled.get(step.id) == "retry"
            and timer == retry_timer(step, run.attempts.get(step.id, 0))
            for _, step in moves.steps(moves.phase())
        )
    if is_look(timer):
        return look_due(run, timer)
    if run.rollback is not None:
        return timer == undo_timer(run) and run.rollback.attempts > 0
    if run.waiting is not None:
        return timer == window_timer(run)
    return timer == sample_timer(run)


def _unanswered(run: Run, timer: str) -> ToolCallRequested | None:
    """The sample whose time is over, if a timer says so and it was not answered yet."""
    waiting = (run.requests[call] for call in run.in_flight)
    return next((request for request in waiting if timer == answer_timer(request)), None)


def heed_gate(run: Run, plan: Plan | None, task: UUID, gate: GateView, now: datetime) -> Decision:
    """The gate spoke: cancel, revoke and halt stop the run, each in its own way."""
    if run.started is None:
        return heed_queued(run, task, gate)
    if plan is None or run.ended not in (None, "escalated"):
        return NOTHING
    moves = Moves(run, task, run.started.run, plan, now)
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
        if run.rollback is not None or run.ended is not None:
            return NOTHING
        if gate.returned is not None and run.paused is not None:
            give_up(moves, gate.revoked)
            return advance(moves)
        if run.paused is not None:
            return NOTHING
        moves.stop(f"grant revoked: {gate.revoked.reason}", "pause", gate.revoked.principal)
    else:
        return NOTHING
    return advance(moves)


def pause(run: Run, plan: Plan, principal: str, reason: str, now: datetime) -> Decision:
    """Let nothing more go out; confirmed by `task.paused` once nothing is in flight."""
    if not run.alive or run.started is None:
        return Decision(refusal=Refusal("not_running", "the run is not under way"))
    if run.rollback is not None:
        return Decision(refusal=Refusal("rolling_back", "a rollback is not paused; halt stops it"))
    if run.paused is not None or run.stopping is not None:
        return NOTHING
    moves = Moves(run, run.started.task, run.started.run, plan, now)
    moves.stop(reason, "pause", principal)
    return advance(moves)


def resume(
    run: Run, plan: Plan, gate: GateView, principal: str, reason: str, now: datetime
) -> Decision:
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
    if (waits := refuse_resume(run, gate)) is not None:
        return Decision(refusal=waits)
    moves = Moves(run, run.started.task, run.started.run, plan, now)
    forget(moves, run)
    go_on_after_rest(moves, principal, reason)
    moves.fired = sample_timer(moves.run)  # Who resumes does not wait before the first sample.
    return advance(moves)


def _note_withheld(moves: Moves, request: ToolCallRequested, call: CallView) -> None:
    """Policy itself denied a step, under a grant: that is for the gate to decide on again."""
    denied = (call.status, call.error_code) == (CallStatus.DENIED, BY_POLICY)
    if not denied or request.purpose is not Purpose.DO or call.grant is None:
        return
    moves.say(
        TaskStepWithheld(
            task=moves.task,
            run=moves.run_id,
            call=request.call,
            step=request.question,
            grant=call.grant,
        )
    )


def _take_up(moves: Moves, call: CallView) -> None:
    """The last call whose outcome was unknown is settled: do what an escalated run was about.

    A halt stays: nothing that is known now makes it undone.
    """
    run, held = moves.run, moves.run.held
    if held is not None and held.then == "escalate" and held.principal is not None:
        return
    if held is not None and held.then == "roll_back":
        moves.stop(held.reason, "roll_back")
    elif run.rollback is None and "failed" in run.settled.values():
        moves.stop("a step was not applied, and is not to be attempted again", "roll_back")
    else:
        who = call.settled_by or "tool_gateway"
        go_on_after_rest(moves, who, f"all is known: {call.message}")
        if held is not None and held.then == "pause":
            moves.stop(held.reason, "pause", held.principal)


def _unanswered_in_time(moves: Moves, request: ToolCallRequested) -> TaskStepSettled:
    """A sample that takes too long is one that could not be taken."""
    watch = watch_of(moves, request)
    limit = 0 if watch is None else watch.timeout_ms or 0
    return TaskStepSettled(
        task=moves.task,
        run=moves.run_id,
        call=request.call,
        purpose=request.purpose,
        question=request.question,
        outcome="inconclusive",
        detail=f"no answer within {limit} ms",
    )


def _observed(moves: Moves, request: ToolCallRequested, call: CallView) -> Sampled:
    """What a read shows, of health or of a change that was taken back."""
    if request.question.startswith(HOLDS):
        return judge_held(moves.plan, request.question, call)
    if request.question.startswith(VERIFY):
        return judge_proof(moves.run, call)
    watch = watch_of(moves, request)
    if watch is None:
        return Sampled(None, "the sample belongs to no check")
    targets = (request.arguments or {}).get("targets")
    names = [str(target) for target in targets] if isinstance(targets, list) else []
    return judge_sample(watch, names, call.output)


def _settle(
    moves: Moves, request: ToolCallRequested, call: CallView, before: BeforeState | None
) -> TaskStepSettled | None:
    if call.call is None:
        return None

    def settled(
        outcome: str, sampled: Sampled | None = None, *, retry: bool = False, detail: str = ""
    ) -> TaskStepSettled:
        return TaskStepSettled(
            task=moves.task,
            run=moves.run_id,
            call=request.call,
            purpose=request.purpose,
            question=request.question,
            outcome=outcome,
            healthy=None if sampled is None else sampled.healthy,
            measured=None if sampled is None else sampled.measured,
            before=before if request.purpose is Purpose.DO and outcome == "applied" else None,
            retry=retry,
            detail=(detail if sampled is None else sampled.detail)[:4000],
        )

    match call.status:
        case None | CallStatus.DISPATCHED:
            return None
        case CallStatus.UNCERTAIN:
            if call.settles_by != "human" or request.call in moves.run.stuck:
                return None
            return settled("uncertain", detail=call.message)
        case CallStatus.SUCCEEDED | CallStatus.APPLIED:
            if request.purpose is Purpose.OBSERVE:
                return settled("applied", _observed(moves, request, call))
            return settled("applied")
        case CallStatus.DENIED:
            again = call.error_code in _PASSING and request.purpose is Purpose.DO
            return settled("denied", retry=again, detail=f"{call.error_code}: {call.message}")
        case CallStatus.FAILED | CallStatus.NOT_APPLIED:
            outcome = "inconclusive" if request.purpose is Purpose.OBSERVE else "failed"
            return settled(
                outcome, retry=call.retryable, detail=f"{call.error_code}: {call.message}"
            )
