"""The line is cut, or the backend killed, while the statement is inside its COMMIT."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import asyncpg
import pytest
from smartops.eventstore import Already, Committed, EventStore, Unit, Write
from support.store import PASSWORD, PLANNER, LogDatabase, event, trigger, unit
from support.store_proxy import Proxy

pytest_plugins = ["support.store_fixtures"]

APPEND_LOCK = 8317411231030800499
GATE = 7001
PATIENCE = 8.0

# A deferred constraint trigger runs when COMMIT has begun and nothing is committed yet.
HOLD = f"""
create function pg_temp.hold() returns trigger language plpgsql as $$
begin
    perform pg_advisory_xact_lock({GATE});
    return null;
end
$$;
create constraint trigger hold_commit after insert on smartops_log.events
    deferrable initially deferred for each row execute function pg_temp.hold();
"""


@asynccontextmanager
async def behind_proxy(database: LogDatabase) -> AsyncIterator[tuple[EventStore, Proxy]]:
    async with Proxy(database.server.port) as proxy:
        dsn = f"postgresql://{PLANNER}:{PASSWORD}@127.0.0.1:{proxy.port}/{database.name}"
        store = await EventStore.connect(dsn)
        try:
            yield store, proxy
        finally:
            await store.close(timedelta(0))


async def waiting(admin: asyncpg.Connection, lock: int, count: int = 1) -> list[int]:
    """The backends that wait for an advisory lock, once there are so many."""
    async with asyncio.timeout(PATIENCE):
        while True:
            rows = await admin.fetch(
                "select pid from pg_locks where locktype = 'advisory' and not granted "
                "and (classid::bigint << 32 | objid::bigint) = $1",
                lock,
            )
            if len(rows) >= count:
                return [row["pid"] for row in rows]


@asynccontextmanager
async def held_commits(database: LogDatabase) -> AsyncIterator[asyncpg.Connection]:
    """Each COMMIT of an append waits until the yielded connection lets go of the gate."""
    async with database.connection() as admin:
        await admin.execute(HOLD)
        await admin.execute(f"select pg_advisory_lock({GATE})")
        try:
            yield admin
        finally:
            await admin.execute("select pg_advisory_unlock_all()")
            await admin.execute("drop trigger hold_commit on smartops_log.events")


def several() -> list[Unit]:
    made = [unit(f"acme/task-{n}", 0, [event(subject="a.b")]) for n in range(4)]
    return [*made, Unit(writes=[Write("acme/task-bare", 0, [event()])])]


async def test_a_line_cut_inside_the_commit_is_settled_by_already(
    log_database: LogDatabase,
) -> None:
    async with behind_proxy(log_database) as (store, proxy):
        await store.append(Unit([trigger()]))
        unsure = asyncio.Event()
        store.on_unsure(unsure.set)
        async with held_commits(log_database) as admin:
            appends = asyncio.gather(*map(store.append, several()))
            await waiting(admin, GATE)
            proxy.cut()
            # The store is back and waits behind its own first try, which still holds the lock.
            await waiting(admin, APPEND_LOCK)
            assert await admin.fetchval("select count(*) from smartops_log.events") == 0
            await admin.execute("select pg_advisory_unlock_all()")
            results = await appends
        assert [type(result) for result in results] == [Already] * 5
        assert unsure.is_set()
        assert [row.position for row in await store.read_log(0)] == [1, 2, 3, 4, 5]
        assert len(await store.outbox_pending(timedelta(0))) == 4


async def test_a_backend_killed_inside_the_commit_leaves_nothing_and_the_repeat_commits(
    log_database: LogDatabase,
) -> None:
    async with behind_proxy(log_database) as (store, _):
        await store.append(Unit([trigger()]))
        async with held_commits(log_database) as admin:
            appends = asyncio.gather(*map(store.append, several()))
            [pid] = await waiting(admin, GATE)
            await admin.execute(f"select pg_terminate_backend({pid})")
            [again] = await waiting(admin, GATE)
            while again == pid:
                [again] = await waiting(admin, GATE)
            assert await admin.fetchval("select count(*) from smartops_log.events") == 0
            await admin.execute("select pg_advisory_unlock_all()")
            results = await appends
        assert results == [Committed((n,)) for n in range(1, 6)]
        assert len(await store.read_log(0)) == 5


@pytest.mark.parametrize("count", [1, 3])
async def test_a_first_try_left_alone_at_the_lock_commits_once_however_often_it_is_repeated(
    log_database: LogDatabase, count: int
) -> None:
    async with behind_proxy(log_database) as (store, proxy), log_database.connection() as admin:
        await store.append(Unit([trigger()]))
        await admin.execute(f"select pg_advisory_lock({APPEND_LOCK})")
        one = unit("acme/task-1", 0, 2)
        append = asyncio.create_task(store.append(one))
        for cuts in range(1, count + 1):
            await waiting(admin, APPEND_LOCK, cuts)
            proxy.cut()
        await waiting(admin, APPEND_LOCK, count + 1)
        await admin.execute("select pg_advisory_unlock_all()")
        assert await append == Already((one.triggers[0].cause,))
        assert [row.position for row in await store.read_log(0)] == [1, 2]
