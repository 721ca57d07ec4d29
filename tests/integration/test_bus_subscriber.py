"""FastStream's handlers on our loop: typed, routed, testable, and stopped without loss."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from faststream.nats import NatsBroker, NatsMessage, NatsRouter, TestNatsBroker
from nats.aio.client import Client
from pydantic import BaseModel
from smartops.bus.broker import BusBroker
from smartops.bus.dead_letter import DeadLetters
from smartops.bus.errors import Terminal
from smartops.bus.middleware import ErrorMapping, Outcome
from smartops.bus.pull_options import PullOptions
from smartops.bus.subscriber import BusSubscriber, bus_subscriber
from support.bus import Bench, eventually

pytest_plugins = ["support.bus_fixtures"]


class Order(BaseModel):
    number: int


class Outcomes(ErrorMapping):
    """An error mapping that keeps what it decided."""

    def __init__(self) -> None:
        self.seen: list[Outcome] = []
        letters = DeadLetters(Client(), lambda stream, durable: f"dlq.{stream}.{durable}")
        super().__init__(
            letters, on_outcome=lambda _durable, outcome, _seconds: self.seen.append(outcome)
        )


@asynccontextmanager
async def running(bench: Bench, *routers: NatsRouter, **settings: Any) -> AsyncIterator[BusBroker]:
    broker = BusBroker(bench.connect, **settings)
    broker.include_routers(*routers)
    try:
        yield broker
    finally:
        await broker.stop()


def order(number: int) -> bytes:
    return json.dumps({"number": number}).encode()


async def test_a_typed_handler_gets_its_messages(bench: Bench) -> None:
    mapping = Outcomes()
    got: list[Order] = []
    async with running(bench) as broker:

        @bus_subscriber(broker, stream=bench.stream, durable=bench.durable, mapping=mapping)
        async def take(order: Order) -> None:
            got.append(order)

        assert broker.trouble == "worker: not started"
        await broker.start()
        assert broker.trouble is None
        await bench.publish(1, 2, payload=order)
        await eventually(lambda: len(got) == 2)
        await bench.settled()
    assert got == [Order(number=1), Order(number=2)]
    assert mapping.seen == [Outcome.ACKED, Outcome.ACKED]


async def test_a_router_and_a_decoder_of_ones_own_work(bench: Bench) -> None:
    router = NatsRouter()
    got: list[tuple[Order, str]] = []

    async def decode(message: NatsMessage) -> Order:
        return Order.model_validate_json(message.body)

    @bus_subscriber(
        router,
        stream=bench.stream,
        durable=bench.durable,
        mapping=Outcomes(),
        decoder=decode,
        options=PullOptions(concurrency=3),
    )
    async def take(order: Order, message: NatsMessage) -> None:
        got.append((order, message.raw_message.subject))

    async with running(bench, router) as broker:
        await broker.start()
        await bench.publish(7, payload=order)
        await eventually(lambda: got)
        assert got == [(Order(number=7), f"{bench.subject}.7")]
        pull = broker.durables[0].pull
        assert pull is not None
        await eventually(lambda: pull.running == 0)
        assert 2 <= pull.asked <= 3


async def test_an_error_in_a_handler_reaches_the_mapping(bench: Bench) -> None:
    mapping = Outcomes()
    async with running(bench) as broker:

        @bus_subscriber(broker, stream=bench.stream, durable=bench.durable, mapping=mapping)
        async def take(order: Order) -> None:
            raise KeyError(order.number)

        await broker.start()
        await bench.publish(1, payload=order)
        await bench.publish(2, payload=lambda _n: b"not json")
        await eventually(lambda: len(mapping.seen) == 2)
        assert mapping.seen == [Outcome.RETRIED, Outcome.RETRIED]
        assert await bench.pending() == 2


async def test_a_stop_lets_handlers_end(bench: Bench) -> None:
    ended = asyncio.Event()
    entered = asyncio.Event()
    mapping = Outcomes()
    async with running(bench) as broker:

        @bus_subscriber(broker, stream=bench.stream, durable=bench.durable, mapping=mapping)
        async def take(_order: Order) -> None:
            entered.set()
            await ended.wait()

        await broker.start()
        await bench.publish(1, payload=order)
        await entered.wait()
        stopping = asyncio.create_task(broker.stop())
        await asyncio.sleep(0.05)
        assert not stopping.done()
        ended.set()
        await stopping
    assert mapping.seen == [Outcome.ACKED]
    await bench.settled()


async def test_a_broker_stops_cleanly_while_the_bus_is_away(bench: Bench) -> None:
    async with running(bench) as broker:

        @bus_subscriber(broker, stream=bench.stream, durable=bench.durable, mapping=Outcomes())
        async def take(_order: Order) -> None: ...

        await broker.start()
        await bench.server.kill()
        await eventually(lambda: broker.trouble == "worker: the bus is not connected")
        async with asyncio.timeout(5):
            await broker.stop()
    await bench.server.start()
    await eventually(lambda: bench.nc.is_connected)


async def test_the_test_broker_routes_by_the_filters_and_shows_errors() -> None:
    broker = NatsBroker()
    got: list[int] = []

    subscriber = bus_subscriber(
        broker,
        stream="ORDERS",
        durable="worker",
        mapping=Outcomes(),
        filters=["orders.*.placed"],
    )

    @subscriber
    async def take(order: Order) -> None:
        got.append(order.number)
        if order.number < 0:
            raise Terminal("negative")

    assert isinstance(subscriber, BusSubscriber)
    async with TestNatsBroker(broker) as fake:
        await fake.publish({"number": 3}, "orders.acme.placed", stream="ORDERS")
        with pytest.raises(Terminal):
            await fake.publish({"number": -1}, "orders.acme.placed", stream="ORDERS")
    assert got == [3, -1]


async def test_a_broker_of_our_own_works_under_the_test_broker() -> None:
    async def never() -> Client:
        raise AssertionError("the test broker must not connect")

    broker = BusBroker(never)
    got: list[int] = []

    @bus_subscriber(broker, stream="ORDERS", durable="worker", mapping=Outcomes(), filters=["o.*"])
    async def take(order: Order) -> None:
        got.append(order.number)

    async with TestNatsBroker(broker) as fake:
        await fake.publish({"number": 3}, "o.1", stream="ORDERS")
    assert got == [3]
