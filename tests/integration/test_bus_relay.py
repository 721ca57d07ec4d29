"""The relay: hasty, bounded, honest about what arrived."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from nats.aio.client import Client
from smartops.bus.api import API
from smartops.bus.relay import Outgoing, Relay
from support.bus import Bench, eventually

pytest_plugins = ["support.bus_fixtures"]


class Told:
    def __init__(self) -> None:
        self.acked: list[int] = []
        self.batches = 0
        self.failed: dict[int, str] = {}

    def on_acked(self, positions: list[int]) -> None:
        self.batches += 1
        self.acked += positions

    def on_failed(self, positions: list[int], why: str) -> None:
        self.failed.update(dict.fromkeys(positions, why))


@asynccontextmanager
async def relaying(bench: Bench, told: Told, **options: Any) -> AsyncIterator[Relay]:
    nc: Client = await bench.connect("relay")
    relay = Relay(nc, told.on_acked, on_failed=told.on_failed, **options)
    await relay.start()
    try:
        yield relay
    finally:
        await relay.stop(timedelta(milliseconds=200))


def event(bench: Bench, position: int, subject: str = "e") -> Outgoing:
    return Outgoing(f"{bench.subject}.{subject}", b"{}", f"id-{position}", position)


async def test_what_the_stream_has_is_reported_in_batches(bench: Bench) -> None:
    told = Told()
    async with relaying(bench, told) as relay:
        assert await relay.publish([event(bench, n) for n in range(1, 501)]) == 500
        await relay.settled()
        await eventually(lambda: len(told.acked) == 500)
    assert sorted(told.acked) == list(range(1, 501))
    assert told.batches < 100
    assert (relay.counters.sent, relay.counters.acked, relay.counters.failed) == (500, 500, 0)
    state = (await bench.api(f"STREAM.INFO.{bench.stream}"))["state"]
    assert state["messages"] == 500


async def test_an_event_carries_its_id_position_and_content_type(bench: Bench) -> None:
    async with relaying(bench, Told()) as relay:
        extra = {"traceparent": "00-1-2-01"}
        await relay.publish([Outgoing(f"{bench.subject}.a", b'{"x":1}', "id-7", 7, extra)])
        await relay.settled()
    stored = await bench.nc.request(
        f"{API}.STREAM.MSG.GET.{bench.stream}", json.dumps({"seq": 1}).encode()
    )
    message = json.loads(stored.data)["message"]
    assert message["subject"] == f"{bench.subject}.a"
    headers = base64.b64decode(message["hdrs"]).decode()
    assert "Nats-Msg-Id: id-7\r\n" in headers
    assert "Smartops-Position: 7\r\n" in headers
    assert "content-type: application/cloudevents+json\r\n" in headers
    assert "traceparent: 00-1-2-01\r\n" in headers
    assert base64.b64decode(message["data"]) == b'{"x":1}'


async def test_a_repeat_is_dropped_by_the_stream_and_still_reported(bench: Bench) -> None:
    told = Told()
    async with relaying(bench, told) as relay:
        await relay.publish([event(bench, 1), event(bench, 1)])
        await relay.settled()
        await eventually(lambda: told.acked == [1, 1])
        assert relay.counters.duplicates == 1
    assert (await bench.api(f"STREAM.INFO.{bench.stream}"))["state"]["messages"] == 1


async def test_what_no_stream_takes_is_left_for_the_sweep(bench: Bench) -> None:
    told = Told()
    async with relaying(bench, told) as relay:
        await relay.publish([Outgoing("nobody.listens", b"", "id", 9)])
        await relay.settled()
    assert told.failed == {9: "no stream takes this subject"}
    assert told.acked == []


async def test_what_the_stream_refuses_is_left_with_its_reason(bench: Bench) -> None:
    await bench.api(
        f"STREAM.UPDATE.{bench.stream}",
        {"name": bench.stream, "subjects": [f"{bench.subject}.>"], "max_msg_size": 10},
    )
    told = Told()
    async with relaying(bench, told) as relay:
        await relay.publish([Outgoing(f"{bench.subject}.e", b"x" * 20, "id", 4)])
        await relay.settled()
    assert "exceeds maximum" in told.failed[4]


async def test_an_answer_that_never_comes_frees_its_place(bench: Bench) -> None:
    mute = await bench.nc.subscribe("mute.>")  # somebody listens, nobody answers
    await bench.nc.flush()
    told = Told()
    options = {"timeout": timedelta(milliseconds=200), "in_flight": 2}
    async with relaying(bench, told, **options) as relay:
        loop = asyncio.get_running_loop()
        began = loop.time()
        sent = await relay.publish([Outgoing("mute.a", b"", f"id-{n}", n) for n in range(1, 5)])
        assert sent == 4
        assert loop.time() - began > 0.15  # the third had to wait for a place
        assert relay.in_flight <= 2
        await relay.settled()
    assert told.failed == dict.fromkeys(range(1, 5), "no answer in time")
    await mute.unsubscribe()


async def test_while_the_bus_is_away_nothing_is_buffered(bench: Bench) -> None:
    told = Told()
    async with relaying(bench, told, timeout=timedelta(milliseconds=300)) as relay:
        await bench.server.kill()
        await eventually(lambda: not relay._nc.is_connected)
        assert await relay.publish([event(bench, 1)]) == 0
        assert told.failed == {1: "the bus is not connected"}
        await bench.server.start()
        await eventually(lambda: relay._nc.is_connected and bench.nc.is_connected)
        assert await relay.publish([event(bench, 1)]) == 1
        await relay.settled()
        await eventually(lambda: told.acked == [1])


async def test_answers_lost_in_a_crash_time_out(bench: Bench) -> None:
    told = Told()
    async with relaying(bench, told, timeout=timedelta(milliseconds=500)) as relay:
        publishing = asyncio.create_task(relay.publish(event(bench, n) for n in range(1, 2001)))
        await eventually(lambda: relay.counters.acked + relay.counters.failed > 0)
        await bench.server.kill()
        await publishing
        await relay.settled()
        await eventually(lambda: len(told.acked) + len(told.failed) == 2000)
        assert relay.in_flight == 0
    await bench.server.start()
    await eventually(lambda: bench.nc.is_connected)


async def test_a_stop_reports_what_is_known_and_leaves_the_rest(bench: Bench) -> None:
    mute = await bench.nc.subscribe("mute.>")
    await bench.nc.flush()
    told = Told()
    async with relaying(bench, told, linger=timedelta(seconds=60)) as relay:
        await relay.publish([event(bench, 1), Outgoing("mute.a", b"", "id", 2)])
        await eventually(lambda: relay.counters.acked == 1)
        assert told.acked == []
        await relay.stop(timedelta(milliseconds=50))
    assert told.acked == [1]
    assert list(told.failed) == [2]
    await mute.unsubscribe()
