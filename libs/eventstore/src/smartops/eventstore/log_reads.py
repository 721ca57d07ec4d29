"""Reads of the log by position, task, event id and tenant."""

import re
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg
from smartops.eventstore.reader import COLUMNS
from smartops.eventstore.rows import Head, StoredRow

__all__ = ["LogReads"]

_LOG = (
    f"select {COLUMNS} from smartops_log.events "  # noqa: S608 - made of constants.
    "where position > $1 order by position limit $2"
)
_LOG_BY_TOPIC = (
    f"select {COLUMNS} from smartops_log.events "  # noqa: S608
    "where position > $1 and topic = any($3) order by position limit $2"
)
FEW = 4
"""Topics that are written into the statement. A list of more is most of the log anyway."""
_TOPIC = re.compile(r"[a-z][a-z0-9_.]{0,99}")

_HISTORY = f"select {COLUMNS} from smartops_log.events where task = $1 order by position"  # noqa: S608
_EVENT = f"select {COLUMNS} from smartops_log.events where event_id = $1"  # noqa: S608
_NEWEST = (
    f"select {COLUMNS} from smartops_log.events "  # noqa: S608
    "where stream = $1 order by version desc limit $2"
)
_HEADS = "select tenant, position, count, hash from smartops_log.heads"
_HEAD = (
    "select tenant, position, ordinal, hash from smartops_log.events "
    "where tenant = $1 order by ordinal desc limit 1"
)


def _log_of(topics: Sequence[str]) -> str:
    """The same, with the topics as part of the statement.

    Our plans are made once, for any values. For any topics a walk through the log looks best, and
    for the rarest it reads all of it: half a minute at a million tasks, at each start of a service.
    Of topics that it can see the planner knows how rare they are.
    """
    named = ", ".join(f"'{topic}'" for topic in topics)
    return (
        f"select {COLUMNS} from smartops_log.events "  # noqa: S608 - made of harmless names.
        f"where position > $1 and topic in ({named}) order by position limit $2"
    )


class LogReads:
    """A part of `EventStore`. During an outage these calls wait."""

    @abstractmethod
    async def _call(self, sql: str, *arguments: Any) -> list[asyncpg.Record]:
        """Run a statement that may safely run twice."""

    async def read_log(
        self, after_position: int, limit: int = 1000, topics: Sequence[str] | None = None
    ) -> list[StoredRow]:
        """The log above a position, in order; of all tenants. Nothing can appear below later."""
        if topics is None:
            return await self._rows(_LOG, after_position, limit)
        if len(topics) <= FEW and all(map(_TOPIC.fullmatch, topics)):
            return await self._rows(_log_of(sorted(topics)), after_position, limit)
        return await self._rows(_LOG_BY_TOPIC, after_position, limit, list(topics))

    async def history(self, task: UUID) -> list[StoredRow]:
        """All events of a task, in order of position."""
        return await self._rows(_HISTORY, task)

    async def event(self, event_id: UUID) -> StoredRow | None:
        """One event."""
        rows = await self._rows(_EVENT, event_id)
        return rows[0] if rows else None

    async def newest(self, stream: str, limit: int) -> list[StoredRow]:
        """The last events of a stream, in order; fewer, or none, where there are no more."""
        return (await self._rows(_NEWEST, stream, limit))[::-1]

    async def head(self, tenant: str) -> Head | None:
        """The end of the tenant's chain; None before its first event."""
        rows = await self._call(_HEAD, tenant)
        return Head(*rows[0]) if rows else None

    async def heads(self) -> list[Head]:
        """The ends of all chains, by tenant."""
        return [Head(*row) for row in await self._call(_HEADS)]

    async def _rows(self, sql: str, *arguments: Any) -> list[StoredRow]:
        return [StoredRow._make(row) for row in await self._call(sql, *arguments)]
