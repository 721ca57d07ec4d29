"""The database behind the views: connections that choose a tenant, rows, and what can go wrong."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import asyncpg
from smartops.sdk.errors import Outdated, SdkError, Unauthorised, Unreachable
from smartops.sdk.profile import Profile

if TYPE_CHECKING:
    from smartops.sdk.event import Event

__all__ = ["Database", "Row", "event_of"]

Row = dict[str, Any]
"""Under the view's own column names."""

_CONNECT_SECONDS = 5.0
_QUERY_SECONDS = 30.0
_CLOSE_SECONDS = 2.0


class Database:
    """One tenant's views, asked in SQL. Connects at the first question."""

    def __init__(self, profile: Profile) -> None:
        self.tenant = profile.tenant
        self._dsn = profile.reader_dsn
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self._opening = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections, if any."""
        pool, self._pool = self._pool, None
        if pool is not None:
            try:
                await asyncio.wait_for(pool.close(), _CLOSE_SECONDS)
            except TimeoutError:
                pool.terminate()

    async def rows(self, sql: str, *arguments: object) -> list[Row]:
        """Ask a question of the views, about this tenant.

        Raises:
            Unreachable: the database does not answer.
            Unauthorised: it does not accept the reader's password.
            Outdated: it has no such view or column.
        """
        return await self._rows(self.tenant, sql, *arguments)

    async def _rows(self, tenant: str, sql: str, *arguments: object) -> list[Row]:
        with self._mapped():
            pool = await self._open()
            async with pool.acquire(timeout=_CONNECT_SECONDS) as connection:
                if tenant != self.tenant:
                    await _choose_tenant(connection, tenant)
                return [dict(row) for row in await connection.fetch(sql, *arguments)]

    async def _open(self) -> asyncpg.Pool[asyncpg.Record]:
        async with self._opening:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    self._dsn,
                    min_size=0,
                    max_size=4,
                    timeout=_CONNECT_SECONDS,
                    command_timeout=_QUERY_SECONDS,
                    init=_read_json,
                    setup=self._begin,
                )
            return self._pool

    async def _begin(self, connection: Any) -> None:
        # At each borrowing: the pool resets the session when a connection comes back.
        await _choose_tenant(connection, self.tenant)

    @contextmanager
    def _mapped(self) -> Iterator[None]:
        try:
            yield
        except (
            asyncpg.InvalidPasswordError,
            asyncpg.InvalidAuthorizationSpecificationError,
        ) as error:
            raise Unauthorised("The database", "the reader") from error
        except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError) as error:
            raise Outdated(str(error)) from error
        except (
            OSError,
            asyncpg.PostgresConnectionError,
            asyncpg.CannotConnectNowError,
            asyncpg.TooManyConnectionsError,
            asyncpg.AdminShutdownError,
            asyncpg.CrashShutdownError,
            asyncpg.InterfaceError,
            asyncpg.InternalClientError,
        ) as error:
            reason = str(error) or type(error).__name__
            raise Unreachable("The database", _place(self._dsn), reason) from error
        except asyncpg.PostgresError as error:
            raise SdkError(f"the database refused to answer: {error}") from error


def event_of(row: Row) -> Event:
    """The event that a row of the log holds."""
    # Listing tasks must not wait until the models of all events have been built.
    from smartops.sdk.event import Event  # noqa: PLC0415

    return Event.read(row["state"], position=row["position"])


async def _choose_tenant(connection: Any, tenant: str) -> None:
    await connection.execute("select set_config('smartops.tenant', $1, false)", tenant)


async def _read_json(connection: Any) -> None:
    for kind in ("json", "jsonb"):
        await connection.set_type_codec(
            kind, encoder=json.dumps, decoder=json.loads, schema="pg_catalog"
        )


def _place(dsn: str) -> str:
    """Host and port of a database URL, without its password."""
    parts = urlsplit(dsn)
    return f"{parts.hostname or 'localhost'}:{parts.port or 5432}"
