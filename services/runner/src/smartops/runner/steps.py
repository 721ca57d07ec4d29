"""Steps on their way: which may go out now, in what company, and when again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from smartops.contracts.errors import Malformed
from smartops.contracts.events import TaskStepSettled, TaskWaiting, ToolCallRequested
from smartops.contracts.ids import call_id
from smartops.contracts.maintenance import MaintenanceWindow, is_open, opens_at
from smartops.contracts.plan import Phase, Step
from smartops.contracts.wire import Purpose
from smartops.runner.computing import ask_to_compute, is_computed
from smartops.runner.deadlines import forget
from smartops.runner.moves import CLOCK, Moves
from smartops.runner.state import Run
from smartops.runtime.decision import SetTimer

__all__ = [
    "MAX_ATTEMPTS",
    "is_retry",
    "last_batch",
    "may_go_out",
    "pause_before",
    "retry_timer",
    "set_retry",
    "steps_done",
    "window_timer",
]

MAX_ATTEMPTS = 3
"""Attempts at a step that definitely was not applied and is worth repeating."""

_FIRST_PAUSE = timedelta(milliseconds=500)
_GROWTH = 4
"""Between two attempts: half a second, then two seconds."""

_RETRY = "retry/"


def pause_before(attempt: int) -> timedelta:
    """How long to wait before the so-manieth attempt, from 2 on."""
    grown: int = _GROWTH ** max(0, attempt - 2)
    return _FIRST_PAUSE * grown


def is_retry(timer: str) -> bool:
    """Whether a timer ends the pause before another attempt at a step."""
    return timer.startswith(_RETRY)


def retry_timer(step: Step, attempt: int) -> str:
    """Ends the pause after an attempt; by hash, as ids of steps may be long."""
    return f"{_RETRY}{step.hash().removeprefix('sha256:')[:32]}/{attempt}"


def set_retry(moves: Moves, settled: TaskStepSettled) -> None:
    """A step was not applied: begin the pause before its next attempt, if there will be one."""
    step = moves.plan.by_hash().get(moves.run.requests[settled.call].step or "")
    if moves.run.stopping is not None:
        return  # Nothing goes out any more, and whoever resumes waits for no pause.
    tries = moves.run.tries(settled.question)
    if settled.retry and step is not None and tries < MAX_ATTEMPTS:
        name = retry_timer(step, moves.run.attempts.get(settled.question, 0))
        moves.timers.append(SetTimer(name, pause_before(tries + 1), CLOCK))


def window_timer(run: Run) -> str:
    """Fires when the maintenance window opens for which the run waits."""
    return f"window/{run.waits}"


def last_batch(moves: Moves, phase: Phase) -> bool:
    """Whether the batch under way is the phase's last."""
    return phase.batch is None or (moves.run.batch + 1) * phase.batch >= len(phase.steps)


def steps_done(moves: Moves, phase: Phase) -> bool:
    """Ask for the steps that may go out now; true once all of the batch were applied."""
    members = moves.steps(phase)
    if phase.batch is not None:
        members = members[: (moves.run.batch + 1) * phase.batch]
    open_steps = [(h, step) for h, step in members if moves.run.settled.get(step.id) != "applied"]
    for _, step in open_steps:
        outcome = moves.run.settled.get(step.id)
        if outcome is not None and _step_failed(moves, step, outcome):
            return False
    if open_steps and _due(moves, open_steps) and not may_go_out(moves, phase):
        return False
    _ask_for(moves, phase, open_steps)
    return not open_steps


def _ask_for(moves: Moves, phase: Phase, open_steps: Sequence[tuple[str, Step]]) -> None:
    width = phase.parallelism if phase.order == "parallel" else 1
    # Who waits for another attempt keeps its place: there must be room when its time comes. Counted
    # once, not for each step: a phase may have thousands, and this is asked after each outcome.
    pausing = sum(_pausing(moves, step) for _, step in open_steps)
    room = width - len(moves.run.in_flight) - pausing
    for hashed, step in open_steps:
        if room <= 0:
            return
        if not _in_flight(moves, step) and not _pausing(moves, step):
            _ask(moves, hashed, step)
            room -= 1


def _due(moves: Moves, open_steps: Sequence[tuple[str, Step]]) -> bool:
    """Whether anything is to go out now, or later without another word."""
    return any(not _in_flight(moves, step) and not _pausing(moves, step) for _, step in open_steps)


def _step_failed(moves: Moves, step: Step, outcome: str) -> bool:
    """Stop the run for a step that will not be applied; false when it is worth another attempt."""
    if outcome == "retry" and moves.run.tries(step.id) < MAX_ATTEMPTS:
        return False
    why = _because(moves.run, step)
    if outcome == "denied":
        denied = "could not be computed here" if is_computed(step) else "was denied by the gateway"
        moves.stop(f"step {step.id} {denied}{why}", "pause")
        return True
    moves.stop(f"step {step.id} failed{why}", "roll_back")
    return True


def _because(run: Run, step: Step) -> str:
    detail = run.why.get(step.id, "")
    return f": {detail}" if detail else ""


def _pausing(moves: Moves, step: Step) -> bool:
    """Whether the pause before another attempt at the step is not over."""
    if moves.run.settled.get(step.id) != "retry":
        return False
    return moves.fired != retry_timer(step, moves.run.attempts.get(step.id, 0))


def _in_flight(moves: Moves, step: Step) -> bool:
    attempt = moves.run.attempts.get(step.id, 0)
    return call_id(moves.stream, step.id, Purpose.DO, attempt) in moves.run.in_flight


def _ask(moves: Moves, hashed: str, step: Step) -> None:
    attempt = moves.run.attempts.get(step.id, 0) + 1
    if is_computed(step):
        ask_to_compute(moves, hashed, step, attempt)
        return
    moves.say(
        ToolCallRequested(
            task=moves.task,
            run=moves.run_id,
            call=call_id(moves.stream, step.id, Purpose.DO, attempt),
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


# ---- maintenance windows -------------------------------------------------------------------


def may_go_out(moves: Moves, phase: Phase) -> bool:
    """Whether steps may go out now; says what is waited for once nothing is in flight."""
    window = phase.maintenance or moves.plan.header.maintenance
    if window is None:
        return True
    try:
        if is_open(window, moves.now):
            return True
        until = opens_at(window, moves.now)
    except Malformed as error:  # Approved where somebody knew this time zone.
        moves.stop(error.reason, "pause")
        return False
    if not moves.run.in_flight:
        _wait(moves, window, until)
    return False


def _wait(moves: Moves, window: MaintenanceWindow, until: datetime) -> None:
    forget(moves, moves.run)
    reason = f"changes may be made from {window}, and not now"
    moves.say(TaskWaiting(task=moves.task, run=moves.run_id, reason=reason, until=until))
    moves.timers.append(SetTimer(window_timer(moves.run), until, CLOCK))
