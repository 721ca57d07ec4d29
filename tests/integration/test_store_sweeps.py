"""Sweeps find what nobody handled; parking sets it aside; the low-water mark keeps both cheap."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from smartops.eventstore import (
    Already,
    EventStore,
    Handler,
    InvalidUnit,
    SettledRow,
    StoredRow,
    Sweeper,
    Trigger,
    Unit,
)
from support.store import LogDatabase, event, trigger, unit

pytest_plugins = ["support.store_fixtures"]

NOW = timedelta(0)
PLANNED = Handler("policy.planned", ["task.planned.v1", "task.replanned.v1"])


@pytest_asyncio.fixture(loop_scope="session")
async def policy(log_database: LogDatabase) -> AsyncIterator[EventStore]:
    async with log_database.store("smartops_policy") as policy:
        await policy.register_handlers([PLANNED])
        yield policy


@pytest_asyncio.fixture(loop_scope="session")
async def second_policy(log_database: LogDatabase) -> AsyncIterator[EventStore]:
    """As of another process of the same service."""
    async with log_database.store("smartops_policy") as policy:
        yield policy


async def append(store: EventStore, *topics: str, party: str = "-") -> list[UUID]:
    events = [event(topic, party=party) for topic in topics]
    await store.append(unit(f"acme/task-{uuid4()}", 0, events))
    return [new.event_id for new in events]


async def low_water(store: EventStore, handler: Handler = PLANNED) -> int:
    [marks] = await store.register_handlers([handler])
    return marks.low_water


async def test_events_without_an_inbox_row_are_found_oldest_first(
    store: EventStore, policy: EventStore
) -> None:
    ids = await append(store, "task.planned.v1", "task.other.v1", "task.replanned.v1")
    found = await policy.unhandled(PLANNED, NOW)
    assert [row.event_id for row in found] == [ids[0], ids[2]]
    assert [row.event_id for row in await policy.unhandled(PLANNED, NOW, limit=1)] == ids[:1]
    assert await policy.unhandled(PLANNED, timedelta(minutes=1)) == []


async def test_the_mark_stops_before_the_first_that_is_open(
    store: EventStore, policy: EventStore
) -> None:
    ids = [(await append(store, "task.planned.v1"))[0] for _ in range(5)]
    for done in (0, 1, 3):
        await policy.append(Unit([Trigger(PLANNED.name, ids[done])]))
    assert [row.event_id for row in await policy.unhandled(PLANNED, NOW)] == [ids[2], ids[4]]
    assert await low_water(policy) == 2
    assert await policy.park(PLANNED.name, ids[2], "broken")
    assert [row.event_id for row in await policy.unhandled(PLANNED, NOW)] == [ids[4]]
    assert await low_water(policy) == 4


async def test_only_the_parties_asked_for_are_found(store: EventStore, policy: EventStore) -> None:
    handler = Handler("policy.results", ["tool.call.completed.v1"], ["policy"])
    await policy.register_handlers([handler])
    await append(store, "tool.call.completed.v1", party="runner")
    [mine] = await append(store, "tool.call.completed.v1", party="policy")
    assert [row.event_id for row in await policy.unhandled(handler, NOW)] == [mine]


async def test_a_new_handler_does_not_act_on_history_unless_told_to(
    store: EventStore, policy: EventStore
) -> None:
    [old] = await append(store, "task.planned.v1")
    late = Handler("policy.late", PLANNED.topics)
    all_of_it = Handler("policy.all", PLANNED.topics, from_position=0)
    await policy.register_handlers([late, all_of_it])
    [new] = await append(store, "task.planned.v1")
    assert [row.event_id for row in await policy.unhandled(late, NOW)] == [new]
    assert [row.event_id for row in await policy.unhandled(all_of_it, NOW)] == [old, new]


async def test_after_a_long_outage_a_sweep_is_bounded_and_loses_nothing(
    store: EventStore, policy: EventStore
) -> None:
    ids = []
    for _ in range(3):
        ids += await append(store, *["task.planned.v1"] * 20, "task.replanned.v1")
    seen: list[UUID] = []
    while rows := await policy.unhandled(PLANNED, NOW, limit=2):
        assert len(rows) <= 2
        for row in rows:
            await policy.append(Unit([Trigger(PLANNED.name, row.event_id)]))
            seen.append(row.event_id)
    assert seen == ids
    assert await low_water(policy) == len(ids)


async def test_a_long_handled_stretch_is_walked_in_bounded_steps(
    store: EventStore, policy: EventStore
) -> None:
    ids = await append(store, *["task.planned.v1"] * 45, "task.replanned.v1")
    handled = [*ids[:44], ids[45]]
    await policy.append(Unit([Trigger(PLANNED.name, cause) for cause in handled]))
    # Twenty deep per topic and step. The short topic's end must not carry the mark over what the
    # long one still hides.
    assert await policy.unhandled(PLANNED, NOW, limit=1) == []
    assert await low_water(policy) == 20
    assert await policy.unhandled(PLANNED, NOW, limit=1) == []
    assert await low_water(policy) == 40
    [row] = await policy.unhandled(PLANNED, NOW, limit=1)
    assert row.event_id == ids[44]
    assert await low_water(policy) == 44


async def test_housekeeping_calls_take_turns(store: EventStore, policy: EventStore) -> None:
    await append(store, "task.planned.v1")
    found = await asyncio.gather(*(policy.unhandled(PLANNED, NOW) for _ in range(20)))
    assert all(len(rows) == 1 for rows in found)
    assert policy.healthy


async def test_an_unknown_handler_is_refused(policy: EventStore) -> None:
    with pytest.raises(InvalidUnit, match="register"):
        await policy.unhandled(Handler("policy.unknown", ["x"]), NOW)


async def test_parked_triggers_are_listed_settled_and_freed_again(
    store: EventStore, policy: EventStore
) -> None:
    [cause] = await append(store, "task.planned.v1")
    command = uuid4()
    assert await policy.park(PLANNED.name, cause, "unreadable")
    assert not await policy.park(PLANNED.name, cause, "again")
    assert await policy.park("policy.command", command, "poison", b"the command")
    listed = await policy.parked()
    assert [(row.cause, row.reason, row.payload, row.position) for row in listed] == [
        (cause, "unreadable", None, 1),
        (command, "poison", b"the command", None),
    ]
    assert await policy.append(Unit([Trigger(PLANNED.name, cause)])) == Already((cause,))
    assert await store.parked() == []
    assert await store.unpark(PLANNED.name, cause) is None

    await append(store, "task.planned.v1")
    [later] = await policy.unhandled(PLANNED, NOW)
    await policy.append(Unit([Trigger(PLANNED.name, later.event_id)]))
    assert await policy.unhandled(PLANNED, NOW) == []
    assert await low_water(policy) == 2
    freed = await policy.unpark(PLANNED.name, cause)
    assert freed is not None
    assert freed.position == 1
    assert [row.event_id for row in await policy.unhandled(PLANNED, NOW)] == [cause]
    freed = await policy.unpark("policy.command", command)
    assert freed is not None
    assert freed.payload == b"the command"


async def test_how_a_trigger_ended_is_told_to_its_own_role(
    store: EventStore, policy: EventStore
) -> None:
    refused = Trigger("policy.command", uuid4(), "refused", "not yours")
    await policy.append(Unit([refused]))
    assert await policy.settled("policy.command", refused.cause) == SettledRow(
        "refused", "not yours"
    )
    assert await policy.settled("policy.command", uuid4()) is None
    assert await store.settled("policy.command", refused.cause) is None


async def test_unparking_during_a_sweep_is_not_overrun_by_the_mark(
    store: EventStore, policy: EventStore, second_policy: EventStore
) -> None:
    for _ in range(20):
        ids = await append(store, "task.planned.v1", "task.planned.v1")
        await policy.park(PLANNED.name, ids[0], "poison")
        await policy.append(Unit([Trigger(PLANNED.name, ids[1])]))
        async with asyncio.TaskGroup() as both:
            both.create_task(policy.unhandled(PLANNED, NOW))
            both.create_task(second_policy.unpark(PLANNED.name, ids[0]))
        found = await policy.unhandled(PLANNED, NOW)
        assert [row.event_id for row in found] == [ids[0]]
        await policy.append(Unit([Trigger(PLANNED.name, ids[0])]))


async def test_the_sweeper_hands_out_until_there_is_an_inbox_row(
    store: EventStore, policy: EventStore
) -> None:
    [stubborn, easy] = await append(store, "task.planned.v1", "task.planned.v1")
    tries: list[tuple[str, UUID]] = []
    troubles: list[Exception] = []
    done = asyncio.Event()

    async def handle(handler: str, row: StoredRow) -> None:
        tries.append((handler, row.event_id))
        if row.event_id == stubborn and len(troubles) < 2:
            raise RuntimeError("not yet")
        await policy.append(Unit([Trigger(handler, row.event_id)]))
        if row.event_id == stubborn:
            done.set()

    sweeper = Sweeper(
        policy,
        [PLANNED, Handler("policy.commands")],
        handle,
        interval=timedelta(seconds=0.02),
        older_than=NOW,
        on_error=lambda _, __, error: troubles.append(error),
    )
    await sweeper.start()
    await asyncio.wait_for(done.wait(), 10)
    await sweeper.stop()
    assert tries == [(PLANNED.name, cause) for cause in (stubborn, easy, stubborn, stubborn)]
    assert len(troubles) == 2
    assert await sweeper.sweep() == 0


async def test_a_poke_sweeps_at_once(store: EventStore, policy: EventStore) -> None:
    found = asyncio.Event()

    async def handle(handler: str, row: StoredRow) -> None:
        await policy.append(Unit([Trigger(handler, row.event_id)]))
        found.set()

    sweeper = Sweeper(policy, [PLANNED], handle, interval=timedelta(hours=1), older_than=NOW)
    await sweeper.start()
    await append(store, "task.planned.v1")
    await store.append(Unit([trigger()]))
    sweeper.poke()
    await asyncio.wait_for(found.wait(), 5)
    await sweeper.stop()


async def test_a_callback_that_takes_long_holds_up_no_other_and_is_not_called_twice(
    store: EventStore, policy: EventStore
) -> None:
    begun: list[UUID] = []
    second, cancelled = asyncio.Event(), asyncio.Event()

    async def handle(_name: str, row: StoredRow) -> None:
        begun.append(row.event_id)
        if len(begun) > 1:
            await policy.append(Unit([Trigger(PLANNED.name, row.event_id)]))
            second.set()
            return
        try:
            await asyncio.Event().wait()  # Nobody ends it.
        except asyncio.CancelledError:
            cancelled.set()
            raise

    sweeper = Sweeper(
        policy,
        [PLANNED],
        handle,
        interval=timedelta(seconds=0.02),
        older_than=NOW,
        patience=timedelta(seconds=0.05),
    )
    await sweeper.start()
    slow, quick = [await append(store, "task.planned.v1") for _ in range(2)]
    await asyncio.wait_for(second.wait(), 5)
    for _ in range(3):
        await sweeper.sweep()
    await sweeper.stop()
    assert begun == [*slow, *quick]
    assert cancelled.is_set()
