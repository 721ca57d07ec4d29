"""The log itself, the end of its chain, and what services hold back from it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING
from uuid import UUID

from smartops.contracts.ids import CommandKey
from smartops.contracts.streams import stream
from smartops.sdk.reader.database import Database, Row, event_of

if TYPE_CHECKING:
    from smartops.sdk.event import Event

__all__ = ["Log"]

_CHUNK = 1000
"""Events read at once."""


class Log(Database):
    """Events in their order; triggers that were parked; sealed answers."""

    async def events(
        self, task: UUID | None = None, *, after: int = 0, limit: int | None = None
    ) -> list[Event]:
        """Events in log order: a task's, or the tenant's.

        Args:
            task: None for all tasks.
            after: only those behind this position.
            limit: at most so many, the first ones.
        """
        if task is None:
            sql = (
                "select state, position from smartops.v_events where tenant = $1"
                " and position > $2 order by position limit $3"
            )
            rows = await self.rows(sql, self.tenant, after, limit)
        else:
            sql = (
                "select state, position from smartops.v_events where tenant = $1"
                " and task = $2 and position > $3 order by position limit $4"
            )
            rows = await self.rows(sql, self.tenant, task, after, limit)
        return [event_of(row) for row in rows]

    async def newest_events(self, limit: int) -> list[Event]:
        """The tenant's last events, in log order."""
        rows = await self.rows(
            "select state, position from smartops.v_events where tenant = $1"
            " order by position desc limit $2",
            self.tenant,
            limit,
        )
        return [event_of(row) for row in reversed(rows)]

    async def caused(self, key: CommandKey, task: UUID, where: str | None = None) -> list[Event]:
        """What followed from a command: effects on a task or in a stream, or its refusal."""
        rows = await self.rows(
            "select state, position from smartops.v_events"
            " where tenant = $1 and task = $2 and cause = $3"
            " union all select state, position from smartops.v_events"
            " where tenant = $1 and stream = $4"
            " union all select state, position from smartops.v_events"
            " where tenant = $1 and stream = $5 and cause = $3 order by position",
            self.tenant,
            task,
            key,
            stream(self.tenant, "cmd", key),
            where,
        )
        return list({event.id: event for event in map(event_of, rows)}.values())

    async def log(self, *, after: int = 0) -> AsyncIterator[Row]:
        """Every row of the tenant's log, in order, with what its chain is made of."""
        while True:
            rows = await self.rows(
                "select position, stream, version, event_id, topic, state, hash"
                " from smartops.v_events where tenant = $1 and position > $2"
                " order by position limit $3",
                self.tenant,
                after,
                _CHUNK,
            )
            for row in rows:
                yield row
            if len(rows) < _CHUNK:
                return
            after = rows[-1]["position"]

    async def head(self) -> Row | None:
        """The end of the tenant's chain as audit has it; None before the first event."""
        rows = await self.rows("select * from smartops.v_tenants where tenant = $1", self.tenant)
        return rows[0] if rows else None

    async def parked(
        self, *, service: str | None = None, reason: str | None = None, limit: int = 100
    ) -> list[Row]:
        """What no service could digest, the newest first; an event with its topic and stream.

        Args:
            service: only what this one parked.
            reason: only what was parked for a reason that contains this, in any case of letters.
            limit: at most so many.
        """
        return await self.rows(
            "select p.*, e.topic, e.stream from (select * from smartops.v_parked"
            " where ($1::text is null or service = $1)"
            " and ($2::text is null or strpos(lower(reason), lower($2)) > 0)"
            " order by recorded_at desc limit $3) p"
            " left join smartops.v_events e on e.event_id = p.cause"
            " order by p.recorded_at desc",
            service,
            reason,
            limit,
        )

    async def answer(self, command: UUID) -> bytes | None:
        """What the gateway left for who gave this command, sealed to them; for ten minutes."""
        [row] = await self.rows("select smartops_vault.answer_to($1) as sealed", command)
        sealed: bytes | None = row["sealed"]
        return sealed
