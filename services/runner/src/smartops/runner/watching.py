"""Watching a phase: rounds of samples over its window, and the verdicts that they come to."""

from __future__ import annotations

from smartops.contracts.condition import Condition, metrics_of
from smartops.contracts.errors import Malformed
from smartops.contracts.events import TaskHealthChecked
from smartops.contracts.plan import Phase
from smartops.contracts.watching import Watch, condition_of, tick_ms, watches_of, window_ms
from smartops.runner.health import condition_verdict, values_of, verdict
from smartops.runner.keeping import keeps
from smartops.runner.moves import Moves
from smartops.runner.rounds import begin_after, guards, next_round, sample_timer, slot, told
from smartops.runner.state import Samples

__all__ = ["watch"]


def watch(moves: Moves, phase: Phase) -> bool:
    """Watch the phase's health; true once everything was healthy for its whole window."""
    try:
        condition = condition_of(phase)
    except Malformed as error:  # Approved at a time when only people read it.
        moves.stop(f"rollback_if of phase {phase.name} is not understood: {error.reason}", "pause")
        return False
    own, kept = watches_of(phase, condition), guards(moves, moves.run.phase)
    watches = (*own, *kept)
    if not watches:
        return True
    run = moves.run
    asked_now = moves.fired == sample_timer(run)
    if not run.samples and not run.in_flight and phase.wait_ms and not asked_now:
        begin_after(moves, phase.wait_ms)
        return False
    watched_ms = slot(run, watches) * tick_ms(phase)
    _judge(moves, phase, condition, own, watched_ms)
    keeps(moves, phase, kept, watched_ms)
    if moves.run.stopping is not None:
        return False
    still = [*_still(moves, condition, own), *(() if moves.run.kept else kept)]
    if not still:
        return not moves.run.in_flight
    if not moves.run.in_flight:
        next_round(moves, phase, watches, still, asked_now=asked_now)
    return False


def _judge(
    moves: Moves,
    phase: Phase,
    condition: Condition | None,
    watches: tuple[Watch, ...],
    watched_ms: int,
) -> None:
    """Say the verdicts that stand, and stop the run for the gravest."""
    stops: dict[str, str] = {}
    for one in watches:
        seen = moves.run.samples.get(one.number, Samples())
        outcome = verdict(one, seen) if seen.verdict is None else None
        if outcome is not None:
            _say_check(moves, one, seen, outcome)
            could = "cannot be observed" if outcome == "inconclusive" else "is unhealthy"
            if seen.errors > one.error_limit:
                could = "could not be asked"
            stops.setdefault(outcome, f"{one.metric} {could} in phase {phase.name}")
    if condition is not None and moves.run.condition is None and not moves.run.sampling():
        over = watched_ms >= window_ms(phase)
        outcome = condition_verdict(condition, watches, moves.run.rounds, window_over=over)
        if outcome is not None:
            values = _say_condition(moves, phase, watches, outcome)
            could = f"holds: {values}" if outcome == "unhealthy" else "cannot be observed"
            stops[outcome] = f"rollback_if of phase {phase.name} ({condition}) {could}"
    if "unhealthy" in stops:
        moves.stop(stops["unhealthy"], "roll_back")
    elif "inconclusive" in stops:
        moves.stop(stops["inconclusive"], "pause")


def _still(moves: Moves, condition: Condition | None, watches: tuple[Watch, ...]) -> list[Watch]:
    """What is sampled further: checks without a verdict, and what an open condition compares."""
    needed = set()
    if condition is not None and moves.run.condition is None:
        needed = set(metrics_of(condition))
    return [
        one
        for one in watches
        if one.metric in needed
        or (one.check is not None and moves.run.samples.get(one.number, Samples()).verdict is None)
    ]


def _say_check(moves: Moves, one: Watch, seen: Samples, outcome: str) -> None:
    check = one.check
    values = {} if seen.measured is None else {one.metric: seen.measured}
    moves.say(
        TaskHealthChecked(
            task=moves.task,
            run=moves.run_id,
            phase=moves.run.phase,
            check=one.number,
            type=one.type,
            outcome=outcome,
            samples=seen.taken,
            failed=seen.failed,
            inconclusive=seen.inconclusive,
            errors=seen.errors,
            condition="" if check is None or check.threshold is None else check.threshold,
            values=values,
            detail=_detail(seen),
        )
    )


def _detail(seen: Samples) -> str:
    if seen.errors:
        return f"the last {seen.errors} of {seen.taken} samples could not be taken"
    if seen.inconclusive:
        return f"the last {seen.inconclusive} of {seen.taken} samples showed nothing"
    return f"{seen.taken - seen.failed} of {seen.taken} samples healthy"


def _say_condition(moves: Moves, phase: Phase, watches: tuple[Watch, ...], outcome: str) -> str:
    run = moves.run
    newest = run.rounds[-1]
    values = values_of(watches, newest)
    taken = max((seen.taken for seen in run.samples.values()), default=0)
    shown = ", ".join(f"{name} {told(one.low, one.high)}" for name, one in values.items())
    moves.say(
        TaskHealthChecked(
            task=moves.task,
            run=moves.run_id,
            phase=run.phase,
            check=None,
            type="rollback_if",
            outcome=outcome,
            samples=taken,
            failed=int(outcome == "unhealthy"),
            condition=phase.rollback_if,
            values=values,
            detail=shown or "nothing was measured",
        )
    )
    return shown
