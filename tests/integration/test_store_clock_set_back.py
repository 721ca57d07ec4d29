"""The database's clock is set back: sweeps go by position, and everybody finds out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from smartops.eventstore import EventStore, Handler, Trigger, Unit
from support.store import LogDatabase, event, unit

pytest_plugins = ["support.store_fixtures"]

OLD = timedelta(seconds=3)
MINE = Handler("planner.planned", ["task.planned.v1"])


async def appended(store: EventStore) -> UUID:
    new = event("task.planned.v1", subject="of-no-interest")
    await store.append(unit(f"acme/task-{uuid4()}", 0, [new]))
    return new.event_id


async def recorded(database: LogDatabase, event_id: UUID, ago: timedelta) -> None:
    """As if the clock had stood otherwise when this was recorded."""
    async with database.connection() as conn:
        await conn.execute("alter table smartops_log.events disable trigger all")
        await conn.execute(
            "update smartops_log.events set recorded_at = clock_timestamp() - $2::interval"
            " where event_id = $1",
            event_id,
            ago,
        )
        await conn.execute("alter table smartops_log.events enable trigger all")


async def low_water(store: EventStore) -> int:
    [marks] = await store.register_handlers([MINE])
    return marks.low_water


async def test_what_was_recorded_before_the_clock_was_set_back_is_swept(
    store: EventStore, log_database: LogDatabase
) -> None:
    await store.register_handlers([MINE])
    forgotten = await appended(store)
    await recorded(log_database, forgotten, -timedelta(days=30))
    assert [row.event_id for row in await store.unhandled(MINE, OLD)] == [forgotten]


async def test_the_mark_does_not_pass_an_event_that_is_too_young_to_be_looked_at(
    store: EventStore, log_database: LogDatabase
) -> None:
    await store.register_handlers([MINE])
    young, older = await appended(store), await appended(store)
    await recorded(log_database, older, timedelta(seconds=10))
    await store.append(Unit([Trigger(MINE.name, older)]))
    assert await store.unhandled(MINE, OLD) == []
    assert await low_water(store) == 0
    await recorded(log_database, young, timedelta(seconds=10))
    assert [row.event_id for row in await store.unhandled(MINE, OLD)] == [young]


async def test_what_was_left_unpublished_before_the_clock_was_set_back_is_found(
    store: EventStore, log_database: LogDatabase
) -> None:
    fresh, left = await appended(store), await appended(store)
    await recorded(log_database, left, -timedelta(hours=1))
    assert [row.event_id for row in await store.outbox_pending(OLD)] == [left]
    assert {row.event_id for row in await store.outbox_pending(timedelta(0))} == {fresh, left}


async def test_who_looks_for_timers_learns_the_clock_even_if_there_is_none(
    store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = store._clock
    known = clock._distance
    assert known is not None
    monkeypatch.setattr(clock, "_distance", known - 3600.0)
    assert datetime.now(UTC) - store.db_now() > timedelta(minutes=59)
    assert (await store.due_timers()).due == []
    assert abs(datetime.now(UTC) - store.db_now()) < timedelta(seconds=5)
