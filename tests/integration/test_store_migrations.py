"""Migrations: each once, in order, never changed, whoever runs them."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio
from smartops.devstack.servers import PostgresServer
from smartops.eventstore import EVENTSTORE, MigrationError, MigrationSource, migrate, status
from smartops.eventstore.__main__ import main
from support.store import LogDatabase

pytest_plugins = ["support.servers"]


_numbers = itertools.count(1)


@pytest_asyncio.fixture(loop_scope="session")
async def empty_database(postgres_server: PostgresServer) -> LogDatabase:
    """A database without our schema. It goes with the server: dropping it would cost more."""
    database = LogDatabase(postgres_server, f"migrations_{next(_numbers)}")
    admin = await asyncpg.connect(postgres_server.dsn(database="postgres"))
    try:
        await admin.execute(f"create database {database.name}")
    finally:
        await admin.close()
    return database


def source(path: Path, **files: str) -> MigrationSource:
    path.mkdir(exist_ok=True)
    for name, sql in files.items():
        (path / f"{name.removeprefix('f')}.sql").write_text(sql)
    return MigrationSource("extra", path)


async def test_a_second_run_finds_nothing_to_do(empty_database: LogDatabase) -> None:
    before = await status(empty_database.dsn)
    assert before.applied == []
    applied = await migrate(empty_database.dsn)
    assert list(before.pending) == applied
    assert [migration.version for migration in applied] == list(range(1, len(applied) + 1))
    assert await migrate(empty_database.dsn) == []
    after = await status(empty_database.dsn)
    assert [row.sha256 for row in after.applied] == [migration.sha256 for migration in applied]
    assert after.pending == []


async def test_the_append_only_triggers_hold_for_replication_workers_too(
    empty_database: LogDatabase,
) -> None:
    await migrate(empty_database.dsn)
    async with empty_database.connection() as conn:
        rows = await conn.fetch(
            "select tgrelid::regclass::text, tgenabled from pg_trigger where not tgisinternal "
            "order by 1"
        )
    assert [tuple(row) for row in rows] == [
        ("smartops_log.blobs", b"A"),
        ("smartops_log.events", b"A"),
    ]


async def test_runs_at_the_same_moment_take_turns(postgres_server: PostgresServer) -> None:
    admin = await asyncpg.connect(postgres_server.dsn(database="postgres"))
    try:
        names = ("turns_one", "turns_two")
        for name in names:
            await admin.execute(f"create database {name}")
        # Two per database, and roles that belong to the whole cluster.
        runs = [migrate(postgres_server.dsn(database=name)) for name in (*names, *names)]
        applied = await asyncio.gather(*runs)
        assert sorted(map(bool, applied)) == [False, False, True, True]
    finally:
        await admin.close()


async def test_another_package_brings_its_own_files(
    empty_database: LogDatabase, tmp_path: Path
) -> None:
    extra = source(tmp_path / "sql", f0001_views="create schema extra; create table extra.t(i int)")
    applied = await migrate(empty_database.dsn, [EVENTSTORE, extra])
    assert [(migration.source, migration.file) for migration in applied][-1] == (
        "extra",
        "0001_views.sql",
    )
    conn = await asyncpg.connect(empty_database.dsn)
    try:
        owner = await conn.fetchval(
            "select tableowner from pg_tables where schemaname = 'extra' and tablename = 't'"
        )
    finally:
        await conn.close()
    assert owner == "smartops_owner"


async def test_a_changed_past_is_refused_by_name(
    empty_database: LogDatabase, tmp_path: Path
) -> None:
    both = [
        EVENTSTORE,
        source(tmp_path / "sql", f0001_a="select 1", f0002_b="create table smartops_log.b()"),
    ]
    await migrate(empty_database.dsn, both)
    source(tmp_path / "sql", f0001_a="select 2", f0003_c="create table smartops_log.c()")
    with pytest.raises(MigrationError, match=r"0001_a\.sql differs"):
        await migrate(empty_database.dsn, both)
    with pytest.raises(MigrationError, match=r"0001_a\.sql differs"):
        await status(empty_database.dsn, both)


async def test_a_missing_past_is_refused_by_name(
    empty_database: LogDatabase, tmp_path: Path
) -> None:
    both = [EVENTSTORE, source(tmp_path / "sql", f0001_a="select 1", f0002_b="select 2")]
    await migrate(empty_database.dsn, both)
    (tmp_path / "sql" / "0002_b.sql").unlink()
    with pytest.raises(MigrationError, match=r"0002_b\.sql .* is missing"):
        await migrate(empty_database.dsn, both)
    (tmp_path / "sql" / "0001_a.sql").rename(tmp_path / "sql" / "0002_b.sql")
    with pytest.raises(MigrationError, match="expected number 0001"):
        await migrate(empty_database.dsn, both)


async def test_a_file_that_fails_leaves_nothing_behind(
    empty_database: LogDatabase, tmp_path: Path
) -> None:
    both = [
        EVENTSTORE,
        source(
            tmp_path / "sql",
            f0001_a="create table smartops_log.a()",
            f0002_b="create table smartops_log.b(); select 1/0",
        ),
    ]
    with pytest.raises(MigrationError, match=r"0002_b.sql failed: division by zero"):
        await migrate(empty_database.dsn, both)
    state = await status(empty_database.dsn, both)
    assert [migration.file for migration in state.pending] == ["0002_b.sql"]
    source(tmp_path / "sql", f0002_b="create table smartops_log.b()")
    assert len(await migrate(empty_database.dsn, both)) == 1


async def test_a_migrator_need_not_be_a_superuser(postgres_server: PostgresServer) -> None:
    admin = await asyncpg.connect(postgres_server.dsn(database="postgres"))
    try:
        await admin.execute("create role migrator login createrole password 'only-for-tests'")
        await admin.execute("create database managed owner migrator")
        # As on a fresh managed server: the migrator made the roles, and so administers them.
        exists = await admin.fetchval("select true from pg_roles where rolname = 'smartops_owner'")
        if exists:
            await admin.execute("grant smartops_owner to migrator with admin option")
    finally:
        await admin.close()
    assert await migrate(postgres_server.dsn("migrator", "only-for-tests", "managed"))


async def test_the_command_line_migrates_tells_and_verifies(
    empty_database: LogDatabase, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in ("migrate", "status", "verify"):
        argv = [command, "--dsn", empty_database.dsn]
        assert await asyncio.to_thread(main, argv) == 0
    out = capsys.readouterr().out
    assert "applied eventstore 0001_log.sql" in out
    assert "sound up to position 0" in out
