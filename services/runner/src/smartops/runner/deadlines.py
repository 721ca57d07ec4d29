"""How long a run, a phase and a rollback may take: durable timers, and what their firing means."""

from __future__ import annotations

from datetime import timedelta

from smartops.contracts.quantities import write_duration
from smartops.runner.moves import CLOCK, Moves
from smartops.runner.state import Run
from smartops.runtime.decision import CancelTimer, SetTimer

__all__ = [
    "forget",
    "forget_phase",
    "heed",
    "is_deadline",
    "phase_term",
    "rollback_term",
    "run_term",
]

_DEADLINE = "deadline/"


def is_deadline(timer: str) -> bool:
    """Whether a timer is one of these."""
    return timer.startswith(_DEADLINE)


def run_term(moves: Moves) -> None:
    """The run's time begins: at its start, and anew each time it was resumed."""
    moves.timers.append(_in(_of_run(moves.run), moves.plan.header.max_run_ms))


def phase_term(moves: Moves) -> None:
    """The same for the phase under way, if the plan limits it."""
    limit = moves.phase().timeout_ms if moves.run.phase_open else None
    if limit is not None:
        moves.timers.append(_in(_of_phase(moves.run), limit))


def rollback_term(moves: Moves) -> None:
    """The same for taking back."""
    moves.timers.append(_in(_of_rollback(moves.run), moves.plan.header.rollback_timeout_ms))


def forget(moves: Moves, run: Run) -> None:
    """Forget the deadlines that `run` was under: else they lie about long after their end."""
    names = [_of_run(run)]
    if run.phase_open and moves.plan.header.phases[run.phase].timeout_ms is not None:
        names.append(_of_phase(run))
    if run.rollback is not None:
        names.append(_of_rollback(run))
    moves.timers += [CancelTimer(name) for name in names]


def forget_phase(moves: Moves) -> None:
    """Forget the deadline of the phase under way."""
    if moves.phase().timeout_ms is not None:
        moves.timers.append(CancelTimer(_of_phase(moves.run)))


def heed(moves: Moves) -> None:
    """A deadline passed: stop as the plan says. One of an earlier term changes nothing."""
    run, header = moves.run, moves.plan.header
    if moves.fired == _of_rollback(run):
        if run.rollback is not None:
            took = write_duration(header.rollback_timeout_ms)
            moves.stop(f"taking back took longer than {took}", "escalate")
        return
    if run.rollback is not None:
        return
    if moves.fired == _of_run(run):
        reason = f"the run took longer than {write_duration(header.max_run_ms)}"
        then = header.on_timeout
    elif moves.fired == _of_phase(run) and run.phase_open:
        phase = moves.phase()
        reason = f"phase {phase.name} took longer than {write_duration(phase.timeout_ms or 0)}"
        then = phase.on_timeout
    else:
        return
    if run.paused is None or then != "pause":
        moves.stop(reason, then)


def _of_run(run: Run) -> str:
    return f"{_DEADLINE}run/{run.terms}"


def _of_phase(run: Run) -> str:
    return f"{_DEADLINE}phase/{run.phase}/{run.terms}"


def _of_rollback(run: Run) -> str:
    return f"{_DEADLINE}rollback/{run.rollbacks}/{run.terms}"


def _in(name: str, delay_ms: int) -> SetTimer:
    return SetTimer(name, timedelta(milliseconds=delay_ms), CLOCK)
