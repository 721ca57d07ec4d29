"""Going on: from a state to the next calls, verdicts, phases and the end.

`advance` is called after every new fact and says all that follows from it, until nothing more can
be said without another fact.
"""

from __future__ import annotations

from datetime import timedelta

from smartops.contracts.events import (
    TaskCancelled,
    TaskCompleted,
    TaskEscalated,
    TaskHealthChecked,
    TaskPaused,
    TaskPhaseCompleted,
    TaskPhaseStarted,
    TaskRollbackStarted,
    ToolCallRequested,
)
from smartops.contracts.ids import call_id
from smartops.contracts.plan import Phase, Step
from smartops.contracts.streams import stream
from smartops.contracts.wire import Category, Purpose
from smartops.runner.health import request_arguments, sample_tool, verdict
from smartops.runner.moves import Moves
from smartops.runner.rollback import advance_rollback, standing, to_undo
from smartops.runner.state import Run, Samples
from smartops.runtime.decision import CancelTimer, Decision, SetTimer

__all__ = ["MAX_ATTEMPTS", "advance", "sample_timer"]


MAX_ATTEMPTS = 3
"""Attempts at a step that definitely was not applied and is worth repeating."""


def sample_timer(run: Run) -> str:
    """Name of the timer before the next round of health samples; each round has its own."""
    asked = sum(1 for request in run.requests.values() if request.purpose is Purpose.OBSERVE)
    return f"sample/{run.phase}/{asked}"


def advance(moves: Moves, *, sample_now: bool = False) -> Decision:
    """Say all that follows from the state.

    Args:
        moves: the state, with the new fact already said.
        sample_now: the pause before the next health samples is over.
    """
    run = moves.run
    if run.stopping is not None:
        _come_to_rest(moves)
    if moves.run.rollback is not None and moves.run.ended is None:
        advance_rollback(moves)
    elif moves.run.alive and moves.run.paused is None and moves.run.stopping is None:
        _go_on(moves, sample_now=sample_now)
    return moves.decision()


def _go_on(moves: Moves, *, sample_now: bool) -> None:
    while moves.run.alive and moves.run.stopping is None:
        if not moves.run.phase_open and not _open_next(moves):
            return
        phase = moves.phase()
        if not _steps_done(moves, phase):
            break
        if not _watch(moves, phase, sample_now=sample_now):
            break
        sample_now = False
        moves.say(
            TaskPhaseCompleted(
                task=moves.task,
                run=moves.run_id,
                phase=moves.run.phase,
                name=phase.name,
                changed=sum(
                    1 for _, step in moves.steps(phase) if step.category is not Category.READ
                ),
            )
        )
    if moves.run.stopping is not None:
        _come_to_rest(moves)
        if moves.run.rollback is not None and moves.run.ended is None:
            advance_rollback(moves)


def _open_next(moves: Moves) -> bool:
    """Begin the next phase, or complete the run; false when there is none."""
    number = moves.run.phase + 1
    phases = moves.plan.header.phases
    if number == len(phases):
        moves.say(
            TaskCompleted(
                task=moves.task,
                run=moves.run_id,
                changed=len(
                    {s.target for s in moves.plan.steps if s.category is not Category.READ}
                ),
                calls=len(moves.run.requests),
            )
        )
        return False
    phase = phases[number]
    targets = tuple(dict.fromkeys(step.target for _, step in moves.steps(phase)))
    moves.say(
        TaskPhaseStarted(
            task=moves.task,
            run=moves.run_id,
            phase=number,
            name=phase.name,
            steps=len(phase.steps),
            targets=targets,
        )
    )
    return True


def _steps_done(moves: Moves, phase: Phase) -> bool:
    """Ask for the steps that may go out now; true once all were applied."""
    width = phase.parallelism if phase.order == "parallel" else 1
    missing = 0
    for hashed, step in moves.steps(phase):
        outcome = moves.run.settled.get(step.id)
        if outcome == "applied":
            continue
        missing += 1
        if outcome is not None and _step_failed(moves, step, outcome):
            return False
        if _asked(moves, step) or len(moves.run.in_flight) >= width:
            continue
        _ask(moves, hashed, step)
    return missing == 0


def _step_failed(moves: Moves, step: Step, outcome: str) -> bool:
    """Stop the run for a step that will not be applied; false when it is worth another attempt."""
    if outcome == "retry" and moves.run.attempts.get(step.id, 0) < MAX_ATTEMPTS:
        return False
    if outcome == "denied":
        moves.stop(f"step {step.id} was denied by the gateway", "pause")
        return True
    moves.stop(f"step {step.id} failed", "roll_back")
    return True


def _asked(moves: Moves, step: Step) -> bool:
    call = call_id(_stream(moves), step.id, Purpose.DO, moves.run.attempts.get(step.id, 0))
    return call in moves.run.in_flight


def _ask(moves: Moves, hashed: str, step: Step) -> None:
    attempt = moves.run.attempts.get(step.id, 0) + 1
    moves.say(
        ToolCallRequested(
            task=moves.task,
            run=moves.run_id,
            call=call_id(_stream(moves), step.id, Purpose.DO, attempt),
            purpose=Purpose.DO,
            tool=step.tool,
            version=step.version,
            target=step.target,
            question=step.id,
            attempt=attempt,
            phase=moves.run.phase,
            step=hashed,
        )
    )


def _watch(moves: Moves, phase: Phase, *, sample_now: bool) -> bool:
    """Watch the phase's health; true once every check was healthy for its whole window."""
    if not phase.checks:
        return True
    run = moves.run
    if not run.samples and not run.in_flight and phase.wait_ms and not sample_now:
        moves.timers.append(_in(moves, phase.wait_ms))
        return False
    first = not run.samples and not run.in_flight
    open_checks = 0
    for number, check in enumerate(phase.checks):
        seen = moves.run.samples.get(number, Samples())
        if seen.verdict == "healthy":
            continue
        outcome = verdict(check, seen)
        if outcome is not None:
            moves.say(
                TaskHealthChecked(
                    task=moves.task,
                    run=moves.run_id,
                    phase=run.phase,
                    check=number,
                    type=check.type,
                    outcome=outcome,
                    samples=seen.taken,
                    failed=seen.failed,
                    detail=f"{seen.taken - seen.failed} of {seen.taken} samples healthy",
                )
            )
            if outcome == "unhealthy":
                moves.stop(f"{check.type} is unhealthy in phase {phase.name}", "roll_back")
                return False
            if outcome == "inconclusive":
                moves.stop(f"{check.type} cannot be observed in phase {phase.name}", "pause")
                return False
            continue
        open_checks += 1
        if (sample_now or first) and not _sampling(moves, number):
            _sample(moves, phase, number)
    if open_checks and not (sample_now or first) and not moves.run.in_flight:
        moves.timers.append(_in(moves, min(check.interval_ms for check in phase.checks)))
    return open_checks == 0


def _sampling(moves: Moves, number: int) -> bool:
    return any(
        moves.run.requests[call].purpose is Purpose.OBSERVE
        and moves.run.requests[call].question.endswith(f"/{number}")
        for call in moves.run.in_flight
    )


def _sample(moves: Moves, phase: Phase, number: int) -> None:
    check = phase.checks[number]
    question = f"{moves.run.phase}/{check.type}/{number}"
    attempt = moves.run.attempts.get(question, 0) + 1
    targets = tuple(dict.fromkeys(step.target for _, step in moves.steps(phase)))
    moves.say(
        ToolCallRequested(
            task=moves.task,
            run=moves.run_id,
            call=call_id(_stream(moves), question, Purpose.OBSERVE, attempt),
            purpose=Purpose.OBSERVE,
            tool=sample_tool(check),
            version="1",
            target=targets[0],
            question=question,
            attempt=attempt,
            phase=moves.run.phase,
            arguments=request_arguments(check, targets),
        )
    )


def _come_to_rest(moves: Moves) -> None:
    """Once nothing is in flight that can still answer by itself, do what the stop was for."""
    run, stopping = moves.run, moves.run.stopping
    if stopping is None or run.in_flight - run.stuck:
        return
    moves.timers.append(CancelTimer(sample_timer(run)))
    if run.stuck and stopping.then not in ("cancel", "cancel_and_keep"):
        _escalate(moves, stopping.reason)
        return
    match stopping.then:
        case "pause":
            moves.say(TaskPaused(task=moves.task, run=moves.run_id, reason=stopping.reason))
        case "escalate":
            _escalate(moves, stopping.reason)
        case "roll_back" | "cancel":
            moves.say(
                TaskRollbackStarted(
                    task=moves.task,
                    run=moves.run_id,
                    reason=stopping.reason,
                    phase=run.phase,
                    undo=to_undo(moves),
                    then="cancelled" if stopping.then == "cancel" else "rolled_back",
                )
            )
        case _:
            moves.say(
                TaskCancelled(
                    task=moves.task,
                    run=moves.run_id,
                    reason=stopping.reason,
                    undone=len(run.undone),
                    kept=len(standing(moves)),
                )
            )


def _escalate(moves: Moves, reason: str) -> None:
    stuck = tuple(sorted(moves.run.stuck))
    done = (
        "It is unknown whether these calls were applied: look at their targets"
        if stuck
        else ("Nothing is in flight: look at the targets")
    )
    moves.say(
        TaskEscalated(
            task=moves.task,
            run=moves.run_id,
            reason=reason,
            open_calls=stuck,
            not_undone=standing(moves),
            what_to_do=f"{done}, mend what is needed, then cancel the task (to take the rest back) "
            "or cancel it keeping its changes.",
        )
    )


def _in(moves: Moves, delay_ms: int) -> SetTimer:
    return SetTimer(sample_timer(moves.run), timedelta(milliseconds=delay_ms), "runner.clock")


def _stream(moves: Moves) -> str:
    return stream(moves.plan.header.tenant, "run", moves.run_id)
