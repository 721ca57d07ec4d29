"""Fixtures that hand out real servers: `pytest_plugins = ["support.servers"]` registers them."""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import asyncpg
import pytest
import pytest_asyncio
from smartops.devstack.servers import NatsServer, PostgresServer

if TYPE_CHECKING:
    from support.containers import ContainerNats, ContainerPostgres

__all__ = [
    "FreshDatabase",
    "Servers",
    "fresh_database",
    "nats_server",
    "postgres_server",
    "servers",
]


@dataclass(frozen=True)
class FreshDatabase:
    """An empty database of one test's own. Roles are shared by all databases of the server."""

    server: PostgresServer | ContainerPostgres
    name: str

    @property
    def dsn(self) -> str:
        """The superuser's URL of this database."""
        return self.server.dsn(database=self.name)

    def dsn_for(self, user: str, password: str) -> str:
        """A role's URL of this database."""
        return self.server.dsn(user, password, self.name)


@dataclass(frozen=True)
class Servers:
    """The servers of one test run; a test that harms one makes its own instead."""

    postgres: PostgresServer | ContainerPostgres
    nats: NatsServer | ContainerNats
    """With JetStream, without users."""


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def servers(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Servers]:
    """One PostgreSQL and one nats-server, of the backend that `SMARTOPS_TEST_BACKEND` names.

    `embedded`, the default: from wheels, as our processes. `testcontainers`: in containers, for
    machines with an engine where nothing else may listen.
    """
    backend = os.environ.get("SMARTOPS_TEST_BACKEND", "embedded")
    async with AsyncExitStack() as running:
        match backend:
            case "embedded":
                store, bus = tmp_path_factory.mktemp("postgres"), tmp_path_factory.mktemp("nats")
                yield Servers(
                    await running.enter_async_context(PostgresServer(store / "data")),
                    await running.enter_async_context(NatsServer(bus / "store")),
                )
            case "testcontainers":
                # Asks for the engine as soon as it is imported and used: only those who want it.
                from support.containers import nats_container, postgres_container  # noqa: PLC0415

                yield Servers(
                    await running.enter_async_context(postgres_container()),
                    await running.enter_async_context(nats_container()),
                )
            case _:
                pytest.exit(
                    f"SMARTOPS_TEST_BACKEND is {backend!r}; it may be embedded or testcontainers", 4
                )


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def postgres_server(servers: Servers) -> PostgresServer | ContainerPostgres:
    """The PostgreSQL of the test run."""
    return servers.postgres


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def nats_server(servers: Servers) -> NatsServer | ContainerNats:
    """The nats-server of the test run."""
    return servers.nats


@pytest_asyncio.fixture(loop_scope="session")
async def fresh_database(
    postgres_server: PostgresServer | ContainerPostgres,
) -> AsyncIterator[FreshDatabase]:
    """An empty database, dropped after the test together with whoever is still connected."""
    database = FreshDatabase(postgres_server, f"test_{secrets.token_hex(6)}")
    admin = await asyncpg.connect(postgres_server.dsn(database="postgres"))
    try:
        await admin.execute(f"create database {database.name}")
        yield database
        await admin.execute(f"drop database if exists {database.name} with (force)")
    finally:
        await admin.close()
