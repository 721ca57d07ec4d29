"""Timers are due by the database's clock and fire as triggers, exactly once."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from smartops.eventstore import (
    Already,
    Committed,
    EventStore,
    TimerCancel,
    TimerRow,
    Timers,
    TimerSet,
    Trigger,
    Unit,
    Write,
)
from support.store import LogDatabase, event, trigger, unit

pytest_plugins = ["support.store_fixtures"]

HANDLER = "planner.timer"


def timer(
    due: timedelta | datetime, timer_id: UUID | None = None, payload: bytes | None = None
) -> TimerSet:
    return TimerSet(timer_id or uuid4(), HANDLER, "acme/task-1", "nudge", due, payload)


def fires(row: TimerRow) -> Trigger:
    return Trigger(row.handler, row.timer_id, is_timer=True)


async def test_due_timers_come_earliest_first_with_the_wait_for_the_next(
    store: EventStore,
) -> None:
    cause = trigger()
    late = timer(datetime.now(UTC) - timedelta(hours=1), payload=b"late")
    just = timer(timedelta(0))
    coming = timer(timedelta(seconds=30))
    await store.append(Unit([cause], timers=[just, coming, late, timer(timedelta(minutes=5))]))
    found = await store.due_timers()
    assert [row.timer_id for row in found.due] == [late.timer_id, just.timer_id]
    assert found.due[0].late > timedelta(minutes=59)
    assert (found.due[0].payload, found.due[0].cause) == (b"late", cause.cause)
    assert found.next_in is not None
    assert timedelta(seconds=25) < found.next_in <= timedelta(seconds=30)


async def test_a_timer_goes_with_the_unit_that_it_triggered(store: EventStore) -> None:
    await store.append(Unit([trigger()], timers=[timer(timedelta(0))]))
    [row] = (await store.due_timers()).due
    assert await store.append(unit("acme/task-1", triggers=[fires(row)])) == Committed((1,))
    assert (await store.due_timers()).due == []
    assert await store.append(unit("acme/task-1", 1, triggers=[fires(row)])) == Already(
        (row.timer_id,)
    )


async def test_a_cancelled_timer_does_not_fire_even_if_it_was_handed_out_before(
    store: EventStore,
) -> None:
    await store.append(Unit([trigger()], timers=[timer(timedelta(0))]))
    [row] = (await store.due_timers()).due
    await store.append(Unit([trigger()], timers=[TimerCancel(row.timer_id)]))
    fired = unit("acme/task-1", triggers=[fires(row)])
    assert await store.append(fired) == Already((row.timer_id,))


async def test_a_settled_companion_does_not_take_the_timer_with_it(store: EventStore) -> None:
    await store.append(Unit([trigger()], timers=[timer(timedelta(0))]))
    [row] = (await store.due_timers()).due
    settled = trigger()
    await store.append(Unit([settled]))
    both = unit("acme/task-1", triggers=[settled, fires(row)])
    assert await store.append(both) == Already((settled.cause,))
    assert (await store.due_timers()).due[0].timer_id == row.timer_id


async def test_setting_a_pending_timer_again_moves_it(store: EventStore) -> None:
    first = timer(timedelta(0))
    await store.append(Unit([trigger()], timers=[first]))
    await store.append(Unit([trigger()], timers=[timer(timedelta(hours=1), first.timer_id)]))
    assert (await store.due_timers()).due == []


async def test_cancelling_and_setting_in_one_batch_keeps_their_order(store: EventStore) -> None:
    one, two = timer(timedelta(0)), timer(timedelta(0))
    await asyncio.gather(
        store.append(Unit([trigger()], timers=[one])),
        store.append(Unit([trigger()], timers=[TimerCancel(one.timer_id)])),
        store.append(Unit([trigger()], timers=[TimerCancel(two.timer_id)])),
        store.append(Unit([trigger()], timers=[two])),
    )
    assert [row.timer_id for row in (await store.due_timers()).due] == [two.timer_id]


async def test_an_id_that_has_fired_never_fires_again(store: EventStore) -> None:
    one = timer(timedelta(0))
    await store.append(Unit([trigger()], timers=[one]))
    [row] = (await store.due_timers()).due
    await store.append(Unit([fires(row)]))
    await store.append(Unit([trigger()], timers=[one]))
    assert (await store.due_timers()).due == []


async def test_timers_of_other_roles_are_out_of_sight_and_reach(
    store: EventStore, log_database: LogDatabase
) -> None:
    one = timer(timedelta(0))
    await store.append(Unit([trigger()], timers=[one]))
    async with log_database.store("smartops_policy") as other:
        assert (await other.due_timers()).due == []
        await other.append(Unit([trigger()], timers=[TimerCancel(one.timer_id)]))
        hijack = timer(timedelta(hours=1), one.timer_id)
        await other.append(Unit([trigger()], timers=[hijack]))
    assert [row.timer_id for row in (await store.due_timers()).due] == [one.timer_id]


class Fired:
    """A callback that decides at once, and remembers."""

    def __init__(self, store: EventStore) -> None:
        self.store = store
        self.rows: asyncio.Queue[TimerRow] = asyncio.Queue()

    async def __call__(self, row: TimerRow) -> None:
        writes = [Write(f"acme/task-{row.timer_id}", 0, [event()])]
        await self.store.append(Unit([fires(row)], writes))
        self.rows.put_nowait(row)

    async def next(self) -> TimerRow:
        return await asyncio.wait_for(self.rows.get(), 10)


# A poll far longer than a test: only the due time, or a hint, can wake the wheel.
NEVER = timedelta(minutes=5)


async def test_the_wheel_sleeps_until_the_next_timer_and_fires_each_once(
    store: EventStore,
) -> None:
    delays = [timedelta(seconds=0.1), timedelta(seconds=0.2)]
    await store.append(Unit([trigger()], timers=[timer(delay) for delay in delays]))
    fired = Fired(store)
    wheel = Timers(store, fired, poll=NEVER)
    await wheel.start()
    rows = [await fired.next(), await fired.next()]
    await wheel.stop()
    assert all(timedelta(0) <= row.late < timedelta(seconds=5) for row in rows)
    assert fired.rows.empty()
    assert len(await store.read_log(0)) == 2


async def test_the_wheel_wakes_for_an_earlier_timer_of_its_own_process(
    store: EventStore,
) -> None:
    await store.append(Unit([trigger()], timers=[timer(timedelta(hours=1))]))
    fired = Fired(store)
    wheel = Timers(store, fired, poll=NEVER)
    await wheel.start()
    for _ in range(5):
        sooner = timer(timedelta(seconds=0.02))
        await store.append(Unit([trigger()], timers=[sooner]))
        assert (await fired.next()).timer_id == sooner.timer_id
    await wheel.stop()


async def test_a_timer_that_was_due_while_nobody_ran_fires_late_and_once(
    store: EventStore,
) -> None:
    await store.append(Unit([trigger()], timers=[timer(datetime.now(UTC) - timedelta(days=2))]))
    fired: asyncio.Queue[TimerRow] = asyncio.Queue()

    async def fire(row: TimerRow) -> None:
        fired.put_nowait(row)
        await store.append(Unit([fires(row)]))

    wheels = [Timers(store, fire) for _ in range(2)]  # As in two processes of one service.
    for wheel in wheels:
        await wheel.start()
    row = await asyncio.wait_for(fired.get(), 5)
    for wheel in wheels:
        await wheel.stop()
    assert row.late > timedelta(days=1)
    assert (await store.due_timers()).due == []


async def test_a_callback_that_raises_is_reported_and_tried_again(store: EventStore) -> None:
    await store.append(Unit([trigger()], timers=[timer(timedelta(0))]))
    troubles: list[Exception] = []
    done = asyncio.Event()

    async def fire(row: TimerRow) -> None:
        if not troubles:
            raise RuntimeError("not yet")
        await store.append(Unit([fires(row)]))
        done.set()

    wheel = Timers(
        store, fire, poll=timedelta(seconds=0.1), on_error=lambda _, error: troubles.append(error)
    )
    await wheel.start()
    await asyncio.wait_for(done.wait(), 10)
    await wheel.stop()
    assert [str(error) for error in troubles] == ["not yet"]
