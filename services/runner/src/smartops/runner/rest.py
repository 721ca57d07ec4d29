"""Coming to rest: what a stop was for, once nothing is in flight that can answer by itself."""

from __future__ import annotations

from smartops.contracts.events import (
    TaskCancelled,
    TaskEscalated,
    TaskPaused,
    TaskRollbackStarted,
)
from smartops.runner.deadlines import forget, rollback_term
from smartops.runner.failing import failure
from smartops.runner.moves import Moves
from smartops.runner.rollback import left_to_do, nothing_changed, standing, taken_back, to_undo
from smartops.runner.rounds import sample_timer
from smartops.runner.steps import window_timer
from smartops.runtime.decision import CancelTimer

__all__ = ["come_to_rest"]


def come_to_rest(moves: Moves) -> None:
    """Do what the stop was for, if nothing is in flight any more."""
    run, stopping = moves.run, moves.run.stopping
    if stopping is None or run.in_flight - run.stuck:
        return
    moves.timers.append(CancelTimer(sample_timer(run)))
    if run.waiting is not None:
        moves.timers.append(CancelTimer(window_timer(run)))
    if run.stuck and stopping.then not in ("cancel", "cancel_and_keep"):
        _escalate(moves, stopping.reason)
        return
    match stopping.then:
        case "pause":
            if run.withheld:
                forget(moves, run)  # People have their own time to decide.
            moves.say(TaskPaused(task=moves.task, run=moves.run_id, reason=stopping.reason))
        case "escalate":
            _escalate(moves, stopping.reason)
        case "roll_back" if nothing_changed(moves):
            moves.say(failure(moves, stopping))
        case "roll_back" | "cancel":
            forget(moves, run)
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
            rollback_term(moves)
        case _:
            moves.say(
                TaskCancelled(
                    task=moves.task,
                    run=moves.run_id,
                    reason=stopping.reason,
                    undone=taken_back(moves),
                    kept=len(standing(moves)),
                )
            )


def _escalate(moves: Moves, reason: str) -> None:
    stuck = tuple(sorted(moves.run.stuck))
    done = (
        "It is unknown whether these calls were applied: look at their targets and say what you "
        "found (smartops call settle), and the run goes on from there. Or"
        if stuck
        else "Nothing is in flight: look at the targets,"
    )
    moves.say(
        TaskEscalated(
            task=moves.task,
            run=moves.run_id,
            reason=reason,
            open_calls=stuck,
            not_undone=left_to_do(moves),
            what_to_do=f"{done} mend what is needed, then cancel the task (to take the rest back) "
            "or cancel it keeping its changes.",
        )
    )
