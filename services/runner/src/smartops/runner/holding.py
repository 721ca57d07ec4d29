"""What a plan rests on is read again before its first step goes out, and compared. Pure.

It is the last moment at which nothing has been changed, after the targets were claimed and after
the maintenance window has opened; and again after every rest before the first step. What does not
hold any more ends the run. What cannot be told pauses it: nothing is assumed.
"""

from __future__ import annotations

from smartops.contracts.errors import Malformed
from smartops.contracts.events import (
    StalePrecondition,
    TaskPreconditionsStale,
    TaskStepSettled,
    ToolCallRequested,
)
from smartops.contracts.folds import CallView
from smartops.contracts.ids import call_id
from smartops.contracts.plan import Plan, Precondition
from smartops.contracts.preconditions import seen_digest
from smartops.contracts.wire import Purpose
from smartops.runner.health import Sampled
from smartops.runner.moves import CLOCK, Moves
from smartops.runner.state import HOLDS, Run
from smartops.runner.steps import may_go_out, pause_before
from smartops.runtime.decision import SetTimer

__all__ = ["is_look", "judge_held", "look_due", "set_look", "still_holds"]

_LOOK = "look/"


def still_holds(moves: Moves) -> bool:
    """Whether the first step may go out, as far as the plan's preconditions go.

    Asks for what must be read for that, and says what follows if something does not hold.
    """
    run, wanted = moves.run, moves.plan.header.preconditions
    if run.begun or not wanted:
        return True
    if any(request.question.startswith(HOLDS) for request in _in_flight(run)):
        return False
    stale = [place for place, told in run.held_up.items() if told == "stale"]
    if stale:
        _say_stale(moves, sorted(stale))
        return False
    doubtful = next((p for p, told in sorted(run.held_up.items()) if told == "unknown"), None)
    if doubtful is not None:
        why = run.why.get(f"{HOLDS}{doubtful}", "")
        told = _named(wanted[doubtful])
        moves.stop(f"it cannot be told whether {told} is as it was planned on: {why}", "pause")
        return False
    missing = [place for place in range(len(wanted)) if run.held_up.get(place) != "holds"]
    if missing:
        _ask(moves, missing)
    return not missing


def judge_held(plan: Plan, question: str, call: CallView) -> Sampled:
    """What a precondition that was read again shows; the digest found if it does not hold."""
    place = question.removeprefix(HOLDS)
    wanted = plan.header.preconditions
    if not place.isdecimal() or int(place) >= len(wanted):
        return Sampled(None, "the plan has no such precondition")
    held = wanted[int(place)]
    try:
        found = seen_digest(call.output, held.fields)
    except Malformed as error:
        return Sampled(None, error.reason)
    same = found == held.expect
    return Sampled(same, "as planned on" if same else found)


def is_look(timer: str) -> bool:
    """Whether a timer ends the pause before another look at a precondition."""
    return timer.startswith(_LOOK)


def look_due(run: Run, timer: str) -> bool:
    """Whether such a timer is a current one."""
    return not run.begun and any(
        told == "retry" and timer == _timer(run, place) for place, told in run.held_up.items()
    )


def set_look(moves: Moves, settled: TaskStepSettled) -> None:
    """A precondition could not be read: begin the pause before the next look, if there is one."""
    place = settled.question.removeprefix(HOLDS)
    if not settled.question.startswith(HOLDS) or moves.run.stopping is not None:
        return
    if moves.run.held_up.get(int(place)) == "retry":
        tries = moves.run.tries(settled.question)
        pause = pause_before(tries + 1)
        moves.timers.append(SetTimer(_timer(moves.run, int(place)), pause, CLOCK))


def _ask(moves: Moves, missing: list[int]) -> None:
    pausing = [p for p in missing if moves.run.held_up.get(p) == "retry"]
    due = [p for p in missing if p not in pausing or moves.fired == _timer(moves.run, p)]
    phases = moves.plan.header.phases
    if not due or not may_go_out(moves, phases[max(0, moves.run.phase)]):
        return
    for place in due:
        held = moves.plan.header.preconditions[place]
        question = f"{HOLDS}{place}"
        attempt = moves.run.attempts.get(question, 0) + 1
        moves.say(
            ToolCallRequested(
                task=moves.task,
                run=moves.run_id,
                call=call_id(moves.stream, question, Purpose.OBSERVE, attempt),
                purpose=Purpose.OBSERVE,
                tool=held.tool,
                version=held.version,
                target=held.target or moves.plan.header.environment.value,
                question=question,
                attempt=attempt,
                arguments=held.arguments,
            )
        )


def _say_stale(moves: Moves, places: list[int]) -> None:
    header, started = moves.plan.header, moves.run.started
    if started is None:
        raise ValueError("a run that has not begun reads nothing")
    newest = {r.question: r for r in moves.run.requests.values()}
    stale = []
    for place in places:
        held, question = header.preconditions[place], f"{HOLDS}{place}"
        stale.append(
            StalePrecondition(
                place=place,
                tool=held.tool,
                target=held.target or header.environment.value,
                arguments=held.arguments,
                fields=held.fields,
                expected=held.expect,
                found=moves.run.why[question],
                call=newest[question].call,
            )
        )
    moves.say(
        TaskPreconditionsStale(
            task=moves.task,
            run=moves.run_id,
            number=header.number,
            plan_hash=started.plan_hash,
            grant=started.grant,
            stale=tuple(stale),
        )
    )


def _in_flight(run: Run) -> list[ToolCallRequested]:
    return [run.requests[call] for call in run.in_flight]


def _named(held: Precondition) -> str:
    return f"what {held.tool} tells of {held.target}" if held.target else f"what {held.tool} tells"


def _timer(run: Run, place: int) -> str:
    attempt = run.attempts.get(f"{HOLDS}{place}", 0)
    return f"{_LOOK}{place}/{attempt}"
