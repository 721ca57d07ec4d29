"""Rounds of samples: what is asked of whom, when the next one is due, and what belongs to what."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from smartops.contracts.errors import Malformed
from smartops.contracts.events import ToolCallRequested
from smartops.contracts.ids import call_id
from smartops.contracts.plan import Phase
from smartops.contracts.requirement import guarded_targets, guards_of, read_requirement
from smartops.contracts.sampling import SAMPLE_VERSION, request_arguments, sample_tool
from smartops.contracts.watching import Watch, condition_of, tick_ms, watches_of
from smartops.contracts.wire import Purpose
from smartops.runner.moves import CLOCK, Moves
from smartops.runner.state import Run, Samples
from smartops.runtime.decision import CancelTimer, SetTimer

__all__ = [
    "answer_timer",
    "begin_after",
    "forget_answer",
    "guards",
    "newest_samples",
    "next_round",
    "sample_timer",
    "slot",
    "told",
    "watch_of",
]

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
        watches = ()
    every = (*watches, *guards(moves, request.phase))
    return next((one for one in every if one.number == int(number)), None)


def guards(moves: Moves, number: int) -> tuple[Watch, ...]:
    """What is sampled in a phase for the condition of the grant; nothing if it names none."""
    bound = moves.run.bound
    return () if bound is None else guards_of(moves.plan, number, read_requirement(bound))


def slot(run: Run, watches: Sequence[Watch]) -> int:
    """Ticks from the first round to the newest."""
    taken = [
        (run.samples[one.number].taken - 1) * one.every
        for one in watches
        if one.number in run.samples
    ]
    return max(taken, default=0)


def next_round(
    moves: Moves,
    phase: Phase,
    watches: Sequence[Watch],
    still: Sequence[Watch],
    *,
    asked_now: bool,
) -> None:
    """Take the samples that are due, or wait until some are.

    Args:
        moves: with nothing in flight.
        phase: under way.
        watches: all that is sampled in it.
        still: those of them that are sampled further.
        asked_now: the timer before this round has fired.
    """
    run = moves.run
    slots = {one.number: run.samples.get(one.number, Samples()).taken * one.every for one in still}
    first = not run.samples
    due = min(slots.values())
    if not first and not asked_now:
        ticks = max(1, due - slot(run, watches))
        begin_after(moves, ticks * tick_ms(phase))
        return
    for one in still:
        if slots[one.number] <= due:
            _sample(moves, phase, one)


def begin_after(moves: Moves, delay_ms: int) -> None:
    """Wait before the next round."""
    delay = timedelta(milliseconds=delay_ms)
    moves.timers.append(SetTimer(sample_timer(moves.run), delay, CLOCK))


def newest_samples(moves: Moves, watches: Sequence[Watch]) -> tuple[ToolCallRequested, ...]:
    """The newest sample of each watch, as far as there is one."""
    run = moves.run
    asked = {
        _question(run, one): run.attempts[_question(run, one)]
        for one in watches
        if _question(run, one) in run.attempts
    }
    return tuple(
        run.requests[call_id(moves.stream, question, Purpose.OBSERVE, attempt)]
        for question, attempt in asked.items()
    )


def told(low: float | None, high: float | None) -> str:
    """What was measured, in words."""
    if low is None or high is None:
        return "unknown"
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def _question(run: Run, one: Watch) -> str:
    return f"{run.phase}/{one.type}/{one.number}"


def _sample(moves: Moves, phase: Phase, one: Watch) -> None:
    question = _question(moves.run, one)
    attempt = moves.run.attempts.get(question, 0) + 1
    if one in guards(moves, moves.run.phase):
        targets = guarded_targets(moves.plan, moves.run.phase)
    else:
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
