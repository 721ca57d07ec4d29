"""Who may do what in the log: the documented matrix, and attempts to get around it."""

from __future__ import annotations

import itertools
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from smartops.eventstore import (
    LOGIN_ROLES,
    OWNER,
    SERVICE_ROLES,
    CategoryForbidden,
    Committed,
    InvalidUnit,
    TenantMismatch,
    Unit,
    Write,
    set_role_passwords,
)
from smartops.eventstore.admission import admit
from smartops.eventstore.batch import APPEND, Batch
from support.store import LogDatabase, event, trigger, unit

pytest_plugins = ["support.store_fixtures"]

README = Path(__file__).parents[2] / "infra" / "postgres" / "README.md"
TABLES = (
    "events",
    "blobs",
    "heads",
    "inbox",
    "outbox",
    "timers",
    "handlers",
    "writers",
    "migrations",
    "publications",
    "tracking",
    "snapshots",
)
CHANGES = (
    "update smartops_log.events set party = 'x'",
    "delete from smartops_log.events",
    "truncate smartops_log.events",
    "update smartops_log.blobs set tenant = 'x'",
    "delete from smartops_log.blobs",
    "truncate smartops_log.blobs",
)


def documented_table(first_heading: str) -> list[list[str]]:
    """A table of the README, heading first."""
    lines = README.read_text().splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith(f"| {first_heading} |"))
    table = itertools.takewhile(lambda line: line.startswith("|"), lines[start:])
    return [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in table]


def documented() -> dict[str, dict[str, set[str]]]:
    """The matrix of the README: privileges by object and role."""
    heading, _, *rows = documented_table("object")
    matrix: dict[str, dict[str, set[str]]] = {}
    for name, *cells in rows:
        privileges = [set(cell.replace("-", "").split(", ")) - {""} for cell in cells]
        matrix[name] = dict(zip(heading[1:], privileges, strict=True))
    return matrix


async def test_the_privileges_are_those_of_the_documented_matrix(
    log_database: LogDatabase,
) -> None:
    matrix = documented()
    async with log_database.connection() as conn:
        for name in TABLES:
            for role in (OWNER, *LOGIN_ROLES):
                held = {
                    privilege
                    for privilege in ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE")
                    if await conn.fetchval(
                        "select has_table_privilege($1, 'smartops_log.' || $2, $3)",
                        role,
                        name,
                        privilege,
                    )
                }
                assert held == matrix[name][_column(role)], (name, role)
        functions = await conn.fetch(
            "select oid::regprocedure::text as name, oid from pg_proc "
            "where pronamespace = 'smartops_log'::regnamespace and prorettype <> 'trigger'::regtype"
        )
        assert len(functions) >= 9
        for function in functions:
            for role in LOGIN_ROLES:
                may = await conn.fetchval(
                    "select has_function_privilege($1, $2::oid, 'EXECUTE')", role, function["oid"]
                )
                assert may == _may_call(matrix, function["name"], role), (function["name"], role)
        for role in LOGIN_ROLES:
            usage, create = await conn.fetchrow(
                "select has_schema_privilege($1, 'smartops_log', 'USAGE'), "
                "has_schema_privilege($1, 'smartops_log', 'CREATE')",
                role,
            )
            assert usage == ("USAGE" in matrix["schema"][_column(role)])
            assert not create


def _may_call(matrix: dict[str, dict[str, set[str]]], function: str, role: str) -> bool:
    if "incarnation" not in function:
        return bool(matrix["functions"][_column(role)])
    # The key is computed by the other two, as the owner.
    return role == "smartops_tool_gateway" and "incarnation_key" not in function


async def test_a_table_that_is_not_in_the_matrix_is_reached_through_functions_only(
    log_database: LogDatabase,
) -> None:
    matrix = documented()
    async with log_database.connection() as conn:
        held = await conn.fetch(
            "select c.relname, r.rolname, p.privilege from pg_class c "
            "cross join unnest($1::text[]) as r(rolname) "
            "cross join unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) "
            "as p(privilege) "
            "where c.relnamespace = 'smartops_log'::regnamespace and c.relkind in ('r', 'v', 'm') "
            "and has_table_privilege(r.rolname, c.oid, p.privilege)",
            LOGIN_ROLES,
        )
    assert {(name, privilege) for name, _, privilege in held} == {
        ("events", "SELECT"),
        ("blobs", "SELECT"),
        ("heads", "SELECT"),
    }
    assert all(privilege in matrix[name][_column(role)] for name, role, privilege in held)


def _column(role: str) -> str:
    return "services" if role in SERVICE_ROLES else role


async def test_the_categories_are_those_of_the_documented_table(
    log_database: LogDatabase,
) -> None:
    _, _, *rows = documented_table("role")
    async with log_database.connection() as conn:
        writers = await conn.fetch("select role, category from smartops_log.writers")
    assert {tuple(row) for row in writers} == {
        (role, category) for role, categories in rows for category in categories.split(", ")
    }


async def test_the_production_settings_are_known_to_the_server(log_database: LogDatabase) -> None:
    lines = (README.parent / "postgresql.conf").read_text().splitlines()
    names = {line.split("=")[0].strip() for line in lines if "=" in line and line[0] != "#"}
    assert len(names) >= 20
    async with log_database.connection() as conn:
        known = await conn.fetch("select name from pg_settings where name = any($1)", names)
    assert {row["name"] for row in known} == names


async def test_functions_run_as_the_owner_with_a_fixed_search_path(
    log_database: LogDatabase,
) -> None:
    async with log_database.connection() as conn:
        rows = await conn.fetch(
            "select p.proname, p.prosecdef, p.proconfig, r.rolname from pg_proc p "
            "join pg_roles r on r.oid = p.proowner "
            "where p.pronamespace = 'smartops_log'::regnamespace"
        )
    for row in rows:
        assert row["rolname"] == OWNER
        assert "search_path=pg_catalog, pg_temp" in row["proconfig"], row["proname"]
        assert row["prosecdef"] or row["proname"] == "refuse_change"


async def test_no_role_of_ours_can_pass_the_locks_of_the_server(log_database: LogDatabase) -> None:
    async with log_database.connection() as conn:
        rows = await conn.fetch(
            "select rolname, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication, "
            "rolcanlogin from pg_roles where rolname = any($1)",
            [OWNER, *LOGIN_ROLES],
        )
    assert len(rows) == 7
    for name, *powers, can_login in rows:
        assert not any(powers)
        assert can_login == (name != OWNER)


@pytest.mark.parametrize("role", SERVICE_ROLES)
async def test_services_can_change_nothing_that_is_written(
    log_database: LogDatabase, role: str
) -> None:
    async with log_database.connection(role) as conn:
        for statement in (
            *CHANGES,
            "insert into smartops_log.events select * from smartops_log.events",
            "insert into smartops_log.writers values (session_user, 'gate')",
            "select * from smartops_log.inbox",
            "alter table smartops_log.events disable trigger all",
            "set role smartops_owner",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await conn.execute(statement)


async def test_the_reader_has_nothing_in_the_log(log_database: LogDatabase) -> None:
    async with log_database.connection("smartops_reader") as conn:
        for statement in (
            "select * from smartops_log.events",
            "select smartops_log.outbox_backlog()",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await conn.execute(statement)


async def test_the_owner_and_even_a_superuser_are_stopped_by_the_trigger(
    log_database: LogDatabase,
) -> None:
    async with log_database.store() as store:
        made = unit("acme/task-1")
        await store.append(Unit(made.triggers, made.writes, blobs=[b"x"]))
    async with log_database.connection() as conn:
        for statement in CHANGES:
            with pytest.raises(asyncpg.PostgresError, match="append-only") as caught:
                await conn.execute(statement)
            assert caught.value.sqlstate == "SO000"
        await conn.execute("set session_replication_role = replica")
        with pytest.raises(asyncpg.PostgresError, match="append-only"):
            await conn.execute(CHANGES[1])
        await conn.execute("set session_replication_role = origin")
        grant = "{} update, delete, truncate on smartops_log.events {} smartops_owner"
        await conn.execute(grant.format("grant", "to"))
        await conn.execute("set role smartops_owner")
        for statement in CHANGES[:3]:
            with pytest.raises(asyncpg.PostgresError, match="append-only"):
                await conn.execute(statement)
        await conn.execute("reset role")
        await conn.execute(grant.format("revoke", "from"))


@pytest.mark.parametrize(
    ("role", "own", "foreign"),
    [
        ("smartops_planner", "task", "gate"),
        ("smartops_policy", "gate", "run"),
        ("smartops_runner", "run", "call"),
        ("smartops_tool_gateway", "call", "task"),
    ],
)
async def test_a_role_writes_its_own_categories_and_refused_commands_only(
    log_database: LogDatabase, role: str, own: str, foreign: str
) -> None:
    async with log_database.store(role) as store:
        assert isinstance(await store.append(unit(f"acme/{own}-1")), Committed)
        assert isinstance(await store.append(unit(f"acme/cmd-{uuid4()}")), Committed)
        with pytest.raises(CategoryForbidden, match=foreign):
            await store.append(unit(f"acme/{foreign}-1"))
        with pytest.raises(CategoryForbidden):
            await store.append(unit("acme/lib-1"))


async def test_the_role_is_who_logged_in_not_who_one_pretends_to_be(
    log_database: LogDatabase,
) -> None:
    batch = Batch([admit(unit("acme/gate-1"))])
    async with log_database.connection() as admin:
        await admin.execute("grant smartops_policy to smartops_planner")
        try:
            async with log_database.connection("smartops_planner") as conn:
                await conn.execute("set role smartops_policy")
                with pytest.raises(asyncpg.PostgresError) as caught:
                    await conn.fetch(APPEND, *batch.arguments())
        finally:
            await admin.execute("revoke smartops_policy from smartops_planner")
    assert caught.value.sqlstate == "SO001"


async def test_a_unit_belongs_to_one_tenant(log_database: LogDatabase) -> None:
    async with log_database.store() as store:
        both = Unit(
            [trigger()],
            [Write("acme/task-1", 0, [event()]), Write("umbrella/task-1", 0, [event()])],
        )
        with pytest.raises(TenantMismatch):
            await store.append(both)
        made = unit("acme/task-1")
        with pytest.raises(TenantMismatch):
            await store.append(Unit(made.triggers, made.writes, tenant="umbrella"))


async def test_the_database_refuses_a_tenant_that_is_not_the_streams(
    log_database: LogDatabase,
) -> None:
    arguments = list(Batch([admit(unit("acme/task-1"))]).arguments())
    assert arguments[0] == ["acme"]
    async with log_database.connection("smartops_planner") as conn:
        for claimed in (["umbrella"], ["acm"], ["acme/task-1"], [None]):
            arguments[0] = claimed
            with pytest.raises(asyncpg.PostgresError) as caught:
                await conn.fetch(APPEND, *arguments)
            assert caught.value.sqlstate == "SO002"


@pytest.mark.parametrize(
    "name",
    [
        "acme",
        "acme/",
        "acme/task",
        "/task-1",
        "Acme/task-1",
        "acme/Task-1",
        "acme/task- 1",
        "acme/task-",
        "acme/task-ü",
        "acme/1-1",
        "acme.x/task-1",
        "acme/task-" + "x" * 300,
    ],
)
async def test_malformed_stream_names_are_refused(log_database: LogDatabase, name: str) -> None:
    async with log_database.store() as store:
        with pytest.raises(InvalidUnit):
            await store.append(unit(name))


async def test_malformed_calls_are_refused(log_database: LogDatabase) -> None:
    """What a service that makes its own call could try: none of it may reach a foreign stream."""
    sound = list(Batch([admit(unit("acme/task-1", 0, 2))]).arguments())
    check_stream, check_version, check_events = 5, 6, 7
    lies: list[tuple[int, list[object]]] = [
        (check_events, [1]),
        (check_events, [3]),
        (check_events, [-1]),
        (check_stream, [2]),
        (check_stream, [0]),
        (check_stream, [None]),
        (check_version, [None]),
        (4, [2]),
        (8, [uuid4()]),
    ]
    async with log_database.connection("smartops_planner") as conn:
        for place, lie in lies:
            arguments = list(sound)
            arguments[place] = lie
            try:
                [answer] = await conn.fetch(APPEND, *arguments)
            except asyncpg.PostgresError:
                continue
            assert answer["o_status"] == [2], (place, lie)
        assert await conn.fetchval("select count(*) from smartops_log.events") == 0
        await conn.fetch(APPEND, *sound)
        assert await conn.fetchval("select count(*) from smartops_log.events") == 2


async def test_passwords_are_only_for_our_roles_and_leave_no_trace(
    log_database: LogDatabase,
) -> None:
    async with log_database.connection() as conn:
        with pytest.raises(ValueError, match="postgres"):
            await set_role_passwords(conn, {"postgres": "x"})
        with pytest.raises(ValueError, match="ASCII"):
            await set_role_passwords(conn, {"smartops_reader": "sägewerk"})
        await conn.execute("set log_statement = 'all'")
        await set_role_passwords(conn, {"smartops_reader": "bat'tery horse"})
        await set_role_passwords(conn, {"smartops_reader": "only-for-tests"})
    log = log_database.server.log_path.read_text()
    assert "SCRAM-SHA-256$" in log
    assert "tery horse" not in log
