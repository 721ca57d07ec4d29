"""Taking back: the last change first, one after the other, each by its undo entitlement.

After each the target is read again, by the tool that told its state before the step: taken back is
what is as it was. Where there is no such tool, the answer to the undo is all that is known, and the
end of the rollback says so.
"""

from __future__ import annotations

from uuid import UUID

from smartops.contracts.events import (
    BeforeState,
    TaskCancelled,
    TaskEscalated,
    TaskRolledBack,
    ToolCallRequested,
)
from smartops.contracts.ids import call_id, question_about
from smartops.contracts.plan import Step
from smartops.contracts.wire import Category, Purpose
from smartops.runner.moves import CLOCK, Moves
from smartops.runner.state import VERIFY, Rollback, Run
from smartops.runner.steps import pause_before
from smartops.runtime.decision import SetTimer

__all__ = [
    "MAX_UNDO_ATTEMPTS",
    "advance_rollback",
    "left_to_do",
    "nothing_changed",
    "standing",
    "taken_back",
    "to_undo",
    "undo_timer",
]

MAX_UNDO_ATTEMPTS = 3
"""Attempts at taking one change back, or at reading it back, before a person is asked."""


def to_undo(moves: Moves) -> tuple[UUID, ...]:
    """The changes to take back, or to prove taken back, as far as there is a way; last first."""
    undoable = {step.id for step in moves.plan.steps if step.undo is not None}
    return tuple(c for c in left_to_do(moves) if moves.run.requests[c].question in undoable)


def left_to_do(moves: Moves) -> tuple[UUID, ...]:
    """The changes that stand, or whose taking back nobody has proved yet, last first."""
    return tuple(call for call in _writes(moves) if moves.run.open(call))


def standing(moves: Moves) -> tuple[UUID, ...]:
    """The changes that were applied and are not taken back, last first; reads change nothing."""
    return tuple(call for call in _writes(moves) if moves.run.stands(call))


def taken_back(moves: Moves) -> int:
    """How many changes were taken back, as far as anybody knows."""
    return sum(not moves.run.stands(call) for call in _writes(moves))


def nothing_changed(moves: Moves) -> bool:
    """Whether no change was ever applied, so that there is nothing that could be taken back."""
    return not _writes(moves)


def undo_timer(run: Run) -> str:
    """Ends the pause before the next attempt at taking a change back."""
    back = run.rollback
    done, attempts = (0, 0) if back is None else (back.done, back.attempts)
    return f"undo/{run.rollbacks}/{done}/{attempts}"


def advance_rollback(moves: Moves) -> None:
    """Ask for the next undo or its proof, or say how the rollback ended."""
    run, back = moves.run, moves.run.rollback
    if back is None or run.in_flight - run.stuck:
        return
    if back.disproved:
        _escalate(
            moves,
            back,
            "The first of the listed changes was taken back, but its target is not as it was "
            "before: mend it by hand, then cancel the task, to have it looked at again and take "
            "the rest back.",
        )
    elif back.attempts >= MAX_UNDO_ATTEMPTS or _unsure(moves, back):
        _escalate(
            moves,
            back,
            "Take the listed changes back by hand, or mend their targets and cancel the task to "
            "try the rest again.",
        )
    elif back.done < len(back.undo):
        _take_back(moves, back, back.undo[back.done])
    else:
        _end(moves, back)


def _take_back(moves: Moves, back: Rollback, call: UUID) -> None:
    if back.attempts and moves.fired != undo_timer(moves.run):
        pause = pause_before(back.attempts + 1)
        moves.timers.append(SetTimer(undo_timer(moves.run), pause, CLOCK))
        return
    before = moves.run.before.get(call)
    if call in moves.run.undone and before is not None:
        _prove(moves, call, before)
    else:
        _undo(moves, call)


def _end(moves: Moves, back: Rollback) -> None:
    run = moves.run
    if back.then == "cancelled":
        moves.say(
            TaskCancelled(
                task=moves.task,
                run=moves.run_id,
                reason=back.reason,
                undone=taken_back(moves),
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
        unproved = (c for c in _writes(moves) if c in run.undone and c not in run.verified)
        moves.say(
            TaskRolledBack(
                task=moves.task,
                run=moves.run_id,
                reason=back.reason,
                undone=len(run.undone),
                verified=len(run.verified),
                unverified=tuple(unproved),
            )
        )


def _writes(moves: Moves) -> list[UUID]:
    """The changes that were applied, last first."""
    run = moves.run
    writes = {step.id for step in moves.plan.steps if step.category is not Category.READ}
    return [call for call in reversed(run.applied) if run.requests[call].question in writes]


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
            not_undone=left_to_do(moves),
            what_to_do=what_to_do,
        )
    )


def _undo(moves: Moves, call: UUID) -> None:
    request = moves.run.requests[call]
    step = _step(moves, request)
    if step.undo is None:  # to_undo lists none of these
        raise ValueError(f"step {step.id} has no undo")
    question = _question("undo/", step)
    attempt = moves.run.attempts.get(question, 0) + 1
    moves.say(
        ToolCallRequested(
            task=moves.task,
            run=moves.run_id,
            call=call_id(moves.stream, question, Purpose.UNDO, attempt),
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


def _prove(moves: Moves, call: UUID, before: BeforeState) -> None:
    """Ask for the target's state, as the gateway did before the step went out."""
    request = moves.run.requests[call]
    question = _question(VERIFY, _step(moves, request))
    attempt = moves.run.attempts.get(question, 0) + 1
    moves.say(
        ToolCallRequested(
            task=moves.task,
            run=moves.run_id,
            call=call_id(moves.stream, question, Purpose.OBSERVE, attempt),
            purpose=Purpose.OBSERVE,
            tool=before.tool,
            version=before.version,
            target=request.target,
            question=question,
            attempt=attempt,
            phase=request.phase,
            arguments={"asset": request.target},
        )
    )


def _step(moves: Moves, request: ToolCallRequested) -> Step:
    return next(step for step in moves.plan.steps if step.id == request.question)


def _question(prefix: str, step: Step) -> str:
    return question_about(prefix, step.id, step.hash())
