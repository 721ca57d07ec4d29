"""Tool calls, and the tools that are called."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from smartops.contracts.streams import PLATFORM, stream
from smartops.sdk.errors import NotFound
from smartops.sdk.reader.database import Database, Row, event_of
from smartops.sdk.reader.finding import find

if TYPE_CHECKING:
    from smartops.sdk.event import Event

__all__ = ["Calls"]


class Calls(Database):
    """Calls, and the registered tools."""

    async def calls(self, task: UUID, *, limit: int = 1000) -> list[Row]:
        """A task's tool calls, in the order in which they were asked for."""
        return await self.rows(
            "select * from smartops.v_tool_calls where tenant = $1 and task = $2"
            " order by requested_at, call limit $3",
            self.tenant,
            task,
            limit,
        )

    async def find_call(self, text: str) -> UUID:
        """The call that an id, or the beginning of one, names.

        Raises:
            NotFound: none does, or the beginning is too short.
            Ambiguous: several do.
        """
        return await find(
            self,
            text,
            "select call from smartops.v_tool_calls"
            " where tenant = $1 and call >= $2 and call <= $3 order by call limit 5",
            noun="call",
            listed_by="smartops call list",
        )

    async def call(self, call: UUID) -> Row:
        """One tool call.

        Raises:
            NotFound: it is not there, or not decided yet.
        """
        rows = await self.rows(
            "select * from smartops.v_tool_calls where tenant = $1 and call = $2", self.tenant, call
        )
        if not rows:
            raise NotFound(f"there is no call {call}. `smartops call list` lists the newest.")
        return rows[0]

    async def newest_calls(self, *, status: str | None = None, limit: int = 20) -> list[Row]:
        """The tenant's calls, those asked for last first; each with its task's status."""
        return await self.rows(
            "select c.*, t.status as task_status from smartops.v_tool_calls c"
            " left join smartops.v_tasks t on t.tenant = c.tenant and t.task = c.task"
            " where c.tenant = $1 and ($2::text is null or c.status = $2)"
            " order by c.requested_at desc nulls last, c.call limit $3",
            self.tenant,
            status,
            limit,
        )

    async def call_events(self, call: UUID) -> list[Event]:
        """What was decided of a call, in order."""
        rows = await self.rows(
            "select state, position from smartops.v_events"
            " where tenant = $1 and stream = $2 order by version",
            self.tenant,
            stream(self.tenant, "call", call),
        )
        return [event_of(row) for row in rows]

    async def tools(self) -> list[Row]:
        """The registered tools as they are now, by name. They are the platform's, for all."""
        sql = "select * from smartops.v_tools where current order by name"
        return await self._rows(PLATFORM, sql)

    async def tool(self, name: str) -> list[Row]:
        """Every form that a tool was ever registered in, the newest first; none if it never was."""
        sql = "select * from smartops.v_tools where name = $1 order by position desc"
        return await self._rows(PLATFORM, sql, name)
