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
from smartops.contracts.plan import Step
from smartops.contracts.streams import stream
from smartops.contracts.wire import Category, Purpose
from smartops.runner.moves import Moves
from smartops.runner.state import Rollback

__all__ = ["MAX_UNDO_ATTEMPTS", "advance_rollback", "standing", "to_undo"]

MAX_UNDO_ATTEMPTS = 3
"""Attempts at taking one change back before a person is asked."""

_QUESTION_MAX = 200
"""Characters of a question, as `tool.call.requested` allows them."""


def to_undo(moves: Moves) -> tuple[UUID, ...]:
    """The changes that stand and can be taken back, last first."""
    undoable = {step.id for step in moves.plan.steps if step.undo is not None}
    return tuple(call for call in standing(moves) if moves.run.requests[call].question in undoable)


def standing(moves: Moves) -> tuple[UUID, ...]:
    """The changes that were applied and not taken back, last first; reads change nothing."""
    run = moves.run
    writes = {step.id for step in moves.plan.steps if step.category is not Category.READ}
    return tuple(
        call
        for call in reversed(run.applied)
        if run.requests[call].question in writes and call not in run.undone
    )


def advance_rollback(moves: Moves) -> None:
    """Ask for the next undo, or say how the rollback ended."""
    run, back = moves.run, moves.run.rollback
    if back is None or run.in_flight - run.stuck:
        return
    if back.attempts >= MAX_UNDO_ATTEMPTS or _unsure(moves, back):
        _escalate(
            moves,
            back,
            "Take the listed changes back by hand, or mend their targets and cancel the task to "
            "try the rest again.",
        )
    elif back.done < len(back.undo):
        _undo(moves, back.undo[back.done])
    elif back.then == "cancelled":
        moves.say(
            TaskCancelled(
                task=moves.task,
                run=moves.run_id,
                reason=back.reason,
                undone=len(run.undone),
                kept=len(standing(moves)),
            )
        )
    elif standing(moves):
        _escalate(
            moves,
            back,
            "The listed changes have no way back: look at their targets, mend what is needed, "
            "then cancel the task.",
        )
    else:
        moves.say(
            TaskRolledBack(
                task=moves.task, run=moves.run_id, reason=back.reason, undone=len(run.undone)
            )
        )


def _unsure(moves: Moves, back: Rollback) -> bool:
    """Nobody knows of a call whether it was applied, and going on would hide that.

    An undo of unknown outcome is never sent again. A step of unknown outcome is left as it is
    only by a person who cancels all the same.
    """
    stuck = {moves.run.requests[call].purpose for call in moves.run.stuck}
    return Purpose.UNDO in stuck or (bool(stuck) and back.then == "rolled_back")


def _escalate(moves: Moves, back: Rollback, what_to_do: str) -> None:
    moves.say(
        TaskEscalated(
            task=moves.task,
            run=moves.run_id,
            reason=f"rollback stopped: {back.reason}"[:4000],
            open_calls=tuple(sorted(moves.run.stuck)),
            not_undone=standing(moves),
            what_to_do=what_to_do,
        )
    )


def _undo(moves: Moves, call: UUID) -> None:
    request = moves.run.requests[call]
    step = next(step for step in moves.plan.steps if step.id == request.question)
    if step.undo is None:  # to_undo lists none of these
        raise ValueError(f"step {step.id} has no undo")
    question = _question(step)
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


def _question(step: Step) -> str:
    """Names the undo of a step. Never cut short: two steps that share it would share its key."""
    question = f"undo/{step.id}"
    return question if len(question) <= _QUESTION_MAX else f"undo/{step.hash()}"
