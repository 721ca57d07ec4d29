"""A log with its read models, and ways to fill and read both."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import asyncpg
from smartops.audit.adapters.connecting import connect
from smartops.audit.adapters.log import read_after
from smartops.audit.adapters.tables import Connection, Tables
from smartops.audit.projector import Projector
from support.audit_histories import SERVICES, Story, populate
from support.store import PASSWORD, LogDatabase

__all__ = ["AuditDatabase"]


class AuditDatabase(LogDatabase):
    """A log with its read models, and ways to fill and read both."""

    @property
    def audit_dsn(self) -> str:
        """As smartops_audit."""
        return self.server.dsn("smartops_audit", PASSWORD, self.name)

    async def tell(self, stories: Sequence[Story]) -> None:
        """Append stories, each service in its own role."""
        async with AsyncExitStack() as stack:
            stores = {
                service: await stack.enter_async_context(self.store(f"smartops_{service}"))
                for service in SERVICES
            }
            await populate(stores, stories)

    @asynccontextmanager
    async def audit(self) -> AsyncIterator[Connection]:
        """A session as audit works in it."""
        conn = await connect(self.audit_dsn)
        try:
            yield conn
        finally:
            await conn.close()

    @asynccontextmanager
    async def reader(self, tenant: str | None) -> AsyncIterator[asyncpg.Connection]:
        """A session as smartops_reader that looks at one tenant, or has not said at which."""
        async with self.connection("smartops_reader") as conn:
            if tenant is not None:
                await conn.execute("select set_config('smartops.tenant', $1, false)", tenant)
            yield conn

    @asynccontextmanager
    async def breaking_in(self) -> AsyncIterator[asyncpg.Connection]:
        """The superuser, having switched the log's guards off."""
        async with self.connection() as conn:
            for table in ("events", "blobs"):
                await conn.execute(f"alter table smartops_log.{table} disable trigger all")
            yield conn

    async def project(self, batch: int = 2000) -> int:
        """Project all there is; returns the position."""
        async with self.audit() as conn:
            projector = await Projector.open(Tables(conn))
            while rows := await read_after(conn, projector.place, batch):
                await projector.project(rows)
            return projector.place.position
