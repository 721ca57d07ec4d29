"""Taking back: the last change first, one after the other, each by its undo entitlement."""

from __future__ import annotations

from uuid import UUID

from smartops.contracts.events import (
    TaskCancelled,
    TaskEscalated,
    TaskRolledBack,
    ToolCallRequested,
)
from smartops.contracts.ids import call_id
from smartops.contracts.streams import stream
from smartops.contracts.wire import Purpose
from smartops.runner.moves import Moves

__all__ = ["MAX_UNDO_ATTEMPTS", "advance_rollback", "to_undo"]

MAX_UNDO_ATTEMPTS = 3
"""Attempts at taking one change back before a person is asked."""


def to_undo(moves: Moves) -> tuple[UUID, ...]:
    """The applied calls that can be taken back, last first, less those already taken back."""
    run = moves.run
    undoable = {step.id for step in moves.plan.steps if step.undo is not None}
    done = set(run.rollback.undo[: run.rollback.done]) if run.rollback is not None else set()
    return tuple(
        call
        for call in reversed(run.applied)
        if run.requests[call].question in undoable and call not in done
    )


def advance_rollback(moves: Moves) -> None:
    """Ask for the next undo, or say how the rollback ended."""
    run, back = moves.run, moves.run.rollback
    if back is None or run.in_flight - run.stuck:
        return
    if back.attempts >= MAX_UNDO_ATTEMPTS or (run.stuck and back.then == "rolled_back"):
        moves.say(
            TaskEscalated(
                task=moves.task,
                run=moves.run_id,
                reason=f"rollback stopped: {back.reason}"[:4000],
                open_calls=tuple(sorted(run.stuck)),
                not_undone=back.undo[back.done :],
                what_to_do="Take the listed changes back by hand, or mend their targets and "
                "cancel the task to try the rest again.",
            )
        )
    elif back.done < len(back.undo):
        _undo(moves, back.undo[back.done])
    elif back.then == "cancelled":
        moves.say(
            TaskCancelled(
                task=moves.task,
                run=moves.run_id,
                reason=back.reason,
                undone=back.done,
                kept=len(run.applied) - back.done,
            )
        )
    else:
        moves.say(
            TaskRolledBack(task=moves.task, run=moves.run_id, reason=back.reason, undone=back.done)
        )


def _undo(moves: Moves, call: UUID) -> None:
    request = moves.run.requests[call]
    step = next(step for step in moves.plan.steps if step.id == request.question)
    if step.undo is None:  # to_undo lists none of these
        raise ValueError(f"step {step.id} has no undo")
    question = f"undo/{step.id}"[:200]
    attempt = moves.run.attempts.get(question, 0) + 1
    name = stream(moves.plan.header.tenant, "run", moves.run_id)
    moves.say(
        ToolCallRequested(
            task=moves.task,
            run=moves.run_id,
            call=call_id(name, question, Purpose.UNDO, attempt),
            purpose=Purpose.UNDO,
            tool=step.undo.tool,
            version=step.undo.version,
            target=step.target,
            question=question,
            attempt=attempt,
            phase=request.phase,
            undoes=call,
        )
    )
