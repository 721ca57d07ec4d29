"""Credit, rests and back-off: the arithmetic beneath the pull loop."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from smartops.bus.backoff import Backoff, growing_delay
from smartops.bus.credit import Credit
from smartops.bus.delivery import AckSubject
from smartops.bus.rest import Rest
from smartops.bus.tries import Memory


def test_all_slots_are_asked_for_at_first() -> None:
    assert Credit(64).due() == 64


def test_nothing_is_asked_for_while_more_than_half_is_still_owed() -> None:
    credit = Credit(64)
    credit.ask(64)
    for _ in range(31):
        credit.arrived()
        credit.finished()
    assert credit.due() == 0
    credit.arrived()
    credit.finished()
    assert credit.due() == 32


def test_a_single_free_slot_is_asked_for_when_nothing_is_owed() -> None:
    credit = Credit(64)
    credit.ask(64)
    for _ in range(64):
        credit.arrived()
    assert credit.due() == 0
    credit.finished()
    assert credit.due() == 1


def test_no_more_is_asked_for_ahead_than_may_be() -> None:
    credit = Credit(128, ahead=64)
    assert credit.due() == 64
    credit.ask(64)
    for _ in range(31):
        credit.arrived()
    assert credit.due() == 0
    credit.arrived()
    assert credit.due() == 32
    credit.ask(32)
    for _ in range(64):
        credit.arrived()
    assert credit.due() == 32
    credit.ask(32)
    assert credit.running + credit.asked == 128
    assert credit.due() == 0


def test_a_concurrency_of_none_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Credit(0)


@given(
    st.integers(1, 20),
    st.integers(1, 20),
    st.lists(st.sampled_from(["ask", "arrive", "decline", "finish", "return", "forget"])),
)
def test_credit_is_never_exceeded_and_never_lost(
    concurrency: int, ahead: int, steps: list[str]
) -> None:
    credit = Credit(concurrency, ahead)
    for step in steps:
        match step:
            case "ask":
                credit.ask(credit.due())
            case "arrive" if credit.asked:
                credit.arrived()
            case "decline" if credit.asked:
                credit.declined()
            case "finish" if credit.running:
                credit.finished()
            case "return" if credit.asked:
                credit.handed_back(1)
            case "forget":
                credit.forget()
            case _:
                continue
        assert 0 <= credit.running + credit.asked <= concurrency
        assert credit.asked <= ahead
    # Whatever happened: once all has ended and nothing is owed, everything is asked for again.
    credit.forget()
    while credit.running:
        credit.finished()
    assert credit.due() == min(concurrency, ahead)


def test_a_rest_lets_nothing_run_then_one_then_all() -> None:
    credit = Credit(10)
    rest = Rest(credit, timedelta(seconds=1), timedelta(seconds=8))
    length = rest.outage("database", 100.0)
    assert length is not None
    assert timedelta(seconds=0.5) <= length <= timedelta(seconds=1)
    assert credit.due() == 0
    assert rest.outage("database", 100.1) is None
    assert not rest.over(100.0)
    assert rest.over(101.0)
    assert rest.probing
    assert credit.due() == 1
    rest.end()
    assert credit.due() == 10


def test_a_rest_grows_with_each_failed_probe() -> None:
    rest = Rest(Credit(10), timedelta(seconds=1), timedelta(seconds=4))
    now = 0.0
    lengths = []
    for _ in range(6):
        length = rest.outage("database", now)
        assert length is not None
        lengths.append(length.total_seconds())
        now += 10
        assert rest.over(now)
    for length, full in zip(lengths, [1, 2, 4, 4, 4, 4], strict=True):
        assert full / 2 <= length <= full


def test_a_probe_is_let_through_beside_messages_that_still_run() -> None:
    credit = Credit(10)
    credit.ask(3)
    for _ in range(3):
        credit.arrived()
    rest = Rest(credit, timedelta(seconds=1), timedelta(seconds=4))
    rest.outage("database", 0.0)
    rest.over(5.0)
    assert credit.due() == 1


def test_a_pause_by_order_does_not_end_by_time() -> None:
    rest = Rest(Credit(10), timedelta(seconds=1), timedelta(seconds=4))
    rest.pause("maintenance")
    assert not rest.over(1e9)
    assert rest.reason == "maintenance"


@pytest.mark.parametrize(
    ("attempt", "seconds"), [(0, 1), (1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (10_000, 60)]
)
def test_delays_double_up_to_a_minute(attempt: int, seconds: int) -> None:
    assert growing_delay(attempt) == timedelta(seconds=seconds)


def test_jitter_takes_up_to_half_away() -> None:
    longest = timedelta(seconds=10)
    for chance, factor in ((0.0, 1.0), (0.999_999, 0.5)):
        backoff = Backoff(timedelta(seconds=1), longest, chance=lambda value=chance: value)
        assert backoff.failed().total_seconds() == pytest.approx(1 * factor, abs=0.001)
        assert backoff.failed().total_seconds() == pytest.approx(2 * factor, abs=0.001)
        backoff.worked()
        assert backoff.failed().total_seconds() == pytest.approx(1 * factor, abs=0.001)


def test_the_memory_of_failures_forgets_the_oldest_first() -> None:
    memory = Memory(capacity=2)
    one, two, three = (AckSubject("S", "d", 1, number, 7) for number in (1, 2, 3))
    memory.of(one).failures = 5
    memory.of(two).failures = 6
    memory.of(one)
    memory.of(three)
    assert memory.of(one).failures == 5
    assert memory.of(two).failures == 0
    memory.forget(two)
    assert len(memory) <= 2


def test_a_stream_made_anew_does_not_inherit_failures() -> None:
    memory = Memory()
    memory.of(AckSubject("S", "d", 1, 1, 7)).failures = 5
    assert memory.of(AckSubject("S", "d", 1, 1, 8)).failures == 0
