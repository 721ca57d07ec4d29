"""Watching a phase: rounds of samples over its window, and the verdicts that they come to."""

from __future__ import annotations

from datetime import timedelta

from smartops.contracts.condition import Condition, metrics_of
from smartops.contracts.errors import Malformed
from smartops.contracts.events import TaskHealthChecked, ToolCallRequested
from smartops.contracts.ids import call_id
from smartops.contracts.plan import Phase
from smartops.contracts.watching import Watch, condition_of, tick_ms, watches_of, window_ms
from smartops.contracts.wire import Purpose
from smartops.runner.health import (
    SAMPLE_VERSION,
    condition_verdict,
    request_arguments,
    sample_tool,
    values_of,
    verdict,
)
from smartops.runner.moves import CLOCK, Moves
from smartops.runner.state import Run, Samples
from smartops.runtime.decision import CancelTimer, SetTimer

__all__ = ["answer_timer", "forget_answer", "sample_timer", "watch", "watch_of"]

_ANSWER = "answer/"


def sample_timer(run: Run) -> str:
    """Name of the timer before the next round of health samples; each round has its own."""
    asked = sum(1 for request in run.requests.values() if request.purpose is Purpose.OBSERVE)
    return f"sample/{run.phase}/{asked}"


def answer_timer(request: ToolCallRequested) -> str:
    """Fires when a sample has taken longer than its check allows."""
    return f"{_ANSWER}{request.call}"


def forget_answer(moves: Moves, request: ToolCallRequested) -> None:
    """A sample was answered: its time is no longer measured."""
    found = watch_of(moves, request)
    if found is not None and found.timeout_ms is not None:
        moves.timers.append(CancelTimer(answer_timer(request)))


def watch_of(moves: Moves, request: ToolCallRequested) -> Watch | None:
    """What a sample was taken for."""
    number = request.question.rpartition("/")[2]
    if request.phase is None or not number.isdecimal():
        return None
    phase = moves.plan.header.phases[request.phase]
    try:
        watches = watches_of(phase, condition_of(phase))
    except Malformed:
        return None
    return next((one for one in watches if one.number == int(number)), None)


def watch(moves: Moves, phase: Phase) -> bool:
    """Watch the phase's health; true once everything was healthy for its whole window."""
    try:
        condition = condition_of(phase)
    except Malformed as error:  # Approved at a time when only people read it.
        moves.stop(f"rollback_if of phase {phase.name} is not understood: {error.reason}", "pause")
        return False
    watches = watches_of(phase, condition)
    if not watches:
        return True
    run = moves.run
    asked_now = moves.fired == sample_timer(run)
    if not run.samples and not run.in_flight and phase.wait_ms and not asked_now:
        moves.timers.append(_in(moves, phase.wait_ms))
        return False
    _judge(moves, phase, condition, watches)
    if moves.run.stopping is not None:
        return False
    still = _still(moves, condition, watches)
    if not still:
        return not moves.run.in_flight
    if not moves.run.in_flight:
        _next_round(moves, phase, watches, still, asked_now=asked_now)
    return False


def _judge(
    moves: Moves, phase: Phase, condition: Condition | None, watches: tuple[Watch, ...]
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
        over = _slot(moves.run, watches) * tick_ms(phase) >= window_ms(phase)
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


def _slot(run: Run, watches: tuple[Watch, ...]) -> int:
    """Ticks from the first round to the newest."""
    taken = [
        (run.samples[one.number].taken - 1) * one.every
        for one in watches
        if one.number in run.samples
    ]
    return max(taken, default=0)


def _next_round(
    moves: Moves,
    phase: Phase,
    watches: tuple[Watch, ...],
    still: list[Watch],
    *,
    asked_now: bool,
) -> None:
    """Take the samples that are due, or wait until some are."""
    run = moves.run
    slots = {one.number: run.samples.get(one.number, Samples()).taken * one.every for one in still}
    first = not run.samples
    due = min(slots.values())
    if not first and not asked_now:
        ticks = max(1, due - _slot(run, watches))
        moves.timers.append(_in(moves, ticks * tick_ms(phase)))
        return
    for one in still:
        if slots[one.number] <= due:
            _sample(moves, phase, one)


def _sample(moves: Moves, phase: Phase, one: Watch) -> None:
    question = f"{moves.run.phase}/{one.type}/{one.number}"
    attempt = moves.run.attempts.get(question, 0) + 1
    targets = tuple(dict.fromkeys(step.target for _, step in moves.steps(phase)))
    request = ToolCallRequested(
        task=moves.task,
        run=moves.run_id,
        call=call_id(moves.stream, question, Purpose.OBSERVE, attempt),
        purpose=Purpose.OBSERVE,
        tool=sample_tool(one),
        version=SAMPLE_VERSION,
        target=targets[0],
        question=question,
        attempt=attempt,
        phase=moves.run.phase,
        arguments=request_arguments(one, targets),
    )
    moves.say(request)
    if one.timeout_ms is not None:
        limit = timedelta(milliseconds=one.timeout_ms)
        moves.timers.append(SetTimer(answer_timer(request), limit, CLOCK))


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
    told = ", ".join(f"{name} {_range(one.low, one.high)}" for name, one in values.items())
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
            detail=told or "nothing was measured",
        )
    )
    return told


def _range(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return "unknown"
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def _in(moves: Moves, delay_ms: int) -> SetTimer:
    return SetTimer(sample_timer(moves.run), timedelta(milliseconds=delay_ms), CLOCK)
