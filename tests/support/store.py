"""Builders for units, and a migrated database with one password for all roles."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import asyncpg
from smartops.devstack.servers import PostgresServer
from smartops.eventstore import EventStore, NewEvent, Trigger, Unit, Write

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["PASSWORD", "PLANNER", "LogDatabase", "event", "trigger", "unit"]

PASSWORD = "only-for-tests"
PLANNER = "smartops_planner"

_FILLED = (
    "events",
    "blobs",
    "inbox",
    "outbox",
    "timers",
    "handlers",
    "publications",
    "tracking",
    "snapshots",
)


@dataclass(frozen=True)
class LogDatabase:
    """A database with the store's schema, and ways into it."""

    server: PostgresServer
    name: str

    @property
    def dsn(self) -> str:
        """The superuser's."""
        return self.server.dsn(database=self.name)

    async def wipe(self) -> None:
        """Empty it, as only a superuser can: far faster than a new database per test."""
        async with self.connection() as conn:
            await conn.execute("set lock_timeout = '10s'")
            async with conn.transaction():
                for table in ("events", "blobs"):
                    await conn.execute(f"alter table smartops_log.{table} disable trigger all")
                # Not truncate: new files for six tables and their indexes cost more than the rows.
                for table in _FILLED:
                    await conn.execute(f"delete from smartops_log.{table}")
                for table in ("events", "blobs"):
                    await conn.execute(
                        f"alter table smartops_log.{table} "
                        f"enable always trigger {table}_append_only"
                    )

    @asynccontextmanager
    async def store(self, role: str = PLANNER) -> AsyncIterator[EventStore]:
        """A store connected as a role."""
        store = await EventStore.connect(self.dsn, role=role, password=PASSWORD)
        try:
            yield store
        finally:
            await store.close(timedelta(seconds=1))

    @asynccontextmanager
    async def connection(self, role: str | None = None) -> AsyncIterator[asyncpg.Connection]:
        """A bare connection: the superuser's, or a role's."""
        dsn = self.dsn if role is None else self.server.dsn(role, PASSWORD, self.name)
        conn = await asyncpg.connect(dsn)
        try:
            yield conn
        finally:
            await conn.close()


def event(
    topic: str = "task.planned.v1",
    *,
    state: bytes = b'{"data":1}',
    subject: str | None = None,
    party: str = "-",
    task: UUID | None = None,
    event_id: UUID | None = None,
) -> NewEvent:
    """An event of a random id."""
    return NewEvent(event_id or uuid4(), topic, task, None, party, state, subject)


def trigger(handler: str = "planner.intent", cause: UUID | None = None) -> Trigger:
    """A trigger of a random cause."""
    return Trigger(handler, cause or uuid4())


def unit(
    stream: str,
    expected: int = 0,
    events: int | Sequence[NewEvent] = 1,
    *,
    triggers: Sequence[Trigger] | None = None,
) -> Unit:
    """One write, triggered by something new unless told otherwise."""
    made = [event() for _ in range(events)] if isinstance(events, int) else events
    return Unit([trigger()] if triggers is None else triggers, [Write(stream, expected, made)])
