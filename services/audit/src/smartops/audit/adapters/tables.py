"""The read models' tables: rows loaded and stored, set-based, with the place in the log."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

import asyncpg
from smartops.audit.adapters.cleaning import clean
from smartops.audit.errors import PlaceLost
from smartops.audit.folding import BookKey, book_key
from smartops.audit.place import Place
from smartops.audit.read_models import ALL
from smartops.audit.read_models.approvals import APPROVALS
from smartops.audit.read_models.book import Book, Key
from smartops.audit.read_models.calls import CALLS
from smartops.audit.read_models.model import ReadModel
from smartops.audit.read_models.phases import PHASES
from smartops.audit.read_models.plans import PLANS
from smartops.audit.read_models.runs import RUNS
from smartops.audit.read_models.tasks import TASKS
from smartops.audit.read_models.unknown import UNKNOWN_TOPICS
from smartops.audit.reading import Reading
from smartops.contracts.events import (
    ToolCallCompleted,
    ToolCallDenied,
    ToolCallDispatched,
    ToolCallFailed,
    ToolCallRequested,
    ToolCallSettled,
    ToolCallUncertain,
)

__all__ = ["SCHEMA", "Change", "Connection", "Tables"]

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]
else:
    Connection = asyncpg.Connection  # Generic in the stubs only.

R = TypeVar("R", bound=tuple[Any, ...])

SCHEMA = "smartops"
"""Where the row types are, whichever schema's tables are written."""

Change = tuple[ReadModel[Any], Any]

_AFTER_REQUEST = frozenset(
    {
        ToolCallDenied,
        ToolCallDispatched,
        ToolCallCompleted,
        ToolCallFailed,
        ToolCallUncertain,
        ToolCallSettled,
    }
)


class Tables:
    """One set of tables, through one connection.

    Args:
        conn: as smartops_audit.
        schema: `smartops`, or `pg_temp` for tables to compare with.
    """

    def __init__(self, conn: Connection, schema: str = SCHEMA) -> None:
        self._conn = conn
        self._schema = schema
        self._generation = 1
        self._upserts = {model: _upsert(model, schema) for model in ALL}

    async def place(self) -> Place | None:
        """How far these tables have come; None when nothing was ever stored."""
        row = await self._conn.fetchrow(
            f"select generation, position, hash, projector from {self._schema}.progress"  # noqa: S608 - constant
        )
        if row is None:
            return None
        self._generation = row[0]
        return Place(*row[1:])

    async def begin(self, place: Place) -> None:
        """Note the first place, once."""
        await self._conn.execute(
            f"insert into {self._schema}.progress (position, hash, projector) "  # noqa: S608 - constant
            "values ($1, $2, $3) on conflict do nothing",
            *place,
        )

    async def all_rows(self, model: ReadModel[R]) -> list[R]:
        """Every row of a small table."""
        return [
            _row(model, record)
            for record in await self._conn.fetch(
                f"select {', '.join(model.columns)} from {self._schema}.{model.name}"  # noqa: S608 - constant
            )
        ]

    async def load(self, books: Sequence[Book]) -> None:
        """Fill empty books with the stored rows of their tasks."""
        by_task: dict[BookKey, Book] = {
            (book.tenant, book.task): book for book in books if book.task is not None
        }
        if by_task:
            await self._load_tasks(by_task)
        tenants = {book.tenant: book for book in books if book.task is None}
        if tenants:
            for row in await self._select(
                UNKNOWN_TOPICS, "unnest($1::text[]) as k(tenant)", ("tenant",), list(tenants)
            ):
                tenants[row.tenant].hold(UNKNOWN_TOPICS, row)

    async def load_calls(self, readings: Iterable[Reading], books: Mapping[BookKey, Book]) -> None:
        """Take calls in hand whose request came in an earlier batch."""
        requested: set[UUID] = set()
        wanted: dict[UUID, Book] = {}
        for row, event, _ in readings:
            # The exact type: asking a pydantic model's class takes longer than folding the event.
            if type(event) is ToolCallRequested:
                requested.add(event.call)
            elif type(event) in _AFTER_REQUEST:
                call: UUID = event.call  # type: ignore[union-attr]
                book = books[book_key(row)]
                if call not in requested and book.get(CALLS, call) is None:
                    wanted[call] = book
        if not wanted:
            return
        for found in await self._select(
            CALLS,
            "unnest($1::text[], $2::uuid[]) as k(tenant, call)",
            ("tenant", "call"),
            [book.tenant for book in wanted.values()],
            list(wanted),
        ):
            wanted[found.call].hold(CALLS, found)

    async def store(self, changes: Iterable[Change], expected: Place, place: Place) -> None:
        """Store rows and place together, or nothing.

        Raises:
            PlaceLost: the tables no longer stand at `expected`, or are others by now.
        """
        # One row per key: a service that says another task than the one it speaks of puts a call
        # or run into two books, and the upsert would refuse both, for ever.
        by_key: dict[ReadModel[Any], dict[Key, Any]] = {}
        for model, row in changes:
            by_key.setdefault(model, {})[model.key_of(row)] = row
        rows = {model: list(changed.values()) for model, changed in by_key.items()}
        try:
            await self._write(rows, expected, place)
        except (asyncpg.DataError, ValueError):
            # Values that JSON can hold and the database cannot. Rare, so nothing is checked ahead.
            cleaned = {model: [clean(model, row) for row in rows[model]] for model in rows}
            await self._write(cleaned, expected, place)

    async def _write(
        self, rows: Mapping[ReadModel[Any], list[Any]], expected: Place, place: Place
    ) -> None:
        async with self._conn.transaction():
            moved = await self._conn.fetchval(
                f"update {self._schema}.progress set position = $2, hash = $3, projector = $4 "  # noqa: S608 - constant
                "where position = $1 and generation = $5 returning true",
                expected.position,
                *place,
                self._generation,
            )
            if not moved:
                raise PlaceLost(expected.position)
            for model, changed in rows.items():
                await self._conn.execute(self._upserts[model], changed)

    async def _load_tasks(self, books: Mapping[BookKey, Book]) -> None:
        keys = ([tenant for tenant, _ in books], [task for _, task in books])
        by_task = "unnest($1::text[], $2::uuid[]) as k(tenant, task)"
        runs: dict[UUID, Book] = {}
        for task in await self._select(TASKS, by_task, ("tenant", "task"), *keys):
            book = books[(task.tenant, task.task)]
            book.floor = task.last_position
            book.hold(TASKS, task)
        for plan in await self._select(PLANS, by_task, ("tenant", "task"), *keys):
            books[(plan.tenant, plan.task)].hold(PLANS, plan)
        for approval in await self._select(APPROVALS, by_task, ("tenant", "task"), *keys):
            books[(approval.tenant, approval.task)].hold(APPROVALS, approval)
        for run in await self._select(RUNS, by_task, ("tenant", "task"), *keys):
            book = runs[run.run] = books[(run.tenant, run.task)]
            book.hold(RUNS, run)
        if runs:
            for phase in await self._select(
                PHASES,
                "unnest($1::text[], $2::uuid[]) as k(tenant, run)",
                ("tenant", "run"),
                [book.tenant for book in runs.values()],
                list(runs),
            ):
                runs[phase.run].hold(PHASES, phase)

    async def _select(
        self, model: ReadModel[R], keys: str, columns: tuple[str, ...], *arguments: Sequence[Any]
    ) -> list[R]:
        return [
            _row(model, record)
            for record in await self._conn.fetch(
                f"select {', '.join('x.' + column for column in model.columns)} "  # noqa: S608 - constants
                f"from {keys} join {self._schema}.{model.name} x using ({', '.join(columns)}) "
                f"order by {', '.join('x.' + column for column in model.key)}",
                *arguments,
            )
        ]


def _row(model: ReadModel[R], record: asyncpg.Record) -> R:
    return model.row(*record)


def _upsert(model: ReadModel[Any], schema: str) -> str:
    """Whole rows, as an array of the table's own row type: one parameter, one plan."""
    columns = ", ".join(model.columns)
    rest = [column for column in model.columns if column not in model.key]
    return (
        f"insert into {schema}.{model.name} ({columns}) "  # noqa: S608 - constants
        f"select {', '.join('r.' + column for column in model.columns)} "
        f"from unnest($1::{SCHEMA}.{model.name}[]) as r "
        f"on conflict ({', '.join(model.key)}) do update set "
        + ", ".join(f"{column} = excluded.{column}" for column in rest)
    )
