"""One dedicated connection that comes back by itself."""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

import asyncpg
from asyncpg.prepared_stmt import PreparedStatement
from smartops.eventstore.errors import StoreClosed, StoreUnavailable
from smartops.eventstore.faults import AWAY, Fault, as_store_error, classify

__all__ = ["Connect", "Connection", "Link", "LinkLost"]

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]
else:
    Connection = asyncpg.Connection  # Generic in the stubs only.

Connect = Callable[[], Awaitable[Connection]]

FIRST_DELAY = 0.05
"""Seconds before the second attempt to connect; doubles up to `LAST_DELAY`, jittered."""

LAST_DELAY = 2.0
"""A database that is back is met within this time."""

T = TypeVar("T")


class LinkLost(Exception):
    """The connection broke or the server could not serve: the outcome is unknown."""


class Link:
    """A connection for one purpose, without a pool: nothing is reset between two statements."""

    def __init__(self, name: str, connect: Connect) -> None:
        """Nothing is opened before `open`.

        Args:
            name: Purpose, for messages.
            connect: Opens a connection.
        """
        self._name = name
        self._connect = connect
        self._conn: Connection | None = None
        self._statements: dict[str, PreparedStatement[asyncpg.Record]] = {}
        self._opening = asyncio.Lock()
        self._turn = asyncio.Lock()
        self._is_closed = False
        self.trouble: str | None = None
        """Why the database cannot be used through this link; None while it can."""

    async def open(self, patience: float) -> None:
        """Connect for the first time.

        Raises:
            StoreUnavailable: Not within `patience` seconds, or refused for good.
        """
        try:
            async with asyncio.timeout(patience):
                await self._connected(is_first=True)
        except TimeoutError as error:
            raise StoreUnavailable(self.trouble or "no answer") from error

    async def close(self) -> None:
        """Close for good."""
        self._is_closed = True
        conn, self._conn = self._conn, None
        if conn is not None:
            try:
                await conn.close(timeout=2)
            except AWAY:
                conn.terminate()

    async def once(self, sql: str, *arguments: Any, timeout: float) -> list[asyncpg.Record]:  # noqa: ASYNC109
        """Run a prepared statement, once; waits for the connection as long as it takes.

        Raises:
            LinkLost: The outcome is unknown, or it was rolled back through no fault of its own.
            StoreError: The statement was refused.
            StoreClosed: The link was closed.
        """
        async with self._turn:
            conn = await self._connected()
            try:
                statement = self._statements.get(sql)
                if statement is None:
                    statement = self._statements[sql] = await conn.prepare(sql)
                rows = await statement.fetch(*arguments, timeout=timeout)
            except Exception as error:
                raise self._meaning(conn, error) from error
            self.trouble = None
            return rows

    async def repeat(self, sql: str, *arguments: Any, timeout: float) -> list[asyncpg.Record]:  # noqa: ASYNC109
        """Run a statement that may safely run twice, until it has run.

        Raises:
            StoreError: The statement was refused.
            StoreClosed: The link was closed.
        """
        delay = FIRST_DELAY
        while True:
            try:
                return await self.once(sql, *arguments, timeout=timeout)
            except LinkLost:
                await pause(delay)
                delay = min(2 * delay, LAST_DELAY)

    def _meaning(self, conn: Connection, error: Exception) -> Exception:
        """What a failure means to the caller; drops a connection that is not to be trusted."""
        if self._is_closed:
            return StoreClosed()
        fault = classify(error)
        if fault is Fault.STATEMENT:
            return as_store_error(error)
        self.trouble = f"{self._name}: {type(error).__name__}: {error}"
        if fault is Fault.LOST:
            # Also when it is still open, e.g. after a timeout: the server may yet be working on it.
            self._drop(conn)
        return LinkLost(self.trouble)

    def _drop(self, conn: Connection) -> None:
        if self._conn is conn:
            self._conn = None
            self._statements.clear()
        conn.terminate()

    async def _connected(self, *, is_first: bool = False) -> Connection:
        if self._conn is not None and not self._conn.is_closed():
            return self._conn
        async with self._opening:
            delay = FIRST_DELAY
            while self._conn is None or self._conn.is_closed():
                if self._is_closed:
                    raise StoreClosed
                self._statements.clear()
                self._conn = None
                try:
                    self._conn = await self._connect()
                except Exception as error:
                    self.trouble = f"{self._name}: {type(error).__name__}: {error}"
                    if classify(error) is Fault.STATEMENT:
                        raise as_store_error(error) from error
                    if is_first and _is_refusal(error):
                        raise StoreUnavailable(self.trouble) from error
                    await pause(delay)
                    delay = min(2 * delay, LAST_DELAY)
            self.trouble = None
            return self._conn


def _is_refusal(error: Exception) -> bool:
    """Wrong password, no such role, no such database: at the start that is a wrong setting."""
    return isinstance(error, asyncpg.PostgresError) and (error.sqlstate or "").startswith(
        ("28", "3D")
    )


async def pause(seconds: float) -> None:
    """Sleep for about that long: many processes must not come back in step."""
    with contextlib.suppress(TimeoutError):
        await asyncio.sleep(seconds * random.uniform(0.5, 1.5))  # noqa: S311 - spreads load only.
