"""Fixtures that hand out real servers: `pytest_plugins = ["support.servers"]` registers them."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass

import asyncpg
import pytest
import pytest_asyncio
from smartops.devstack.servers import NatsServer, PostgresServer

__all__ = ["FreshDatabase", "fresh_database", "nats_server", "postgres_server"]


@dataclass(frozen=True)
class FreshDatabase:
    """An empty database of one test's own. Roles are shared by all databases of the server."""

    server: PostgresServer
    name: str

    @property
    def dsn(self) -> str:
        """The superuser's URL of this database."""
        return self.server.dsn(database=self.name)

    def dsn_for(self, user: str, password: str) -> str:
        """A role's URL of this database."""
        return self.server.dsn(user, password, self.name)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def postgres_server(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[PostgresServer]:
    """One PostgreSQL for the whole test run; a test that harms it makes its own instead."""
    async with PostgresServer(tmp_path_factory.mktemp("postgres") / "data") as server:
        yield server


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def nats_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[NatsServer]:
    """One nats-server with JetStream for the whole test run, without users."""
    async with NatsServer(tmp_path_factory.mktemp("nats") / "store") as server:
        yield server


@pytest_asyncio.fixture(loop_scope="session")
async def fresh_database(postgres_server: PostgresServer) -> AsyncIterator[FreshDatabase]:
    """An empty database, dropped after the test together with whoever is still connected."""
    database = FreshDatabase(postgres_server, f"test_{secrets.token_hex(6)}")
    admin = await asyncpg.connect(postgres_server.dsn(database="postgres"))
    try:
        await admin.execute(f"create database {database.name}")
        yield database
        await admin.execute(f"drop database if exists {database.name} with (force)")
    finally:
        await admin.close()
