"""Databases with log and read models: `pytest_plugins = ["support.audit_fixtures"]`."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator

import asyncpg
import pytest_asyncio
from smartops.audit.schema import READ_MODELS
from smartops.devstack.servers import PostgresServer
from smartops.eventstore import EVENTSTORE, LOGIN_ROLES, migrate, set_role_passwords
from support.audit import AuditDatabase
from support.audit_histories import ops_task
from support.store import PASSWORD

__all__ = ["audit_database", "audit_template", "told", "told_template"]

pytest_plugins = ["support.servers"]

_numbers = itertools.count(1)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def audit_template(postgres_server: PostgresServer) -> str:
    """The name of a migrated database that others are copied from."""
    admin = await asyncpg.connect(postgres_server.dsn(database="postgres"))
    try:
        await admin.execute("create database audit_template")
        await migrate(postgres_server.dsn(database="audit_template"), [EVENTSTORE, READ_MODELS])
        await set_role_passwords(admin, dict.fromkeys(LOGIN_ROLES, PASSWORD))
    finally:
        await admin.close()
    return "audit_template"


@pytest_asyncio.fixture(loop_scope="session")
async def audit_database(
    postgres_server: PostgresServer, audit_template: str
) -> AsyncIterator[AuditDatabase]:
    """An empty log with empty read models, of one test's own."""
    yield await _copy(postgres_server, audit_template)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def told_template(postgres_server: PostgresServer, audit_template: str) -> str:
    """The name of a database that others are copied from: a task of acme, and one of globex."""
    database = await _copy(postgres_server, audit_template)
    await database.tell([ops_task("acme", "one"), ops_task("globex", "two")])
    return database.name


@pytest_asyncio.fixture(loop_scope="session")
async def told(postgres_server: PostgresServer, told_template: str) -> AsyncIterator[AuditDatabase]:
    """A log of 46 events, not projected yet."""
    yield await _copy(postgres_server, told_template)


async def _copy(server: PostgresServer, template: str) -> AuditDatabase:
    database = AuditDatabase(server, f"audit_{next(_numbers)}")
    admin = await asyncpg.connect(server.dsn(database="postgres"))
    try:
        await admin.execute(f"create database {database.name} template {template}")
    finally:
        await admin.close()
    return database
