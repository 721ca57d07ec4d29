"""Agents: what became of their work, and what they may do by themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from smartops.contracts.streams import PLATFORM, stream
from smartops.sdk.reader.database import Database, Row, event_of

if TYPE_CHECKING:
    from smartops.sdk.event import Event

__all__ = ["Agents"]


class Agents(Database):
    """Track records and levels."""

    async def agents(self) -> list[str]:
        """The agents that anything is known of, by name."""
        rows = await self.rows(
            "select agent from smartops.v_track where tenant = $1"
            " union select agent from smartops.v_autonomy where tenant = $1 order by agent",
            self.tenant,
        )
        return [row["agent"] for row in rows]

    async def falls(self, task: UUID) -> list[Event]:
        """What agents may do no more, or more, because of a task; in order."""
        rows = await self.rows(
            "select e.state, e.position from smartops.v_autonomy a"
            " join smartops.v_events e on e.tenant = a.tenant and e.position = a.position"
            " where a.tenant = $1 and a.task = $2 order by e.position",
            self.tenant,
            task,
        )
        return [event_of(row) for row in rows]

    async def track(self, agent: str) -> list[Row]:
        """An agent's record, by version, environment and tool."""
        return await self.rows(
            "select * from smartops.v_track where tenant = $1 and agent = $2"
            " order by agent_version, environment, tool",
            self.tenant,
            agent,
        )

    async def levels(self, agent: str) -> tuple[list[Event], list[Event]]:
        """What was said of an agent's levels, and of those that no event names, in order."""
        sql = (
            "select state, position from smartops.v_events"
            " where tenant = $1 and stream = $2 order by version"
        )
        own = await self.rows(sql, self.tenant, stream(self.tenant, "autonomy", agent))
        default = stream(PLATFORM, "autonomy", "default")
        platform = await self._rows(PLATFORM, sql, PLATFORM, default)
        return [event_of(row) for row in own], [event_of(row) for row in platform]
