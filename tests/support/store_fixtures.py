"""Fixtures that hand out empty logs: `pytest_plugins = ["support.store_fixtures"]`."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest_asyncio
from smartops.devstack.servers import PostgresServer
from smartops.eventstore import LOGIN_ROLES, EventStore, migrate, set_role_passwords
from support.store import PASSWORD, LogDatabase

__all__ = ["log_database", "migrated_database", "store"]

pytest_plugins = ["support.servers"]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def migrated_database(postgres_server: PostgresServer) -> LogDatabase:
    """One migrated database for all tests; its roles have one password."""
    database = LogDatabase(postgres_server, "log_of_tests")
    admin = await asyncpg.connect(postgres_server.dsn(database="postgres"))
    try:
        await admin.execute(f"create database {database.name}")
        await migrate(database.dsn)
        await set_role_passwords(admin, dict.fromkeys(LOGIN_ROLES, PASSWORD))
    finally:
        await admin.close()
    return database


@pytest_asyncio.fixture(loop_scope="session")
async def log_database(migrated_database: LogDatabase) -> LogDatabase:
    """An empty log."""
    await migrated_database.wipe()
    return migrated_database


@pytest_asyncio.fixture(loop_scope="session")
async def store(log_database: LogDatabase) -> AsyncIterator[EventStore]:
    """The planner's store on an empty log."""
    async with log_database.store() as store:
        yield store
