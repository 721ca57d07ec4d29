"""Runs that fail with nothing changed: how that is called, and whether to ask again. Pure.

What was changed is taken back, and the run ends as rolled back, or with a person. With nothing
changed there is nothing to take back: it has failed, and the same intent works later, or never.
"""

from __future__ import annotations

from smartops.contracts.events import TaskFailed, TaskStopping
from smartops.runner.moves import Moves
from smartops.runner.state import Run
from smartops.runner.steps import MAX_ATTEMPTS

__all__ = ["ATTEMPTS_USED_UP", "DEADLINE_PASSED", "STEP_REFUSED", "UNHEALTHY", "failure"]

STEP_REFUSED = "step_refused"
"""A step was refused or denied, or its code does not hold: asked again, it would be again."""

ATTEMPTS_USED_UP = "attempts_used_up"
"""A step was worth another attempt each time, until there was none left."""

UNHEALTHY = "unhealthy"
"""What was looked at was not well; that is of this moment."""

DEADLINE_PASSED = "deadline_passed"
"""The run, or its phase, took too long."""

_FOR_GOOD = frozenset({"failed", "denied"})


def failure(moves: Moves, stopping: TaskStopping) -> TaskFailed:
    """The end of a run that was to be taken back and has changed nothing.

    Judged by all that is known now, not by what stopped the run first: when one step takes too long
    and another one is refused for good, the same intent would be refused again.
    """
    code, message = _judged(moves.run, stopping.reason)
    return TaskFailed(
        task=moves.task,
        run=moves.run_id,
        error_code=code,
        message=message[:4000],
        retryable=code != STEP_REFUSED,
    )


def _judged(run: Run, reason: str) -> tuple[str, str]:
    refused = next((step for step, outcome in run.settled.items() if outcome in _FOR_GOOD), None)
    if refused is not None:
        told = f"step {refused} " in reason
        why = run.why.get(refused, "")
        return STEP_REFUSED, reason if told else f"{reason}; step {refused} failed: {why}"
    retried = (step for step, outcome in run.settled.items() if outcome == "retry")
    if any(run.tries(step) >= MAX_ATTEMPTS for step in retried):
        return ATTEMPTS_USED_UP, reason
    sick = (run.condition, *(seen.verdict for seen in run.samples.values()))
    ill = run.broken or "unhealthy" in sick
    return (UNHEALTHY if ill else DEADLINE_PASSED), reason
