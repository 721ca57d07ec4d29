"""What a computed step brought out, noted: the run goes on, is taken back, or waits. Pure."""

from __future__ import annotations

from datetime import datetime

from smartops.contracts.events import TaskComputationEnded, TaskStepSettled
from smartops.contracts.plan import Plan
from smartops.contracts.wire import Purpose
from smartops.runner.moves import Moves
from smartops.runner.phases import advance
from smartops.runner.state import Run
from smartops.runtime.decision import NOTHING, Decision

__all__ = ["NOT_RUN", "note_computed"]

NOT_RUN = "not_run"
"""The outcome of code that no sandbox was there for: a matter for people, not of the step."""


def note_computed(run: Run, plan: Plan, ended: TaskComputationEnded, now: datetime) -> Decision:
    """Take note of what a computed step brought out, and go on."""
    if run.started is None or ended.call not in run.in_flight:
        return NOTHING
    moves = Moves(run, run.started.task, run.started.run, plan, now)
    moves.say(ended)
    moves.say(
        TaskStepSettled(
            task=moves.task,
            run=moves.run_id,
            call=ended.call,
            purpose=Purpose.DO,
            question=ended.question,
            outcome=_settled(ended),
            detail=ended.detail,
        )
    )
    return advance(moves)


def _settled(ended: TaskComputationEnded) -> str:
    if ended.ok:
        return "applied"
    return "denied" if ended.outcome == NOT_RUN else "failed"
