"""Read models rebuilt beside the ones in use, and switched: nobody sees anything but whole ones."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from smartops.audit.checking import check
from smartops.audit.checksum import checksum
from smartops.audit.errors import ReadersInTheWay, RebuildUnderWay
from smartops.audit.options import AuditOptions
from smartops.audit.rebuild import NAMES, replace
from smartops.audit.service import AuditService
from support.audit import AuditDatabase
from support.audit_histories import many, ops_task

pytest_plugins = ["support.audit_fixtures"]

_SOON = timedelta(milliseconds=20)
_QUICK = AuditOptions(
    busy_pause=timedelta(milliseconds=5),
    crowded_pause=_SOON,
    idle_pause=_SOON,
    standby_pause=_SOON,
    retry_pause=timedelta(seconds=20),
    anchor_interval=timedelta(seconds=1),
)

_SHAPE = """
select c.relname, coalesce(c.reloptions::text, ''), c.relacl::text, c.relrowsecurity,
       c.relforcerowsecurity, c.relpersistence, pg_get_userbyid(c.relowner),
       (select string_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod) || ' '
                          || a.attnotnull || ' ' || a.attcollation::regcollation, ', '
                          order by a.attnum)
          from pg_attribute a where a.attrelid = c.oid and a.attnum > 0),
       (select string_agg(pg_get_indexdef(i.indexrelid), '; '
                          order by pg_get_indexdef(i.indexrelid))
          from pg_index i where i.indrelid = c.oid),
       (select string_agg(o.conname || ' ' || pg_get_constraintdef(o.oid), '; ' order by o.conname)
          from pg_constraint o where o.conrelid = c.oid),
       (select string_agg(concat_ws(' ', p.policyname, p.cmd, p.roles, p.qual, p.with_check), '; '
                          order by p.policyname)
          from pg_policies p where p.schemaname = 'smartops' and p.tablename = c.relname),
       case c.relkind when 'v' then pg_get_viewdef(c.oid) end
  from pg_class c where c.relnamespace = 'smartops'::regnamespace and c.relkind in ('r', 'v')
 order by c.relname
"""


_LOOK = """
select (select verified_position from smartops.v_tenants),
       (select count(*) from smartops.v_tasks),
       (select count(*) from smartops.v_runs where status = 'completed')
"""


@dataclass
class Looks:
    """What somebody who looks all the time has seen."""

    positions: list[int] = field(default_factory=list)
    tasks: list[int] = field(default_factory=list)
    done: list[int] = field(default_factory=list)


@asynccontextmanager
async def looking(database: AuditDatabase) -> AsyncIterator[Looks]:
    """A reader of acme who asks for positions and tasks without a pause."""
    looks, ended = Looks(), asyncio.Event()

    async def look() -> None:
        async with database.reader("acme") as conn:
            while not ended.is_set():
                row = await conn.fetchrow(_LOOK)
                looks.positions.append(row[0])
                looks.tasks.append(row[1])
                looks.done.append(row[2])

    task = asyncio.create_task(look())
    try:
        yield looks
    finally:
        ended.set()
        await task


async def generation(database: AuditDatabase) -> int:
    async with database.audit() as conn:
        found: int = await conn.fetchval("select generation from smartops.progress")
    return found


async def leftovers(database: AuditDatabase) -> int:
    async with database.connection() as conn:
        found: int = await conn.fetchval(
            "select count(*) from pg_class where relnamespace in "
            "('smartops_next'::regnamespace, 'smartops_last'::regnamespace)"
        )
    return found


@asynccontextmanager
async def holding_the_read_models(database: AuditDatabase) -> AsyncIterator[None]:
    """Somebody looks at the old rows and does not let go."""
    async with database.reader("acme") as conn, conn.transaction():
        await conn.fetchval("select count(*) from smartops.v_tasks")
        yield


def command(database: AuditDatabase, tmp_path: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": database.audit_dsn,
        "NATS_URL": "nats://127.0.0.1:1",
        "SMARTOPS_ANCHORS_DIR": str(tmp_path / "anchors"),
    }


async def rebuilding(database: AuditDatabase, tmp_path: Path) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "smartops.audit", "rebuild"),
        env=command(database, tmp_path),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def until_built(database: AuditDatabase) -> None:
    """Wait until a rebuild has all but switched: its tables are durable by then."""
    async with database.connection() as conn, asyncio.timeout(20):
        while not await conn.fetchval(  # noqa: ASYNC110 - nothing tells of it
            "select count(*) = $1 from pg_class where relnamespace = 'smartops_next'::regnamespace "
            "and relkind = 'r' and relpersistence = 'p'",
            len(NAMES),
        ):
            await asyncio.sleep(0.02)


async def test_while_the_log_grows_and_is_projected_readers_only_ever_see_more(
    audit_database: AuditDatabase, tmp_path: Path
) -> None:
    await audit_database.tell([*many("acme"), *(ops_task("acme", str(n)) for n in range(40))])
    await audit_database.project()

    async def published(_messages: object) -> int:
        return 0

    service = AuditService(audit_database.audit_dsn, published, tmp_path, options=_QUICK)
    await service.start()
    growing = asyncio.create_task(
        audit_database.tell([ops_task("acme", f"later-{n}") for n in range(120)])
    )
    try:
        async with looking(audit_database) as looks:
            for _ in range(3):
                await replace(audit_database.audit_dsn)
            await growing
        async with audit_database.connection() as conn:
            head = await conn.fetchval("select max(position) from smartops_log.events")
        async with asyncio.timeout(20):
            await service.until(lambda s: s.counters.position == head)
        assert service.trouble == []
    finally:
        growing.cancel()
        await service.stop()

    assert len(set(looks.positions)) > 3, "nothing happened meanwhile"
    for seen in (looks.positions, looks.tasks, looks.done):
        assert seen == sorted(seen), "somebody saw a task go backwards, or vanish"
    assert min(looks.tasks) >= 40
    assert await generation(audit_database) == 4
    assert await leftovers(audit_database) == 0
    async with audit_database.audit() as conn:
        report = await check(conn)
    assert (report.ok, report.position) == (True, head)


async def test_a_new_generation_has_all_that_the_old_one_had_but_its_numbers(
    audit_database: AuditDatabase,
) -> None:
    await audit_database.tell([*many("acme"), ops_task("globex", "two")])
    await audit_database.project()
    async with audit_database.connection() as admin, audit_database.audit() as conn:
        shape, sums = await admin.fetch(_SHAPE), await checksum(conn)
        for _ in range(2):
            await replace(audit_database.audit_dsn)
            assert await admin.fetch(_SHAPE) == shape
            assert await checksum(conn) == sums
    async with audit_database.reader("globex") as reader:
        assert await reader.fetchval("select count(*) from smartops.v_tasks") == 1
    async with audit_database.reader(None) as reader:
        with pytest.raises(asyncpg.UndefinedObjectError):
            await reader.fetch("select * from smartops.v_tasks")


async def test_a_killed_rebuild_leaves_the_old_rows_and_the_next_one_begins_again(
    told: AuditDatabase, tmp_path: Path
) -> None:
    await told.project()
    async with holding_the_read_models(told):
        process = await rebuilding(told, tmp_path)
        await until_built(told)
        process.send_signal(signal.SIGKILL)
        await process.communicate()
    async with told.audit() as conn:
        assert (await check(conn)).ok
        assert await generation(told) == 1
        assert await leftovers(told) > 0
        # The killed one's session ends a little later than its process.
        async with asyncio.timeout(10):
            while True:
                try:
                    assert await replace(told.audit_dsn) == 46
                    break
                except RebuildUnderWay:
                    await asyncio.sleep(0.05)
    assert (await generation(told), await leftovers(told)) == (2, 0)


async def test_of_two_at_once_the_second_is_refused(told: AuditDatabase, tmp_path: Path) -> None:
    await told.project()
    async with holding_the_read_models(told):
        first = await rebuilding(told, tmp_path)
        await until_built(told)
        second = await rebuilding(told, tmp_path)
        out, _ = await asyncio.wait_for(second.communicate(), 20)
        assert (second.returncode, json.loads(out)["code"]) == (1, "rebuild_under_way")
    out, shown = await asyncio.wait_for(first.communicate(), 20)
    answer = json.loads(out)
    assert (first.returncode, answer["ok"], answer["position"]) == (0, True, 46)
    assert b"46 of 46 events" in shown
    assert await generation(told) == 2


async def test_a_snapshot_from_before_the_new_rows_is_waited_for(told: AuditDatabase) -> None:
    """Moving tables asks no snapshot: this reader would find new ones without a single row."""
    await told.project()
    async with told.reader("acme") as reader:
        async with reader.transaction(isolation="repeatable_read"):
            await reader.fetchval("select count(*) from pg_class")
            with pytest.raises(ReadersInTheWay):
                await replace(told.audit_dsn, patience=timedelta(seconds=0.5))
            assert await reader.fetchval("select count(*) from smartops.v_tasks") == 1
        assert (await generation(told), await leftovers(told)) == (1, 0)
        assert await replace(told.audit_dsn) == 46
        assert await reader.fetchval("select count(*) from smartops.v_tasks") == 1


async def test_rows_that_are_behind_do_not_take_the_place_of_newer_ones(
    told: AuditDatabase,
) -> None:
    await told.project()
    async with told.audit() as conn:
        await conn.execute("select smartops.begin_generation($1)", NAMES)
        await conn.execute(
            "insert into smartops_next.progress (position, hash, projector) values (45, $1, 1)",
            uuid4().bytes,
        )
        with pytest.raises(asyncpg.ObjectNotInPrerequisiteStateError):
            await conn.execute("select smartops.switch_generation($1)", NAMES)
    assert await generation(told) == 1


async def test_nobody_but_audit_may_rebuild(told: AuditDatabase) -> None:
    for role in ("smartops_reader", "smartops_planner"):
        async with told.connection(role) as conn:
            for call in ("begin_generation($1)", "keep_generation($1)", "switch_generation($1)"):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await conn.execute(f"select smartops.{call}", NAMES)
