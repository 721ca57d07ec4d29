"""Permits are lost with a process, and never granted twice; who is silent is left alone a while."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from smartops.contracts.events import LimitLeased, LimitReturned
from smartops.tool_gateway.breaker import FAILURES, Breaker, Breakers
from smartops.tool_gateway.leases import (
    DAY,
    Leases,
    evolve,
    lease_rate,
    lease_slots,
    window_at,
)
from smartops.tool_gateway.ports import Answer, NotApplied, Unknown

MIDNIGHT = datetime(2026, 3, 1, tzinfo=UTC)
NOON = MIDNIGHT + timedelta(hours=12)
MINUTE = timedelta(minutes=1)
ONE, TWO = uuid4(), uuid4()
SILENT = Unknown("no answer")
GONE = NotApplied("unreachable", "refused", retryable=True)
SAID_NO = NotApplied("refused", "404", retryable=False)


def test_a_rate_is_leased_in_blocks_until_its_window_is_empty_and_again_in_the_next() -> None:
    leases, blocks = Leases(), []
    while isinstance(found := lease_rate(leases, "tenant", ONE, 20, MINUTE, NOON), LimitLeased):
        blocks.append(found.permits)
        leases = evolve(leases, found)
    assert sum(blocks) == 20
    assert set(blocks) == {2}
    assert found == NOON + MINUTE
    again = lease_rate(leases, "tenant", ONE, 20, MINUTE, NOON + MINUTE)
    assert isinstance(again, LimitLeased)
    assert (again.starts_at, again.ends_at) == (NOON + MINUTE, NOON + 2 * MINUTE)


@given(
    st.lists(st.tuples(st.integers(0, 200), st.sampled_from((ONE, TWO))), max_size=60),
    st.integers(1, 30),
    st.integers(1, 90),
)
def test_no_window_grants_more_than_its_rate(
    asked: list[tuple[int, UUID]], capacity: int, seconds: int
) -> None:
    window, leases, granted = timedelta(seconds=seconds), Leases(), dict[datetime, int]()
    for after, holder in sorted(asked, key=lambda one: one[0]):
        now = NOON + timedelta(seconds=after)
        found = lease_rate(leases, "tenant", holder, capacity, window, now)
        if isinstance(found, datetime):
            assert found > now
            continue
        assert found.starts_at <= now < found.ends_at
        leases = evolve(leases, found)
        granted[found.starts_at] = granted.get(found.starts_at, 0) + found.permits
    assert all(permits <= capacity for permits in granted.values())


def test_windows_begin_anew_at_midnight_so_that_none_lies_in_two_streams() -> None:
    odd = timedelta(hours=7)
    late = MIDNIGHT + timedelta(hours=23)
    assert window_at(late, odd) == MIDNIGHT + timedelta(hours=21)
    found = lease_rate(Leases(), "tenant", ONE, 8, odd, late)
    assert isinstance(found, LimitLeased)
    assert found.ends_at == MIDNIGHT + DAY
    assert window_at(MIDNIGHT + DAY, odd) == MIDNIGHT + DAY


def slots(
    leases: Leases, holder: UUID, wanted: int, now: datetime = NOON, before: Leases | None = None
) -> LimitLeased | None:
    yesterday = before or Leases()
    return lease_slots(leases, yesterday, "tool/x", holder, 4, wanted, now, MINUTE)


def test_slots_are_shared_and_come_back_when_returned_or_when_their_lease_ends() -> None:
    first = slots(Leases(), ONE, 3)
    assert first is not None
    assert first.permits == 3
    leases = evolve(Leases(), first)
    second = slots(leases, TWO, 3)
    assert second is not None
    assert second.permits == 1
    leases = evolve(leases, second)
    assert slots(leases, uuid4(), 1) is None
    more = slots(leases, ONE, 4)
    assert more is not None
    assert more.permits == 3, "what it has by now is part of what it wants"
    freed = evolve(leases, LimitReturned(scope="tool/x", holder=ONE, permits=2))
    third = slots(freed, TWO, 4)
    assert third is not None
    assert third.permits == 3
    late = slots(leases, TWO, 4, NOON + MINUTE)
    assert late is not None
    assert late.permits == 4


def test_a_lease_from_before_midnight_counts_until_it_ends() -> None:
    evening = MIDNIGHT - timedelta(seconds=30)
    made = slots(Leases(), ONE, 4, evening)
    assert made is not None
    before = evolve(Leases(), made)
    assert slots(Leases(), TWO, 1, MIDNIGHT, before) is None
    assert slots(Leases(), ONE, 1, MIDNIGHT, before) is not None
    assert slots(Leases(), TWO, 1, MIDNIGHT + timedelta(seconds=30), before) is not None


@given(
    st.lists(
        st.tuples(
            st.integers(0, 20), st.sampled_from((ONE, TWO)), st.integers(1, 6), st.booleans()
        ),
        max_size=60,
    )
)
def test_never_are_more_slots_on_lease_than_there_are(
    asked: list[tuple[int, UUID, int, bool]],
) -> None:
    leases, now = Leases(), NOON
    for after, holder, wanted, gives_back in asked:
        now += timedelta(seconds=after)
        if gives_back:
            leases = evolve(leases, LimitReturned(scope="tool/x", holder=holder, permits=wanted))
        elif (found := slots(leases, holder, wanted, now)) is not None:
            leases = evolve(leases, found)
        assert 0 <= leases.taken(now) <= 4


def test_a_breaker_opens_after_failures_in_a_row_and_tries_one_call_after_each_pause() -> None:
    breaker = Breaker()
    for _ in range(FAILURES - 1):
        assert breaker.wait(0) is None
        breaker.heard(SILENT, 0)
    breaker.heard(SAID_NO, 0)
    assert breaker.failures == 0, "who says no is well"
    for _ in range(FAILURES):
        breaker.heard(GONE, 0)
    assert breaker.wait(0) == timedelta(seconds=2)
    assert breaker.wait(2) is None
    assert breaker.wait(2) is not None, "one at a time"
    breaker.heard(SILENT, 3)
    assert breaker.wait(3) == timedelta(seconds=4), "each pause is longer"
    assert breaker.wait(7) is None
    breaker.heard(Answer({}), 8)
    assert breaker.wait(8) is None
    assert breaker.wait(8) is None


def test_a_call_that_was_let_through_and_never_went_out_leaves_room_for_the_next() -> None:
    breaker = Breaker()
    for _ in range(FAILURES):
        breaker.heard(SILENT, 0)
    assert breaker.wait(5) is None
    breaker.abandoned()
    assert breaker.wait(5) is None


@pytest.mark.parametrize(
    "code",
    [
        "too_late",
        "fenced",
        "egress_refused",
        "no_connection_free",
        "missing_pii",
        "secret_not_bound",
    ],
)
def test_what_was_never_asked_tells_neither_that_a_system_lives_nor_that_it_is_silent(
    code: str,
) -> None:
    breaker, unsent = Breaker(), NotApplied(code, "not sent", retryable=True)
    for _ in range(FAILURES):
        breaker.heard(unsent, 0)
    assert breaker.wait(0) is None, "nobody said that it is silent"
    for _ in range(FAILURES):
        breaker.heard(SILENT, 0)
    assert breaker.wait(2) is None
    breaker.heard(unsent, 2)
    assert breaker.opened == 1, "nobody heard of it"
    assert breaker.wait(2) is None, "so the next call tries"


def test_a_system_whose_answers_nobody_understands_is_not_silent() -> None:
    breaker = Breaker()
    for _ in range(2 * FAILURES):
        breaker.heard(Unknown("not what was declared", answered=True), 0)
    assert breaker.wait(0) is None


def test_pauses_have_an_upper_end() -> None:
    breaker, now = Breaker(), 0.0
    for _ in range(FAILURES):
        breaker.heard(SILENT, now)
    pauses = []
    for _ in range(12):
        pause = breaker.wait(now)
        assert pause is not None
        pauses.append(pause)
        now = breaker.until
        assert breaker.wait(now) is None
        breaker.heard(SILENT, now)
    assert pauses == sorted(pauses)
    assert pauses[-1] == timedelta(minutes=1)


def test_systems_have_breakers_of_their_own() -> None:
    breakers = Breakers()
    for _ in range(FAILURES):
        breakers.of("one").heard(SILENT, 0)
    assert breakers.of("other").wait(0) is None
    assert breakers.opened() == {"one": 1, "other": 0}
