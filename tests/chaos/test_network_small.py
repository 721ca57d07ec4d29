"""The small form of `prove slow-and-lying-network`, and whether the proxy does what it says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from benchmarks.lib.ordeal import Load
from benchmarks.lib.tcp_proxy import Shape, TcpProxy, Way
from benchmarks.prove.slow_and_lying_network import Plan, slow_and_lying_network

SMALL = Plan(
    load=Load(tasks=8, servers=120, seed=3, delay_ms=250, lost_answers=1, patience_s=60),
    faults=12,
    pause_s=0.6,
    longest_s=2.0,
    silence_s=0,
    await_bus=False,
)
MOMENT = 0.2
"""Seconds in which an answer on this machine has come, if it comes at all."""


async def test_no_promise_breaks_while_links_turn_slow_silent_cut_and_lying(
    tmp_path: Path,
) -> None:
    verdict = await slow_and_lying_network(tmp_path / "home", SMALL)

    assert verdict is not None
    assert verdict.violations == ()
    assert verdict.void is None
    assert sum(verdict.figures["faults_by_link"].values()) == SMALL.faults  # type: ignore[attr-defined]


async def test_what_is_slow_arrives_late_and_in_order() -> None:
    async with _echo() as (proxy, reader, writer):
        proxy.shape(Shape(latency_s=0.1, jitter_s=0.1), Way.THERE)
        began = asyncio.get_running_loop().time()
        for number in range(20):
            writer.write(b"%02d" % number)
            await writer.drain()

        assert await reader.readexactly(40) == b"".join(b"%02d" % n for n in range(20))
        assert asyncio.get_running_loop().time() - began >= 0.1


async def test_a_thin_line_takes_its_time() -> None:
    async with _echo() as (proxy, reader, writer):
        proxy.shape(Shape(bytes_per_s=100_000), Way.BACK)
        began = asyncio.get_running_loop().time()
        writer.write(b"x" * 20_000)

        await reader.readexactly(20_000)
        assert asyncio.get_running_loop().time() - began >= 0.19


async def test_what_stalls_is_taken_and_arrives_after_all() -> None:
    async with _echo() as (proxy, reader, writer):
        proxy.shape(Shape(stalled=True))
        writer.write(b"hello")
        await writer.drain()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.readexactly(1), MOMENT)

        proxy.heal()
        assert await reader.readexactly(5) == b"hello"


async def test_a_lying_line_delivers_the_question_and_cuts_the_answer() -> None:
    heard = bytearray()
    async with _echo(heard) as (proxy, reader, writer):
        proxy.cut_after(Way.BACK, 2)
        writer.write(b"commit")

        with pytest.raises(ConnectionResetError):
            await reader.readexactly(100)
        assert heard == b"commit"
        assert proxy.counts.cut == 1


async def test_a_half_open_line_is_silent_until_it_is_healed() -> None:
    async with _echo() as (proxy, reader, writer):
        proxy.half_open(Way.THERE)
        writer.write(b"anybody?")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), MOMENT)

        proxy.heal()
        with pytest.raises(ConnectionResetError):
            await reader.read(1)


async def test_refused_clients_are_counted_and_served_again_after_healing() -> None:
    async with _echo() as (proxy, reader, _writer):
        proxy.refuse()
        with pytest.raises(ConnectionResetError):
            await reader.read(1)
        again, _ = await asyncio.open_connection("127.0.0.1", proxy.port)
        with pytest.raises(ConnectionResetError):
            await again.read(1)
        assert (proxy.counts.attempts, proxy.counts.turned_away) == (2, 1)

        proxy.heal()
        served, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(b"x")
        assert await served.readexactly(1) == b"x"
        writer.close()


@asynccontextmanager
async def _echo(
    heard: bytearray | None = None,
) -> AsyncIterator[tuple[TcpProxy, asyncio.StreamReader, asyncio.StreamWriter]]:
    """A server that says everything back, and a client of it through a proxy."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(100):
                if heard is not None:
                    heard.extend(data)
                writer.write(data)
        except ConnectionResetError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, TcpProxy(target=server.sockets[0].getsockname()[1]) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        # The line is there once something has gone both ways.
        writer.write(b".")
        await reader.readexactly(1)
        if heard is not None:
            heard.clear()
        yield proxy, reader, writer
        writer.transport.abort()
