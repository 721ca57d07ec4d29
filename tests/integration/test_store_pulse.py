"""A database that stands still without hanging up is noticed soon, and so is its return."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from smartops.devstack.procfs import processes_in
from smartops.devstack.servers import PostgresServer
from smartops.eventstore import EventStore

NOTICED_S = 5.0
BACK_S = 5.0


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[PostgresServer]:
    """One that nobody else needs: it is stopped."""
    async with PostgresServer(tmp_path / "postgres") as server:
        yield server


@contextmanager
def standing_still(server: PostgresServer) -> Iterator[None]:
    """SIGSTOP to every process of the server: lines stay open, nobody answers."""
    os.kill(server.pid, signal.SIGSTOP)  # First of all: it could still fork.
    pids = processes_in(server.data_dir, "postgres")
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


async def seconds_until(store: EventStore, patience: float, *, holds: bool) -> float:
    """How long it takes until there is trouble, or none any more."""
    began = time.monotonic()
    while (store.trouble is not None) is not holds:
        assert time.monotonic() - began < patience, f"after {patience:g} s: {store.trouble}"
        await asyncio.sleep(0.05)
    return time.monotonic() - began


async def test_a_server_that_stands_still_is_trouble_within_seconds(server: PostgresServer) -> None:
    store = await EventStore.connect(server.dsn())
    try:
        store.keep_pulse()
        assert store.trouble is None
        with standing_still(server):
            await seconds_until(store, NOTICED_S, holds=True)
            assert store.trouble is not None
            assert "no answer within 2 s" in store.trouble
        await seconds_until(store, BACK_S, holds=False)
    finally:
        await store.close()


async def test_a_statement_that_takes_long_is_no_trouble(server: PostgresServer) -> None:
    """The pulse asks beside it, and is answered."""
    store = await EventStore.connect(server.dsn())
    try:
        store.keep_pulse()
        long = asyncio.create_task(store._call("select pg_sleep(4.5)"))
        while not long.done():
            assert store.trouble is None
            await asyncio.sleep(0.1)
    finally:
        await store.close()
