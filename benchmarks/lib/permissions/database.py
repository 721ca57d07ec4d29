"""Ways into the database of a stack, one per role."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import NamedTuple

import asyncpg
from smartops.devstack.stack import Stack

from benchmarks.lib.permissions.db_table import OWNER, ROLES

__all__ = ["Database", "database_of"]

_OPENED = "only while it is tried"


class Database(NamedTuple):
    """Ways in."""

    superuser: str
    dsns: Mapping[str, str]
    """Of each role; that of the owner leads in while `owner_may_enter` holds."""

    @asynccontextmanager
    async def session(self, role: str | None = None) -> AsyncIterator[asyncpg.Connection]:
        """As a role; None: the superuser."""
        # Without a cache of statements: some of what is tried throws them away.
        dsn = self.dsns[role] if role else self.superuser
        connection = await asyncpg.connect(dsn, statement_cache_size=0)
        try:
            await connection.execute("set statement_timeout = '20s'")
            yield connection
        finally:
            await connection.close()

    @asynccontextmanager
    async def owner_may_enter(self) -> AsyncIterator[None]:
        """Open the door that is shut: a superuser who acts as the owner may still do all."""
        async with self.session() as superuser:
            await superuser.execute(f"alter role {OWNER} login password '{_OPENED}'")
        try:
            yield
        finally:
            async with self.session() as superuser:
                await superuser.execute(f"alter role {OWNER} nologin password null")


def database_of(stack: Stack) -> Database:
    """The database of a running stack."""
    passwords = {**stack.passwords, OWNER: _OPENED}
    return Database(
        stack.postgres.dsn(),
        {role: stack.postgres.dsn(role, passwords[role]) for role in ROLES},
    )
