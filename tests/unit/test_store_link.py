"""The connection that comes back by itself, over a database that is only pretended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import asyncpg
import pytest
from smartops.eventstore import InvalidUnit, StoreClosed, StoreUnavailable
from smartops.eventstore.link import Link, LinkLost


class FakeConnection:
    """Answers with its own number, or as told."""

    def __init__(self, number: int, answer: Callable[[], list[Any]]) -> None:
        self.number = number
        self.answer = answer
        self.prepared: list[str] = []
        self.is_busy = False
        self.is_terminated = False

    async def prepare(self, sql: str) -> FakeConnection:
        self.prepared.append(sql)
        return self

    async def fetch(self, *_: object, timeout: float) -> list[Any]:  # noqa: ASYNC109
        assert not self.is_busy, "two statements at once"
        self.is_busy = True
        await asyncio.sleep(0)
        self.is_busy = False
        return [self.number, *self.answer()]

    def is_closed(self) -> bool:
        return self.is_terminated

    def terminate(self) -> None:
        self.is_terminated = True

    async def close(self, timeout: float) -> None:  # noqa: ASYNC109
        self.is_terminated = True


class FakeDatabase:
    def __init__(self) -> None:
        self.connections: list[FakeConnection] = []
        self.errors: list[Exception] = []
        self.refusals: list[Exception] = []

    async def connect(self) -> Any:
        if self.refusals:
            raise self.refusals.pop(0)
        self.connections.append(FakeConnection(len(self.connections) + 1, self.answer))
        return self.connections[-1]

    def answer(self) -> list[Any]:
        if self.errors:
            raise self.errors.pop(0)
        return []


async def opened(database: FakeDatabase) -> Link:
    link = Link("test", database.connect)
    await link.open(1)
    return link


async def test_statements_are_prepared_once_per_connection() -> None:
    database = FakeDatabase()
    link = await opened(database)
    for _ in range(3):
        assert await link.once("select 1", timeout=1) == [1]
    assert database.connections[0].prepared == ["select 1"]


async def test_calls_take_turns() -> None:
    link = await opened(FakeDatabase())
    found = await asyncio.gather(*(link.once("select 1", timeout=1) for _ in range(5)))
    assert found == [[1]] * 5


async def test_after_a_timeout_the_connection_is_not_trusted_any_more() -> None:
    database = FakeDatabase()
    link = await opened(database)
    database.errors = [TimeoutError()]
    with pytest.raises(LinkLost):
        await link.once("select 1", timeout=1)
    assert database.connections[0].is_terminated
    assert link.trouble is not None
    assert await link.once("select 1", timeout=1) == [2]
    assert link.trouble is None


async def test_a_full_disk_keeps_the_connection_and_says_so() -> None:
    database = FakeDatabase()
    link = await opened(database)
    database.errors = [asyncpg.DiskFullError("no space left on device")]
    with pytest.raises(LinkLost, match="no space"):
        await link.once("select 1", timeout=1)
    assert link.trouble is not None
    assert "no space" in link.trouble
    assert await link.once("select 1", timeout=1) == [1]


async def test_what_may_run_twice_is_repeated_over_connections_that_come_back() -> None:
    database = FakeDatabase()
    link = await opened(database)
    database.errors = [ConnectionResetError(), asyncpg.AdminShutdownError("bye")]
    database.refusals = [ConnectionRefusedError(), asyncpg.CannotConnectNowError("starting")]
    assert await link.repeat("select 1", timeout=1) == [3]


async def test_a_refused_statement_is_not_repeated() -> None:
    database = FakeDatabase()
    link = await opened(database)
    database.errors = [asyncpg.CheckViolationError("no")]
    with pytest.raises(InvalidUnit, match="no"):
        await link.repeat("select 1", timeout=1)
    assert await link.repeat("select 1", timeout=1) == [1]


@pytest.mark.parametrize(
    "refusal",
    [asyncpg.InvalidPasswordError("who?"), asyncpg.InvalidCatalogNameError("no such database")],
)
async def test_a_refused_login_is_final_at_the_start_and_an_outage_later(
    refusal: Exception,
) -> None:
    database = FakeDatabase()
    database.refusals = [refusal]
    with pytest.raises(StoreUnavailable):
        await opened(database)
    link = await opened(database)
    database.connections[0].terminate()
    database.refusals = [refusal]
    assert await link.once("select 1", timeout=1) == [2]


async def test_a_closed_link_opens_no_connection() -> None:
    database = FakeDatabase()
    link = await opened(database)
    await link.close()
    with pytest.raises(StoreClosed):
        await link.repeat("select 1", timeout=1)
    assert len(database.connections) == 1
