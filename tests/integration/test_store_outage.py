"""Lost answers, killed backends, a database that is away: each unit ends up stored once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from smartops.devstack.servers import PostgresServer
from smartops.eventstore import (
    Already,
    Committed,
    EventStore,
    OutboxRow,
    StoreClosed,
    StoreUnavailable,
    TimerSet,
    Trigger,
    Unit,
    Write,
    appender,
    migrate,
    set_role_passwords,
)
from support.store import PASSWORD, PLANNER, LogDatabase, event, trigger, unit
from support.store_proxy import Proxy

pytest_plugins = ["support.store_fixtures"]


@asynccontextmanager
async def behind_proxy(database: LogDatabase) -> AsyncIterator[tuple[EventStore, Proxy]]:
    async with Proxy(database.server.port) as proxy:
        dsn = f"postgresql://{PLANNER}:{PASSWORD}@127.0.0.1:{proxy.port}/{database.name}"
        store = await EventStore.connect(dsn)
        # From here on the statements are prepared: the next answer is that of the work itself.
        await store.append(Unit([trigger()]))
        await store.read_stream("acme/none")
        try:
            yield store, proxy
        finally:
            await store.close(timedelta(0))


async def test_a_commit_whose_answer_was_lost_is_settled_by_its_triggers(
    log_database: LogDatabase,
) -> None:
    async with behind_proxy(log_database) as (store, proxy):
        told: list[OutboxRow] = []
        unsure = asyncio.Event()
        store.on_committed(told.extend)
        store.on_unsure(unsure.set)
        units = [unit(f"acme/task-{n}", 0, [event(subject="a.b")]) for n in range(5)]
        bare = Unit(writes=[Write("acme/task-bare", 0, [event()])])
        lost = asyncio.create_task(proxy.swallow_one())
        await asyncio.sleep(0)
        results = await asyncio.gather(*map(store.append, units), store.append(bare))
        await lost
        causes = [(one.triggers[0].cause,) for one in units]
        assert results == [
            *map(Already, causes),
            Already((bare.writes[0].events[0].event_id,)),
        ]
        assert len(await store.read_log(0)) == 6
        # Nobody was told of these commits, so the outbox keeps them, and the relay is warned.
        assert unsure.is_set()
        assert told == []
        assert len(await store.outbox_pending(timedelta(0))) == 5


async def test_units_with_all_their_belongings_survive_a_lost_answer_once(
    log_database: LogDatabase,
) -> None:
    async with behind_proxy(log_database) as (store, proxy):
        timer = TimerSet(uuid4(), "planner.timer", "acme/task-1", "x", timedelta(0))
        await store.append(Unit([trigger()], timers=[timer]))
        fires = Trigger("planner.timer", timer.timer_id, is_timer=True)
        lost = asyncio.create_task(proxy.swallow_one())
        await asyncio.sleep(0)
        result = await store.append(unit("acme/task-1", triggers=[fires]))
        await lost
        assert result == Already((timer.timer_id,))
        assert len(await store.read_stream("acme/task-1")) == 1
        assert (await store.due_timers()).due == []


async def test_killed_backends_leave_each_unit_exactly_once(log_database: LogDatabase) -> None:
    kills = 0
    counts = dict.fromkeys(range(16), 0)
    already = 0
    loop = asyncio.get_running_loop()
    deadline = loop.time() + 5

    def is_over() -> bool:
        return kills >= 15 or (kills >= 3 and loop.time() > deadline)

    async with log_database.store() as store, log_database.connection() as admin:
        told: list[OutboxRow] = []
        store.on_committed(told.extend)

        async def work(worker: int) -> None:
            nonlocal already
            while not is_over():
                result = await store.append(
                    unit(f"acme/task-{worker}", counts[worker], [event(subject="a.b")])
                )
                assert isinstance(result, Committed | Already)
                already += isinstance(result, Already)
                counts[worker] += 1

        async def kill() -> None:
            nonlocal kills
            while not is_over():
                kills += await admin.fetchval(
                    "select count(pg_terminate_backend(pid)) from pg_stat_activity "
                    "where datname = current_database() and application_name like '% append' "
                    "and state = 'active'"
                )
                await asyncio.sleep(random.uniform(0, 0.1))

        await asyncio.gather(kill(), *map(work, counts))
        rows = await store.read_log(0, 100_000)
        total = sum(counts.values())
        assert [row.position for row in rows] == list(range(1, total + 1))
        for worker, count in counts.items():
            versions = [row.version for row in rows if row.stream == f"acme/task-{worker}"]
            assert versions == list(range(1, count + 1))
        # What was not told after a commit is still in the outbox, so nothing goes unpublished.
        pending = {row.position for row in await store.outbox_pending(timedelta(0), 100_000)}
        assert len(told) == total - already
        assert pending | {row.position for row in told} == set(range(1, total + 1))
        assert await admin.fetchval("select count(*) from smartops_log.inbox") == total


async def test_callers_wait_while_the_database_is_away_and_trouble_says_why(
    tmp_path: Path,
) -> None:
    async with PostgresServer(tmp_path / "data") as server:
        await migrate(server.dsn())
        database = LogDatabase(server, "smartops")
        async with database.connection() as admin:
            await set_role_passwords(admin, {PLANNER: PASSWORD})
        async with database.store() as store:
            assert await store.append(unit("acme/task-1")) == Committed((1,))
            await server.stop()
            append = asyncio.create_task(store.append(unit("acme/task-1", 1)))
            read = asyncio.create_task(store.read_stream("acme/task-1"))
            while store.trouble is None or "Connect" not in store.trouble:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            assert not store.healthy
            assert not append.done()
            await server.start()
            assert await append == Committed((2,))
            assert len(await read) in (1, 2)
            assert await store.heads()
            assert store.healthy


async def test_a_full_queue_refuses_instead_of_growing(
    log_database: LogDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(appender, "MAX_QUEUE_UNITS", 3)
    async with behind_proxy(log_database) as (store, proxy):
        proxy.refuse()
        sent = asyncio.create_task(store.append(unit("acme/task-0")))
        while store.healthy:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        queued = [asyncio.create_task(store.append(unit(f"acme/task-{n}"))) for n in (1, 2, 3)]
        await asyncio.sleep(0)
        with pytest.raises(StoreUnavailable, match="append"):
            await store.append(unit("acme/task-4"))
        proxy.accept()
        results = await asyncio.gather(sent, *queued)
        assert all(isinstance(result, Committed) for result in results)
        assert [row.stream for row in await store.read_log(0)] == [
            f"acme/task-{n}" for n in range(4)
        ]


async def test_closing_fails_what_still_waits(log_database: LogDatabase) -> None:
    async with behind_proxy(log_database) as (store, proxy):
        proxy.refuse()
        waiting = asyncio.create_task(store.append(unit("acme/task-1")))
        reading = asyncio.create_task(store.read_stream("acme/task-1"))
        while store.healthy:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await store.close(timedelta(0))
        for task in (waiting, reading):
            with pytest.raises(StoreClosed):
                await task
        with pytest.raises(StoreClosed):
            await store.append(unit("acme/task-2"))
        with pytest.raises(StoreClosed):
            await store.read_stream("acme/task-2")


async def test_closing_flushes_what_was_queued(log_database: LogDatabase) -> None:
    async with log_database.store() as store:
        tasks = [asyncio.create_task(store.append(unit(f"acme/task-{n}"))) for n in range(500)]
        await asyncio.sleep(0)
        await store.close()
        results = await asyncio.gather(*tasks)
    assert all(isinstance(result, Committed) for result in results)


async def test_connecting_gives_up_when_patience_runs_out() -> None:
    with pytest.raises(StoreUnavailable, match="Connect"):
        await EventStore.connect(
            "postgresql://nobody@127.0.0.1:1/none", patience=timedelta(seconds=0.2)
        )


async def test_a_wrong_password_is_told_at_once(log_database: LogDatabase) -> None:
    with pytest.raises(StoreUnavailable, match="password"):
        await EventStore.connect(log_database.dsn, role=PLANNER, password="wrong")
