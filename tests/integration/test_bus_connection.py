"""Getting onto the bus and staying there."""

from __future__ import annotations

import asyncio
import gc
import logging
from datetime import timedelta
from pathlib import Path

import pytest
from smartops.bus.api import API, SERVICE_API, ApiError, api_of, api_request, stream_state
from smartops.bus.connection import ConnectOptions, close, connect
from smartops.bus.errors import ConnectError, Unauthorised
from smartops.bus.nkey import new_user_key
from smartops.bus.server_config import render_config
from smartops.bus.topology import build_topology
from smartops.bus.users import Account, BusUser
from smartops.devstack.ports import free_port
from smartops.devstack.servers import NatsServer
from support.bus import Bench, eventually

pytest_plugins = ["support.bus_fixtures"]

TOPOLOGY = build_topology()


async def test_nobody_there_is_told_in_time() -> None:
    options = ConnectOptions(patience=timedelta(milliseconds=300))
    url = f"nats://127.0.0.1:{free_port()}"
    with pytest.raises(ConnectError, match=r"no answer in 0\.3 s .*Is nats-server running"):
        await connect(url, name="x", inbox_prefix="_INBOX_x", options=options)


async def test_a_server_that_starts_late_is_waited_for(tmp_path: Path) -> None:
    server = NatsServer(tmp_path / "store", port=free_port())
    joining = asyncio.create_task(
        connect(f"nats://127.0.0.1:{server.port}", name="x", inbox_prefix="_INBOX_x")
    )
    await asyncio.sleep(0.1)
    assert not joining.done()
    async with server:
        await close(await asyncio.wait_for(joining, 5))


async def test_who_stops_waiting_for_a_flush_does_not_make_the_connection_deaf(
    bench: Bench,
) -> None:
    nc = await connect(bench.server.url, name="x", inbox_prefix="_INBOX_x")
    waiting = asyncio.create_task(nc.flush())
    await asyncio.sleep(0)  # the PING is on its way
    waiting.cancel()
    await asyncio.wait({waiting})
    assert waiting.cancelled()
    await nc.rtt(timeout=5)
    await close(nc)


async def test_a_restart_is_survived_within_a_second(bench: Bench) -> None:
    back = asyncio.Event()

    async def reconnected() -> None:
        back.set()

    nc = await connect(
        bench.server.url, name="x", inbox_prefix="_INBOX_x", on_reconnected=reconnected
    )
    await bench.server.restart()
    await asyncio.wait_for(back.wait(), 2)
    assert nc.is_connected
    await close(nc)
    await eventually(lambda: bench.nc.is_connected)


async def test_a_connection_outlives_many_failed_tries(bench: Bench) -> None:
    nc = await connect(
        bench.server.url,
        name="x",
        inbox_prefix="_INBOX_x",
        options=ConnectOptions(reconnect_wait=timedelta(milliseconds=10)),
    )
    await bench.server.kill()
    await asyncio.sleep(1)
    await bench.server.start()
    await eventually(lambda: nc.is_connected and bench.nc.is_connected)
    await close(nc)


# The client leaves the stream of a refused attempt to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_key_refused_while_reconnecting_does_not_end_the_tries(tmp_path: Path) -> None:
    key = new_user_key()
    user = BusUser("x", key.public, Account.SERVICES, ("a",), ("_INBOX_x.>",))
    other = BusUser("x", new_user_key().public, Account.SERVICES, ("a",), ("_INBOX_x.>",))
    server = NatsServer(tmp_path / "store", config_text=render_config([user], TOPOLOGY))
    async with server:
        nc = await connect(server.url, name="x", inbox_prefix="_INBOX_x", seed=key.seed)
    stranger = NatsServer(
        tmp_path / "other",
        config_text=render_config([other], TOPOLOGY),
        port=server.port,
    )
    async with stranger:
        await asyncio.sleep(0.6)
        assert not nc.is_connected
        with pytest.raises(Unauthorised):
            await connect(stranger.url, name="x", inbox_prefix="_INBOX_x", seed=key.seed)
    async with server:
        await eventually(lambda: nc.is_connected)
        await close(nc)
    gc.collect()


async def test_each_violation_is_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    key = new_user_key()
    user = BusUser("x", key.public, Account.SERVICES, ("a",), ("_INBOX_x.>",))
    caplog.set_level(logging.ERROR, "smartops.bus.connection")
    config = render_config([user], TOPOLOGY)
    async with NatsServer(tmp_path / "store", config_text=config) as server:
        nc = await connect(server.url, name="x", inbox_prefix="_INBOX_x", seed=key.seed)
        for subject in ("forbidden", "forbidden", "also.forbidden"):
            await nc.publish(subject, b"")
        await eventually(lambda: '"also.forbidden"' in caplog.text)
        await close(nc)
    assert caplog.text.count('publish to "forbidden"') == 1


async def test_the_end_of_a_connection_is_told(bench: Bench) -> None:
    ended = asyncio.Event()

    async def closed() -> None:
        ended.set()

    nc = await connect(bench.server.url, name="x", inbox_prefix="_INBOX_x", on_closed=closed)
    await close(nc)
    assert ended.is_set()
    assert nc.is_closed
    await close(nc)  # again does nothing


async def test_closing_sends_what_is_pending(bench: Bench) -> None:
    nc = await bench.connect("x")
    for number in range(500):
        await nc.publish(f"{bench.subject}.{number}", b"")
    await close(nc)

    async def all_there() -> bool:
        return bool((await stream_state(bench.nc, bench.stream))["messages"] == 500)

    await eventually(all_there)


async def test_the_root_of_requests_follows_the_account(bench: Bench) -> None:
    assert api_of(bench.nc) == API
    nc = await connect(bench.server.url, name="x", inbox_prefix="_INBOX_x", api=SERVICE_API)
    assert api_of(nc) == SERVICE_API
    await close(nc)


async def test_an_answer_that_is_an_error_carries_its_numbers(bench: Bench) -> None:
    with pytest.raises(ApiError) as caught:
        await stream_state(bench.nc, "NONE")
    assert (caught.value.status, caught.value.err_code) == (404, 10059)
    assert not caught.value.retryable
    with pytest.raises(ApiError) as caught:
        await api_request(bench.nc, "nobody.listens")
    assert caught.value.status == 503
    assert caught.value.retryable
