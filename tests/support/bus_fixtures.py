"""Fixtures that hand out a real bus: `pytest_plugins = ["support.bus_fixtures"]`."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from smartops.bus.api import ApiError
from smartops.bus.connection import close, connect
from smartops.devstack.servers import NatsServer
from support.bus import Bench

__all__ = ["bench", "bus_server"]

_names = itertools.count(1)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def bus_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[NatsServer]:
    """A server without users, for one test module."""
    async with NatsServer(tmp_path_factory.mktemp("bus") / "store") as server:
        yield server


@pytest_asyncio.fixture(loop_scope="session")
async def bench(bus_server: NatsServer) -> AsyncIterator[Bench]:
    """A fresh stream and durable."""
    await bus_server.start()
    nc = await connect(bus_server.url, name="bench", inbox_prefix="_INBOX_bench")
    made = Bench(bus_server, nc, f"T{next(_names)}", "worker")
    config = {"name": made.stream, "subjects": [f"{made.subject}.>"], "storage": "file"}
    await made.api(f"STREAM.CREATE.{made.stream}", config)
    await made.make_consumer()
    yield made
    for other in made.opened:
        await close(other)
    try:
        await made.api(f"STREAM.DELETE.{made.stream}")
    except ApiError:
        assert not bus_server.running
    await close(nc)
