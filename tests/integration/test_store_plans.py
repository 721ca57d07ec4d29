"""What a statement reads must not grow with the log, whenever its plan was made."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import asyncpg
from smartops.eventstore import (
    LOGIN_ROLES,
    EventStore,
    Handler,
    ReadCondition,
    TimerCancel,
    TimerSet,
    Trigger,
    Unit,
    Write,
    migrate,
    set_role_passwords,
)
from support.store import PASSWORD, PLANNER, event

if TYPE_CHECKING:
    from support.servers import FreshDatabase

pytest_plugins = ["support.servers"]

UNITS = 400
ROUNDS = 8
"""Of each housekeeping call, spread over the units."""
PER_UNIT = 20
"""Index entries that all statements about one unit may look at, in one table."""


async def read_of(admin: asyncpg.Connection) -> dict[str, int]:
    """Index entries and rows read so far, by table."""
    rows = await admin.fetch(
        "select t.relname, t.seq_tup_read + coalesce(sum(i.idx_tup_read), 0)::bigint "
        "from pg_stat_user_tables t left join pg_stat_user_indexes i using (relid) "
        "where t.schemaname = 'smartops_log' group by t.relname, t.seq_tup_read"
    )
    return dict(map(tuple, rows))


def timer(ident: UUID) -> TimerSet:
    return TimerSet(ident, "tick", f"acme/task-{ident}", "due", timedelta(hours=1))


async def test_no_statement_reads_more_as_the_tables_grow(fresh_database: FreshDatabase) -> None:
    """A session's plans are made on empty tables, before statistics exist, and then kept."""
    await migrate(fresh_database.dsn)
    admin = await asyncpg.connect(fresh_database.dsn)
    try:
        await set_role_passwords(admin, dict.fromkeys(LOGIN_ROLES, PASSWORD))
        for table in ("events", "inbox", "outbox", "timers", "blobs"):
            await admin.execute(
                f"alter table smartops_log.{table} set (autovacuum_enabled = false)"
            )
        store = await EventStore.connect(fresh_database.dsn_for(PLANNER, PASSWORD))
        await store.register_handlers([Handler("planned", ["task.planned.v1"])])
        for number in range(UNITS):
            await one_of_everything(store, number)
            if number % (UNITS // ROUNDS) == 0:
                await store.outbox_pending(timedelta(0), 10)
                await store.outbox_backlog()
                await store.due_timers(10)
                await store.parked(10)
                await store.unhandled(Handler("planned", ["task.planned.v1"]), timedelta(0), 10)
        await store.close()  # Its counters are complete once its sessions have ended.
        read = await read_of(admin)
    finally:
        await admin.close()

    grown = {table: count for table, count in read.items() if count > PER_UNIT * UNITS}
    assert not grown


async def one_of_everything(store: EventStore, number: int) -> None:
    """Append with every kind of trigger and look-up; then read it, and let the outbox go."""
    ident = uuid4()
    name = f"acme/task-{ident}"
    content = b"blob %d" % number
    first = Unit(
        [Trigger("planned", uuid4())],
        [Write(name, 0, [event(subject="a.b")])],
        reads=[ReadCondition(f"acme/gate-{ident}", 0)],
        timers=[timer(ident), timer(other := uuid4())],
        blobs=[content],
    )
    fired = Unit(
        [Trigger("tick", ident, is_timer=True)],
        [Write(name, 1, [event()])],
        timers=[TimerCancel(other)],
    )
    bare = Unit(writes=[Write(name, 2, [event()])])
    positions: list[int] = []
    for unit in (first, fired, bare):
        positions += (await store.append(unit)).positions  # type: ignore[union-attr]
    assert len(await store.read_stream(name)) == 3
    assert [row.version for row in await store.newest(name, 2)] == [2, 3]
    if number % 2:
        store.outbox_done(positions)


async def test_a_look_at_the_timers_reads_no_more_of_those_that_wait(
    fresh_database: FreshDatabase,
) -> None:
    await migrate(fresh_database.dsn)
    admin = await asyncpg.connect(fresh_database.dsn)
    try:
        await set_role_passwords(admin, dict.fromkeys(LOGIN_ROLES, PASSWORD))
        await admin.execute(
            "insert into smartops_log.timers (role, timer_id, handler, stream, name, due_at) "
            "select 'smartops_planner', gen_random_uuid(), 'tick', 'acme/task-' || g, 'due', "
            "clock_timestamp() + make_interval(hours => g) from generate_series(-5, 2000) as g"
        )
        await admin.execute("select pg_stat_force_next_flush()")
        before = await read_of(admin)
        store = await EventStore.connect(fresh_database.dsn_for(PLANNER, PASSWORD))
        for _ in range(ROUNDS):
            found = await store.due_timers(10)
            assert len(found.due) == 6
        await store.close()
        after = await read_of(admin)
    finally:
        await admin.close()

    grown = {table: after[table] - before[table] for table in ("timers", "inbox")}
    assert max(grown.values()) <= ROUNDS * PER_UNIT, grown


async def test_a_rare_topic_is_found_without_a_walk_through_the_log(
    fresh_database: FreshDatabase,
) -> None:
    await migrate(fresh_database.dsn)
    admin = await asyncpg.connect(fresh_database.dsn)
    try:
        await set_role_passwords(admin, dict.fromkeys(LOGIN_ROLES, PASSWORD))
        store = await EventStore.connect(fresh_database.dsn_for(PLANNER, PASSWORD))
        for number in range(5):
            topics = ["task.planned.v1"] * 400 + ["task.failed.v1"]
            write = Write(f"acme/task-{number}", 0, [event(topic) for topic in topics])
            await store.append(Unit([Trigger("planned", uuid4())], [write]))
        await store.close()
        await admin.execute("analyze smartops_log.events")
        before = await read_of(admin)
        store = await EventStore.connect(fresh_database.dsn_for(PLANNER, PASSWORD))
        for _ in range(ROUNDS):
            found = await store.read_log(0, 100, ["task.failed.v1"])
            assert [row.version for row in found] == [401] * 5
            assert [row.position for row in found] == [401 * n for n in range(1, 6)]
        await store.close()
        after = await read_of(admin)
        store = await EventStore.connect(fresh_database.dsn_for(PLANNER, PASSWORD))
        assert len(await store.read_log(401, 3, ["task.failed.v1", "task.planned.v1"])) == 3
        assert await store.read_log(0, 3, ["no'topic"]) == []
        await store.close()
    finally:
        await admin.close()

    assert after["events"] - before["events"] <= ROUNDS * PER_UNIT
