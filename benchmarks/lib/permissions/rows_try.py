"""Trying every way by which a reader gets at rows: it sees one tenant, or nothing.

Each view, and each table that the reader may select from, is read by each route: plainly, prepared
for one tenant and executed for another, through a cursor, a function of PostgreSQL that runs a
query given as text, a copy, a parallel plan, with each setting that might switch the guard off.
"""

from __future__ import annotations

import random
from collections.abc import Collection

import asyncpg

from benchmarks.lib.permissions.cells import ALLOWED, DENIED, Cell
from benchmarks.lib.permissions.database import Database
from benchmarks.lib.permissions.db_table import READER
from benchmarks.lib.permissions.rows import COUNTS
from benchmarks.lib.permissions.rows_routes import IMPOSSIBLE, WAYS, seen_by
from benchmarks.lib.permissions.rows_tenants import across, cell, reader, without_a_tenant

__all__ = ["try_rows"]

_LEAK = (
    "create or replace function public.tell(text) returns boolean language plpgsql "
    "cost 0.0000001 as $$ begin raise notice 'told %', $1; return true; end $$"
)
"""A cheap function that tells what it is given: the planner likes to try it first."""


_OF_THE_PLATFORM = {"smartops.v_bundles"}
"""No tenant has rows there, so none may see one."""


async def try_rows(
    database: Database, seed: int, relations: int | None = None, *, only: Collection[str] = ()
) -> list[Cell]:
    """All routes, for all tenants; rows must have been filled in.

    Args:
        database: whose.
        seed: chooses relations.
        relations: how many; None: all.
        only: these; empty: no matter which.
    """
    async with database.session() as superuser:
        await superuser.execute(_LEAK)
        await superuser.execute("analyze")
        names = [name for name in await _readable(superuser) if not only or name in only]
        if relations is not None:
            names = random.Random(seed).sample(names, relations)
        counts = {
            (name, tenant): await _count(superuser, name, tenant)
            for name in names
            for tenant in COUNTS
        }
    cells = [
        Cell("the table", f"have rows of {tenant} in {name}", ALLOWED, ALLOWED if found else DENIED)
        for (name, tenant), found in counts.items()
        if name not in _OF_THE_PLATFORM
    ]
    for name in names:
        for tenant in COUNTS:
            for way in WAYS:
                async with reader(database, tenant) as session:
                    seen = await seen_by(session, name, way)
                if seen == IMPOSSIBLE:
                    continue
                expected = ", ".join([tenant] * counts[name, tenant])
                what = f"read {name} {way.name} as {tenant}"
                cells.append(cell(what, expected, seen, may_fail=way.may_fail))
        cells += await without_a_tenant(database, name)
        if name not in _OF_THE_PLATFORM:
            cells += await across(database, name, counts)
    async with reader(database, "acme") as session:
        cells += await _documents(session)
        cells += await _statistics(session)
    return cells


async def _readable(superuser: asyncpg.Connection) -> list[str]:
    rows = await superuser.fetch(
        "select oid::regclass::text as name from pg_class where relkind in ('r', 'p', 'v', 'm') "
        "and relnamespace in (select oid from pg_namespace where nspname !~ '^pg_' "
        "    and nspname <> 'information_schema') "
        "and has_schema_privilege($1, relnamespace, 'usage') "
        "and has_any_column_privilege($1, oid, 'select') order by 1",
        READER,
    )
    return [row["name"] for row in rows]


async def _count(superuser: asyncpg.Connection, name: str, tenant: str) -> int:
    """How many there are, by the superuser, whom row level security does not bind."""
    await superuser.execute("select set_config('smartops.tenant', $1, false)", tenant)
    return int(await superuser.fetchval(f"select count(*) from {name} where tenant = $1", tenant))


async def _documents(session: asyncpg.Connection) -> list[Cell]:
    """A plan that names another tenant's bytes: its row is shown, the bytes are not."""
    rows = await session.fetch("select document, assessment from smartops.v_plans")
    seen = [bytes(value) for row in rows for value in row.values() if value is not None]
    foreign = [value for value in seen if b"of acme" not in value]
    return [
        Cell(READER, "read one's own documents", ALLOWED, ALLOWED if seen else DENIED),
        Cell(
            READER,
            "read a foreign document that one's own plan names",
            DENIED,
            ALLOWED if foreign else DENIED,
            "Bytes belong to a tenant, not to a digest.",
        ),
    ]


async def _statistics(session: asyncpg.Connection) -> list[Cell]:
    """PostgreSQL keeps samples of values for its planner."""
    rows = await session.fetch("select tablename from pg_stats where schemaname ~ '^smartops'")
    return [
        Cell(
            READER,
            "read samples of values in pg_stats",
            DENIED,
            ALLOWED if rows else DENIED,
            "They hold values of all tenants.",
        )
    ]
