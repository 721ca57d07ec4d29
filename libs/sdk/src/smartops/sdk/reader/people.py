"""People: who they are, what they are asked, and whose word was given beforehand."""

from __future__ import annotations

from uuid import UUID

from smartops.sdk.reader.database import Database, Row

__all__ = ["People"]


class People(Database):
    """Decisions asked of people, and their mandates."""

    async def approvals(
        self, *, task: UUID | None = None, status: str | None = "pending", limit: int = 50
    ) -> list[Row]:
        """Decisions asked of people, the newest first."""
        return await self.rows(
            "select * from smartops.v_approvals where tenant = $1"
            " and ($2::uuid is null or task = $2) and ($3::text is null or status = $3)"
            " order by requested_at desc nulls last, number desc limit $4",
            self.tenant,
            task,
            status,
            limit,
        )

    async def actors(self) -> list[Row]:
        """Who is who, by name."""
        return await self.rows(
            "select * from smartops.v_actors where tenant = $1 order by name", self.tenant
        )

    async def delegations(self, *, everything: bool = False, limit: int = 100) -> list[Row]:
        """Voices that were handed over, the newest first; by default those that count now."""
        return await self.rows(
            "select * from smartops.v_delegations where tenant = $1"
            " and ($2 or (ended_at is null and until > now()))"
            " order by given_at desc, delegation limit $3",
            self.tenant,
            everything,
            limit,
        )

    async def standings(self, *, everything: bool = False, limit: int = 100) -> list[Row]:
        """Plans that were agreed to beforehand, the newest first; by default what counts now."""
        return await self.rows(
            "select * from smartops.v_standings where tenant = $1"
            " and ($2 or (ended_at is null and until > now() and uses < max_uses))"
            " order by given_at desc, standing limit $3",
            self.tenant,
            everything,
            limit,
        )
