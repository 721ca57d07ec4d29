"""The condition of the grant: measured before each batch goes out, and while it is watched. Pure.

What is known to be broken ends the grant, and is taken back. What cannot be told pauses the run.
The gateway lets a step out only if the log bears out that it held: see its `conditions`.
"""

from __future__ import annotations

from collections.abc import Sequence

from smartops.contracts.events import TaskApprovalGranted, TaskConditionBound, TaskConditionChecked
from smartops.contracts.plan import Phase
from smartops.contracts.requirement import broken_by, guard_window_ms, read_requirement
from smartops.contracts.watching import Watch
from smartops.contracts.wire import LONGEST_TEXT
from smartops.runner.health import condition_verdict, values_of
from smartops.runner.moves import Moves
from smartops.runner.rounds import guards, newest_samples, next_round, sample_timer, told

__all__ = ["bind", "held", "keeps"]

_OUTCOMES = {"healthy": "holds", "unhealthy": "broken", "inconclusive": "unknown"}


def bind(moves: Moves, grant: TaskApprovalGranted) -> None:
    """The run goes on under the condition that its grant names; one granted later, under its own.

    Under a grant that names none there is nothing to say, unless an earlier one did.
    """
    condition = None if grant.envelope is None else grant.envelope.condition
    if condition != moves.run.bound:
        moves.say(
            TaskConditionBound(
                task=moves.task,
                run=moves.run_id,
                grant=grant.grant,
                condition=condition or "",
            )
        )


def held(moves: Moves, phase: Phase) -> bool:
    """Whether steps of the batch under way may go out, as far as the grant's condition goes.

    Has it measured if it was not, since the batch began or the run was resumed.
    """
    run = moves.run
    if run.bound is None or run.satisfied:
        return True
    if run.in_flight:
        return False
    wanted = guards(moves, run.phase)
    if _judge(moves, phase, wanted, window_over=True):
        return moves.run.satisfied
    next_round(moves, phase, wanted, wanted, asked_now=moves.fired == sample_timer(run))
    return False


def keeps(moves: Moves, phase: Phase, wanted: Sequence[Watch], watched_ms: int) -> None:
    """Judge the newest round of samples; a broken condition counts at once, and ends the run."""
    run = moves.run
    if run.bound is not None and not run.kept and not run.sampling():
        _judge(moves, phase, wanted, window_over=watched_ms >= guard_window_ms(phase))


def _judge(moves: Moves, phase: Phase, wanted: Sequence[Watch], *, window_over: bool) -> bool:
    """Say what the samples prove of it, if they prove anything; and stop the run where it fails."""
    run = moves.run
    if run.bound is None:
        return False
    broken = broken_by(read_requirement(run.bound))
    found = condition_verdict(broken, wanted, run.rounds, window_over=window_over)
    if found is None:
        return False
    outcome = _OUTCOMES[found]
    values = values_of(wanted, run.rounds[-1])
    shown = ", ".join(f"{name} {told(one.low, one.high)}" for name, one in values.items())
    moves.say(
        TaskConditionChecked(
            task=moves.task,
            run=moves.run_id,
            condition=run.bound,
            phase=run.phase,
            batch=run.batch,
            outcome=outcome,
            calls=tuple(one.call for one in newest_samples(moves, wanted)),
            values=values,
            rounds=max(1, *(run.samples[one.number].taken for one in wanted)),
            detail=shown[:LONGEST_TEXT] or "nothing was measured",
        )
    )
    why = f"the condition of its grant ({run.bound})"
    if outcome == "broken":
        moves.stop(f"{why} is broken in phase {phase.name}: {shown}", "roll_back")
    elif outcome == "unknown":
        moves.stop(f"{why} cannot be told in phase {phase.name}", "pause")
    return True
