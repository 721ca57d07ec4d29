"""A log of its own for a benchmark: one PostgreSQL, durable as ever, without services around it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import asyncpg
from smartops.audit.adapters.tables import Connection
from smartops.audit.schema import READ_MODELS
from smartops.contracts.catalogue import GATEWAY, PLANNER, POLICY, RUNNER
from smartops.devstack.servers import DATABASE, PostgresServer
from smartops.eventstore import (
    EVENTSTORE,
    LOGIN_ROLES,
    EventStore,
    migrate,
    set_role_passwords,
)

__all__ = ["HEAD", "ScratchLog", "scratch_log"]

WRITERS = (PLANNER, POLICY, RUNNER, GATEWAY)
HEAD = "select coalesce(max(position), 0) from smartops_log.events"
_PASSWORD = "only-for-the-benchmark"


@dataclass(frozen=True, slots=True)
class ScratchLog:
    """The server, and a superuser's connection to it."""

    server: PostgresServer
    admin: Connection

    def dsn(self, service: str, database: str = DATABASE) -> str:
        """The database as a service's role sees it."""
        return self.server.dsn(f"smartops_{service}", _PASSWORD, database)

    async def head(self) -> int:
        """The last position; 0 when the log is empty."""
        found: int = await self.admin.fetchval(HEAD)
        return found

    @asynccontextmanager
    async def stores(
        self, services: Sequence[str] = WRITERS, database: str = DATABASE
    ) -> AsyncIterator[Mapping[str, EventStore]]:
        """An event store for each of these services, by name."""
        async with AsyncExitStack() as leaving:
            stores = {}
            for name in services:
                store = await EventStore.connect(self.dsn(name, database))
                leaving.push_async_callback(store.close, timedelta(seconds=1))
                stores[name] = store
            yield stores


@asynccontextmanager
async def scratch_log(
    home: Path, settings: Mapping[str, str] | None = None
) -> AsyncIterator[ScratchLog]:
    """A log with its read models below this directory: a fresh one, or the one that is there.

    Args:
        home: must be on a real disk.
        settings: of the server, over those of the embedded stack.
    """
    async with PostgresServer(home / "postgres", settings=settings) as server:
        admin = await asyncpg.connect(server.dsn())
        try:
            if await admin.fetchval("select to_regclass('smartops_log.events')") is None:
                await migrate(admin, [EVENTSTORE, READ_MODELS])
            # Again each time: a stack that used the same log has given them others.
            await set_role_passwords(admin, dict.fromkeys(LOGIN_ROLES, _PASSWORD))
            yield ScratchLog(server, admin)
        finally:
            await admin.close()
