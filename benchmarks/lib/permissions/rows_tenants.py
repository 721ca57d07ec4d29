"""Reading without a tenant, and changing it midway: one query shows one tenant, or nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from benchmarks.lib.permissions.cells import ALLOWED, DENIED, Cell
from benchmarks.lib.permissions.database import Database
from benchmarks.lib.permissions.db_table import READER
from benchmarks.lib.permissions.rows_routes import WAYS, seen_by

__all__ = ["across", "cell", "reader", "without_a_tenant"]

_NOBODY = (
    *("nobody", "*", "%", "acm_", "acm%", "acme,globex", "acme ", " acme", "ACME", "acme'--"),
    *("acme' or '1'='1", "{acme,globex}", "acme\x0b", "null", "smartops", "_platform2", "a" * 9000),
)
"""Names that are no tenant's."""


def cell(what: str, expected: str, seen: str, *, may_fail: bool = False) -> Cell:
    """Seeing all of one's own rows, and no others."""
    if seen == expected:
        return Cell(READER, what, ALLOWED, ALLOWED)
    if may_fail and seen.startswith("refused"):
        return Cell(READER, what, DENIED, DENIED)
    return Cell(READER, what, ALLOWED, f"saw {seen or 'nothing'}", f"expected {expected}")


def empty(what: str, seen: str) -> Cell:
    """Seeing nothing, whether or not that is an error."""
    measured = DENIED if not seen or seen.startswith("refused") else f"saw {seen}"
    return Cell(READER, what, DENIED, measured, "Who has not said whose rows sees none.")


@asynccontextmanager
async def reader(database: Database, tenant: str | None) -> AsyncIterator[asyncpg.Connection]:
    """A session that has named its tenant, or has not."""
    async with database.session(READER) as session:
        if tenant is not None:
            await session.execute("select set_config('smartops.tenant', $1, false)", tenant)
        yield session


async def without_a_tenant(database: Database, name: str) -> list[Cell]:
    """Every way to have none: unset, empty, forgotten, or nobody's."""
    cells = []
    for way in WAYS:
        async with reader(database, None) as session:
            cells.append(empty(f"read {name} {way.name}, unset", await seen_by(session, name, way)))
    plain = WAYS[0]
    async with reader(database, "") as session:
        cells.append(empty(f"read {name}, empty", await seen_by(session, name, plain)))
        for forget in ("reset smartops.tenant", "reset all", "discard all"):
            await session.execute("set smartops.tenant = 'acme'")
            await session.execute(forget)
            cells.append(empty(f"read {name} after {forget}", await seen_by(session, name, plain)))
        for end in ("commit", "rollback"):
            await session.execute(f"begin; set local smartops.tenant = 'acme'; {end}")
            cells.append(
                empty(f"read {name} after set local; {end}", await seen_by(session, name, plain))
            )
        await session.execute("select set_config('smartops.tenant', null, false)")
        cells.append(empty(f"read {name}, null", await seen_by(session, name, plain)))
        for tenant in _NOBODY:
            await session.execute("select set_config('smartops.tenant', $1, false)", tenant)
            cells.append(
                empty(f"read {name} as {tenant[:20]!r}", await seen_by(session, name, plain))
            )
    return cells


async def across(database: Database, name: str, counts: dict[tuple[str, str], int]) -> list[Cell]:
    """Whatever was begun for one tenant shows one tenant's rows: that of when it is read."""

    def whole(tenant: str) -> str:
        return ", ".join([tenant] * counts[name, tenant])

    cells = []
    async with reader(database, "acme") as session:
        for mode in ("force_generic_plan", "force_custom_plan"):
            await session.execute(f"set plan_cache_mode = {mode}")
            statement = await session.prepare(f"select tenant from {name} /* {mode} */")
            for tenant in ("acme", "globex", "acme", "globex"):
                await session.execute("select set_config('smartops.tenant', $1, false)", tenant)
                seen = ", ".join(row[0] for row in await statement.fetch())
                cells.append(
                    cell(f"execute a prepared read of {name} as {tenant}", whole(tenant), seen)
                )
            await session.execute("reset smartops.tenant")
            try:
                seen = ", ".join(row[0] for row in await statement.fetch())
            except asyncpg.PostgresError:
                seen = ""
            cells.append(empty(f"execute a prepared read of {name}, unset again", seen))
        await session.execute("set smartops.tenant = 'acme'; begin; savepoint a")
        await session.execute("set local smartops.tenant = 'globex'; rollback to a")
        seen = await seen_by(session, name, WAYS[0])
        cells.append(cell(f"read {name} after a rolled back change", whole("acme"), seen))
        await session.execute(f"declare c cursor for select tenant from {name}")
        first = [row[0] for row in await session.fetch("fetch 1 from c")]
        await session.execute("set local smartops.tenant = 'globex'")
        rest = [row[0] for row in await session.fetch("fetch all from c")]
        seen = ", ".join(first + rest)
        cells.append(cell(f"fetch on from {name} after a change", whole("acme"), seen))
        joined = await session.fetch(
            f"select distinct l.tenant from {name} l, lateral "
            f"(select set_config('smartops.tenant', 'acme', true)) s, {name} r"
        )
        seen = ", ".join(row[0] for row in joined)
        one = seen in {"acme", "globex"}
        cells.append(
            Cell(
                READER,
                f"change the tenant within a read of {name}",
                DENIED,
                DENIED if one else f"saw {seen}",
                "One query, one tenant.",
            )
        )
        await session.execute("rollback")
    return cells
