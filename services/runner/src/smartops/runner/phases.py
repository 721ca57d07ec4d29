"""Going on: from a state to the next calls, verdicts, phases and the end.

`advance` is called after every new fact and says all that follows from it, until nothing more can
be said without another fact.
"""

from __future__ import annotations

from smartops.contracts.events import (
    TaskBatchCompleted,
    TaskCompleted,
    TaskPhaseCompleted,
    TaskPhaseStarted,
    TaskResumed,
)
from smartops.contracts.wire import Category
from smartops.runner.deadlines import forget, forget_phase, phase_term, rollback_term, run_term
from smartops.runner.holding import still_holds
from smartops.runner.keeping import held
from smartops.runner.moves import Moves
from smartops.runner.rest import come_to_rest
from smartops.runner.rollback import advance_rollback
from smartops.runner.steps import last_batch, steps_done, window_timer
from smartops.runner.watching import watch
from smartops.runtime.decision import Decision

__all__ = ["advance", "go_on_after_rest"]


def advance(moves: Moves) -> Decision:
    """Say all that follows from the state, with the new fact already said."""
    before = moves.run
    if moves.run.stopping is not None:
        come_to_rest(moves)
    if moves.run.rollback is not None and moves.run.ended is None:
        advance_rollback(moves)
    elif _may_go_on(moves):
        _go_on(moves)
    if before.started is not None and before.ended is None and moves.run.ended is not None:
        forget(moves, moves.run)
    return moves.decision()


def go_on_after_rest(moves: Moves, principal: str, reason: str) -> None:
    """The run goes on where it stood, and its time begins anew."""
    moves.say(
        TaskResumed(task=moves.task, run=moves.run_id, principal=principal, reason=reason[:4000])
    )
    if moves.run.rollback is not None:
        rollback_term(moves)
        return
    run_term(moves)
    phase_term(moves)


def _may_go_on(moves: Moves) -> bool:
    run = moves.run
    if not run.alive or run.paused is not None or run.stopping is not None:
        return False
    if run.waiting is None:
        return True
    if moves.fired != window_timer(run):
        return False
    go_on_after_rest(moves, "runner", "the maintenance window has opened")
    return True


def _go_on(moves: Moves) -> None:
    while moves.run.alive and moves.run.stopping is None:
        if not still_holds(moves):
            break
        if not moves.run.phase_open and not _open_next(moves):
            return
        phase = moves.phase()
        if not held(moves, phase):
            break
        if not steps_done(moves, phase) or not watch(moves, phase):
            break
        if last_batch(moves, phase):
            _complete_phase(moves)
        else:
            _complete_batch(moves)
    if moves.run.stopping is not None:
        come_to_rest(moves)
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
    phase_term(moves)
    return True


def _complete_batch(moves: Moves) -> None:
    batch, size = moves.run.batch, moves.phase().batch or 0
    moves.say(
        TaskBatchCompleted(
            task=moves.task,
            run=moves.run_id,
            phase=moves.run.phase,
            batch=batch,
            steps=(batch + 1) * size,
        )
    )


def _complete_phase(moves: Moves) -> None:
    phase = moves.phase()
    forget_phase(moves)
    moves.say(
        TaskPhaseCompleted(
            task=moves.task,
            run=moves.run_id,
            phase=moves.run.phase,
            name=phase.name,
            changed=sum(1 for _, s in moves.steps(phase) if s.category is not Category.READ),
        )
    )
