"""Every way by which a reader could get at the rows of a relation."""

from __future__ import annotations

import io
from collections.abc import Awaitable, Callable, Iterable
from typing import NamedTuple

import asyncpg

from benchmarks.lib.permissions.rows import COUNTS

__all__ = ["IMPOSSIBLE", "WAYS", "Way", "seen_by"]

IMPOSSIBLE = "refused: PostgreSQL cannot do that"
"""A view cannot be copied, and not every build knows XML: no cell."""

Route = Callable[[asyncpg.Connection, str], Awaitable[Iterable[str]]]
"""Reads a relation; returns the tenants seen, one per row."""


class Way(NamedTuple):
    """A route, by its name."""

    name: str
    route: Route
    may_fail: bool = False
    """PostgreSQL may refuse it instead of showing less."""


async def seen_by(session: asyncpg.Connection, name: str, way: Way) -> str:
    """The tenants of the rows read, or that it was refused."""
    try:
        return ", ".join(sorted(await way.route(session, name)))
    except (asyncpg.FeatureNotSupportedError, asyncpg.WrongObjectTypeError):
        return IMPOSSIBLE
    except asyncpg.PostgresError as error:
        return f"refused: {error.sqlstate}"


async def _plainly(session: asyncpg.Connection, name: str) -> Iterable[str]:
    return [row[0] for row in await session.fetch(f"select tenant from {name}")]


async def _as_a_row(session: asyncpg.Connection, name: str) -> Iterable[str]:
    return [row["tenant"] for row in await session.fetch(f"table {name}")]


async def _asking_for_all(session: asyncpg.Connection, name: str) -> Iterable[str]:
    sql = f"select tenant from {name} where tenant is not null or tenant = any($1)"
    return [row[0] for row in await session.fetch(sql, list(COUNTS))]


async def _with_a_telltale(session: asyncpg.Connection, name: str) -> Iterable[str]:
    """What a condition is tried on counts as seen."""
    told: list[str] = []

    def hear(_: object, message: asyncpg.PostgresLogMessage) -> None:
        told.append(str(message).rpartition("told ")[2])

    session.add_log_listener(hear)
    await session.fetch(f"select tenant from {name} where public.tell(tenant)")
    session.remove_log_listener(hear)
    return told


async def _by_an_error(session: asyncpg.Connection, name: str) -> Iterable[str]:
    """A condition that fails on another tenant's row would tell that there is one."""
    try:
        rows = await session.fetch(
            f"select tenant from {name} where case tenant when current_setting('smartops.tenant') "
            "then 1 else 1 / (length(tenant) - length(tenant)) end = 1"
        )
    except asyncpg.DivisionByZeroError:
        return ["somebody else"]
    return [row[0] for row in rows]


async def _through_a_cursor(session: asyncpg.Connection, name: str) -> Iterable[str]:
    async with session.transaction():
        return [row[0] async for row in session.cursor(f"select tenant from {name}")]


async def _as_xml(session: asyncpg.Connection, name: str) -> Iterable[str]:
    """A function of PostgreSQL that runs what it is given."""
    rows = await session.fetch(
        "select unnest(xpath('//tenant/text()', query_to_xml($1, false, false, '')))::text",
        f"select tenant from {name}",
    )
    return [row[0] for row in rows]


async def _by_text_search(session: asyncpg.Connection, name: str) -> Iterable[str]:
    rows = await session.fetch(
        "select word, nentry from ts_stat($1)",
        f"select array_to_tsvector(array[tenant]) from {name}",
    )
    return [row["word"] for row in rows for _ in range(row["nentry"])]


async def _by_copy(session: asyncpg.Connection, name: str) -> Iterable[str]:
    text = io.BytesIO()
    await session.copy_from_query(f"select tenant from {name}", output=text)
    return text.getvalue().decode().split()


async def _by_copy_of_the_table(session: asyncpg.Connection, name: str) -> Iterable[str]:
    schema, _, table = name.partition(".")
    text = io.BytesIO()
    await session.copy_from_table(table, schema_name=schema, columns=["tenant"], output=text)
    return text.getvalue().decode().split()


def _with_settings(*settings: str) -> Route:
    async def route(session: asyncpg.Connection, name: str) -> Iterable[str]:
        for setting in settings:
            await session.execute(f"set {setting}")
        return await _with_a_telltale(session, name)

    return route


WAYS = (
    Way("plainly", _plainly),
    Way("as a table", _as_a_row),
    Way("asking for all", _asking_for_all),
    Way("with a telltale condition", _with_a_telltale),
    Way("with a condition that fails", _by_an_error),
    Way("through a cursor", _through_a_cursor),
    Way("as XML", _as_xml),
    Way("by text search statistics", _by_text_search),
    Way("by copying a query", _by_copy),
    Way("by copying it", _by_copy_of_the_table),
    Way("with row security off", _with_settings("row_security = off"), may_fail=True),
    Way("in parallel", _with_settings("debug_parallel_query = on", "parallel_setup_cost = 0")),
    Way("with generic plans", _with_settings("plan_cache_mode = force_generic_plan")),
    Way("without indexes", _with_settings("enable_indexscan = off", "enable_bitmapscan = off")),
    Way("without sequential scans", _with_settings("enable_seqscan = off")),
    Way("with another search path", _with_settings("search_path = public, smartops")),
)
