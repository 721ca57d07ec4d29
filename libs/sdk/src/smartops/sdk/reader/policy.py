"""What policy decided, and by which rules."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING
from uuid import UUID

from smartops.contracts.ids import CommandKey
from smartops.contracts.streams import PLATFORM, stream
from smartops.sdk.reader.database import Database, Row, event_of

if TYPE_CHECKING:
    from datetime import datetime

    from smartops.sdk.event import Event

__all__ = ["Policy"]

_DECISIONS = 250
"""Decisions read at once, each with its input: a few kilobytes, of a large plan a megabyte."""


class Policy(Database):
    """Recorded decisions, and bundles of rules."""

    async def decisions(
        self,
        *,
        since: datetime | None = None,
        entrypoint: str | None = None,
        limit: int = _DECISIONS,
    ) -> AsyncIterator[list[Row]]:
        """What policy decided, with what it was asked, a page at a time, in log order."""
        after, ordinal = 0, 0
        while True:
            page = await self.rows(
                "select * from smartops.v_decisions where tenant = $1"
                " and position >= $2 and (position, ordinal) > ($2, $3)"
                " and ($4::timestamptz is null or recorded_at >= $4)"
                " and ($5::text is null or entrypoint = $5)"
                " order by position, ordinal limit $6",
                self.tenant,
                after,
                ordinal,
                since,
                entrypoint,
                limit,
            )
            if page:
                yield page
            if len(page) < limit:
                return
            after, ordinal = page[-1]["position"], page[-1]["ordinal"]

    async def decisions_about(self, *, task: UUID, call: UUID | None = None) -> list[Row]:
        """What policy decided about a task, or about one of its calls, in log order."""
        return await self.rows(
            "select * from smartops.v_decisions where tenant = $1 and task = $2"
            " and ($3::uuid is null or call = $3) order by position, ordinal",
            self.tenant,
            task,
            call,
        )

    async def bundles(self) -> list[Row]:
        """The platform's policy bundles, the newest word first. They are for all tenants."""
        sql = (
            "select * from smartops.v_bundles"
            " order by active desc, activated_at desc nulls last, first_position desc"
        )
        return await self._rows(PLATFORM, sql)

    async def shadow(self, digest: str) -> list[Row]:
        """What a bundle without authority would have decided otherwise, the newest first."""
        return await self.rows(
            "select * from smartops.v_shadow where tenant = $1 and digest = $2"
            " order by position desc",
            self.tenant,
            digest,
        )

    async def bundle_change(self, key: CommandKey) -> Event | None:
        """What followed from a command about bundles: the change, or its refusal; if it has."""
        sql = (
            "select state, position from smartops.v_events"
            " where stream = $1 and cause = $2 order by position limit 1"
        )
        rows = await self._rows(PLATFORM, sql, f"{PLATFORM}/bundle-default", key)
        rows = rows or await self.rows(
            "select state, position from smartops.v_events where stream = $1 order by position",
            stream(self.tenant, "cmd", key),
        )
        return event_of(rows[0]) if rows else None
