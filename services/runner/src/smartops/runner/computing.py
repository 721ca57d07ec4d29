"""Asking for computed steps: by an event of the run's own stream; another one ends them. Pure.

The gateway never hears of them. They change nothing, so after a crash they are computed again, and
what was brought out last counts, once.
"""

from __future__ import annotations

from smartops.contracts.computing import COMPUTE
from smartops.contracts.events import TaskComputationRequested
from smartops.contracts.ids import call_id
from smartops.contracts.plan import Step
from smartops.contracts.wire import Purpose
from smartops.runner.moves import Moves

__all__ = ["ask_to_compute", "is_computed"]


def is_computed(step: Step) -> bool:
    """Whether the runner carries a step out itself."""
    return step.tool == COMPUTE


def ask_to_compute(moves: Moves, hashed: str, step: Step, attempt: int) -> None:
    """Ask for a computed step."""
    moves.say(
        TaskComputationRequested(
            task=moves.task,
            run=moves.run_id,
            call=call_id(moves.stream, step.id, Purpose.DO, attempt),
            version=step.version,
            target=step.target,
            question=step.id,
            attempt=attempt,
            phase=moves.run.phase,
            step=hashed,
        )
    )
