"""Every state of a run against everything that a person can order: what follows is a table.

Pause, resume, cancel, cancel keeping changes, halt and revoke, each in each state; and from
wherever that leads there is a way to an end, or to a person.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from smartops.contracts.folds import BY_POLICY, CallStatus
from smartops.contracts.maintenance import MaintenanceWindow
from smartops.contracts.wire import Category, Idempotence, Purpose
from smartops.runner.state import Run
from support.given import Outcome
from support.plans import CHECKS, phase, plan, step, tool
from support.running import Line

NIGHT = MaintenanceWindow(start="22:00", end="04:00", timezone="UTC")
NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
OPAQUE = tool("restart", category=Category.IRREVERSIBLE, idempotence=Idempotence.OPAQUE)


def _line(*phases: object, **fields: object) -> Line:
    line = Line(plan(*phases, **fields))  # type: ignore[arg-type]
    line.now = NOON
    return line


def claims() -> Line:
    """Granted, and another run owns a target."""
    return _line(phase(step("a"), step("b"), step("c"), sequential=True))


def claims_paused() -> Line:
    """Paused while it waited."""
    line = claims()
    line.pause()
    return line


def steps_in_flight() -> Line:
    line = claims()
    line.start()
    line.applied("a")
    return line


def window() -> Line:
    """One change stands; the next may not be made now."""
    line = _line(phase(step("a"), name="one"), phase(step("b"), name="two", maintenance=NIGHT))
    line.start()
    line.applied("a")
    assert line.run.waiting is not None
    return line


def retry() -> Line:
    """One change stands; the next waits before another attempt."""
    line = steps_in_flight()
    line.failed("b", retryable=True)
    assert line.waiting() == []
    return line


def phase_wait() -> Line:
    """Applied, and not looked at yet."""
    line = _line(phase(step("a"), checks=CHECKS, wait_ms=1000), phase(step("b"), name="two"))
    line.start()
    line.applied("a")
    return line


def sampling() -> Line:
    line = _line(phase(step("a"), checks=CHECKS), phase(step("b"), name="two"))
    line.start()
    line.applied("a")
    return line


def between_samples() -> Line:
    line = sampling()
    line.samples()
    return line


def batch() -> Line:
    """Between two batches of a phase."""
    line = _line(phase(step("a"), step("b"), batch=1, checks=CHECKS))
    line.start()
    line.applied("a")
    line.samples()
    return line


def stopping() -> Line:
    """A person paused it, and a call is in flight still."""
    line = steps_in_flight()
    line.pause()
    return line


def paused() -> Line:
    line = stopping()
    line.applied("b")
    return line


def paused_by_denial() -> Line:
    line = steps_in_flight()
    line.denied("b")
    return line


def denied_by_policy() -> Line:
    """At rest; the gate has not heard of it."""
    line = steps_in_flight()
    line.denied("b", BY_POLICY)
    return line


def back_at_the_gate() -> Line:
    """People are asked about the rest of the plan."""
    line = denied_by_policy()
    line.returned()
    return line


def rolling_back() -> Line:
    """The first undo is in flight."""
    line = steps_in_flight()
    line.failed("b")
    assert line.targets(Purpose.UNDO) == ["a"]
    return line


def undo_retry() -> Line:
    """An undo failed, and waits before another attempt."""
    line = rolling_back()
    line.failed("a")
    return line


def escalated() -> Line:
    """A step of unknown outcome; one change stands."""
    line = _line(phase(step("a"), step("b", OPAQUE), sequential=True))
    line.start()
    line.applied("a")
    line.uncertain("b")
    return line


def failed() -> Line:
    """A step was refused for good, and nothing had been changed."""
    line = claims()
    line.start()
    line.failed("a")
    return line


def completed() -> Line:
    line = steps_in_flight()
    line.applied("b")
    line.applied("c")
    return line


STATES: tuple[Callable[[], Line], ...] = (
    claims, claims_paused, steps_in_flight, window, retry, phase_wait, sampling, between_samples,
    batch, stopping, paused, paused_by_denial, denied_by_policy, back_at_the_gate, rolling_back,
    undo_retry, escalated, failed, completed,
)  # fmt: skip

ORDERS: dict[str, Callable[[Line], Outcome[Run]]] = {
    "pause": Line.pause,
    "resume": Line.resume,
    "cancel": Line.cancel,
    "keep": lambda line: line.cancel(keep=True),
    "halt": Line.halt,
    "revoke": Line.revoke,
}

# What each order comes to, once what was in flight is over: the state that people see, a refusal
# by its code, or "-": nothing, as it is so already or cannot be any more.
TABLE = """
                  pause         resume       cancel       keep       halt       revoke
claims            paused        !not_paused  cancelled    cancelled  escalated  -
claims_paused     -             resumed      cancelled    cancelled  escalated  -
steps_in_flight   paused        !not_paused  rolling_back cancelled  escalated  paused
window            paused        !not_paused  rolling_back cancelled  escalated  paused
retry             paused        !not_paused  rolling_back cancelled  escalated  paused
phase_wait        paused        !not_paused  rolling_back cancelled  escalated  paused
sampling          paused        !not_paused  rolling_back cancelled  escalated  paused
between_samples   paused        !not_paused  rolling_back cancelled  escalated  paused
batch             paused        !not_paused  rolling_back cancelled  escalated  paused
stopping          -             !stopping    rolling_back cancelled  escalated  -
paused            -             resumed      rolling_back cancelled  escalated  -
paused_by_denial  -             resumed      rolling_back cancelled  escalated  -
denied_by_policy  -             !returned    rolling_back cancelled  escalated  -
back_at_the_gate  -             !returned    rolling_back cancelled  escalated  escalated
rolling_back      !rolling_back !not_paused  -            -          escalated  -
undo_retry        !rolling_back !not_paused  -            -          escalated  -
escalated         !not_running  !not_running rolling_back cancelled  -          -
failed            !not_running  !not_running -            -          -          -
completed         !not_running  !not_running -            -          -          -
"""


def _cells() -> list[tuple[str, str, str]]:
    head, *rows = [line.split() for line in TABLE.strip().splitlines()]
    return [
        (row[0], order, expected)
        for row in rows
        for order, expected in zip(head, row[1:], strict=True)
    ]


def _settle(line: Line) -> None:
    """What is in flight comes back, well."""
    for request in line.waiting(Purpose.DO):
        if request.call not in line.run.stuck:
            line.answer(request.call, CallStatus.SUCCEEDED)
    for request in line.waiting(Purpose.OBSERVE):
        line.sampled(request, shows=True)


def _state(run: Run) -> str:
    if run.ended is not None:
        return run.ended
    if run.rollback is not None:
        return "rolling_back"
    return "paused" if run.paused is not None else "resumed"


def test_the_table_knows_every_state_and_every_order() -> None:
    wanted = {(state.__name__, order) for state in STATES for order in ORDERS}
    assert {(state, order) for state, order, _ in _cells()} == wanted


@pytest.mark.parametrize(("state", "order", "expected"), _cells())
def test_every_order_in_every_state(state: str, order: str, expected: str) -> None:
    line = next(make for make in STATES if make.__name__ == state)()
    before = line.run
    outcome = ORDERS[order](line)
    if expected.startswith("!"):
        outcome.then_refused(expected.removeprefix("!"))
        assert line.run == before
        return
    if expected == "-":
        outcome.then_nothing()
        assert line.run == before
        return
    undoing = line.waiting(Purpose.UNDO)
    if expected == "escalated" and undoing:
        line.answer(undoing[0].call, CallStatus.SUCCEEDED)
    if order != "resume":
        _settle(line)
    assert _state(line.run) == expected, line.told[-6:]


@pytest.mark.parametrize(("state", "order", "expected"), _cells())
def test_after_every_order_there_is_a_way_to_an_end(state: str, order: str, expected: str) -> None:
    """At most with a person's help; and nothing goes out after a halt but by nobody."""
    line = next(make for make in STATES if make.__name__ == state)()
    ORDERS[order](line)
    for _ in range(60):
        if line.run.ended in ("completed", "rolled_back", "cancelled", "failed"):
            return
        waiting = [r for r in line.waiting() if r.call not in line.run.stuck]
        if waiting:
            request = waiting[0]
            if request.purpose is Purpose.OBSERVE:
                line.sampled(request, shows=True)
            else:
                line.answer(request.call, CallStatus.SUCCEEDED)
        elif line.timers:
            name = min(line.timers)
            due = line.set_for[name]
            line.now = due if isinstance(due, datetime) else line.now
            line.tick(name)
        elif line.run.started is None and line.run.paused is None and not line.gate.stopped:
            line.start()
        elif line.run.withheld and line.gate.returned is None and not line.gate.stopped:
            line.returned()
        elif line.run.withheld and not (line.gate.revoked or line.gate.cancel or line.gate.halted):
            line.granted_again()
        elif line.run.paused is not None and not line.gate.stopped:
            line.resume()
        else:
            line.cancel(keep=line.gate.halted is not None or line.gate.cancel is not None)
    pytest.fail(f"{expected}: no way to an end: {line.told[-8:]}")


@pytest.mark.parametrize("order", ["cancel", "keep", "halt", "revoke"])
def test_a_run_that_was_stopped_while_it_waited_for_its_targets_never_begins(order: str) -> None:
    line = claims()
    ORDERS[order](line)
    line.start().then_nothing()
    assert line.run.started is None
