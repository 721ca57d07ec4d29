"""A real bus for tests: streams made in a line, handlers that take notes, states to wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from nats.aio.client import Client
from smartops.bus.api import API, api_request
from smartops.bus.connection import connect
from smartops.bus.delivery import Delivery
from smartops.devstack.servers import NatsServer

__all__ = ["Bench", "Seen", "eventually"]


@dataclass
class Bench:
    """A connection that may do everything, and a stream with one durable."""

    server: NatsServer
    nc: Client
    stream: str
    durable: str
    opened: list[Client] = field(default_factory=list)

    @property
    def subject(self) -> str:
        """The root of the stream's subjects."""
        return self.stream.lower()

    async def connect(self, name: str = "service") -> Client:
        """One more connection, closed with the test."""
        nc = await connect(self.server.url, name=name, inbox_prefix=f"_INBOX_{name}")
        self.opened.append(nc)
        return nc

    async def make_consumer(self, **config: Any) -> None:
        """Create, or update, the durable."""
        body = {
            "stream_name": self.stream,
            "config": {
                "durable_name": self.durable,
                "name": self.durable,
                "ack_policy": "explicit",
                "ack_wait": 30_000_000_000,
                "max_ack_pending": 1000,
                **config,
            },
        }
        await self.api(f"CONSUMER.CREATE.{self.stream}.{self.durable}", body)

    async def publish(self, *numbers: int, payload: Callable[[int], bytes] | None = None) -> None:
        """Publish messages, stored when this returns."""
        for number in numbers:
            body = payload(number) if payload else b"%d" % number
            headers = {"content-type": "application/json"}
            await api_request(self.nc, f"{self.subject}.{number}", body, headers=headers)

    async def api(self, subject: str, body: Any = b"") -> dict[str, Any]:
        """Ask JetStream."""
        return await api_request(self.nc, f"{API}.{subject}", body)

    async def info(self) -> dict[str, Any]:
        """What the server knows of the durable."""
        return await self.api(f"CONSUMER.INFO.{self.stream}.{self.durable}")

    async def pending(self) -> int:
        """Messages delivered and not decided."""
        return int((await self.info())["num_ack_pending"])

    async def settled(self) -> None:
        """Wait until nothing delivered is undecided: decisions travel on other connections."""

        async def none_pending() -> bool:
            return await self.pending() == 0

        await eventually(none_pending)

    async def holds(self, *, pending: int, unread: int) -> None:
        """Wait until the consumer counts so: it hears of what is stored after the publisher."""

        async def counted() -> bool:
            info = await self.info()
            return (info["num_ack_pending"], info["num_pending"]) == (pending, unread)

        await eventually(counted)

    async def awaited(self) -> bool:
        """Whether a pull request lingers at the server."""
        return int((await self.info())["num_waiting"]) > 0


class Seen:
    """A handler that notes what it gets, and waits where it is told to."""

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []
        self.changed = asyncio.Event()
        self.block: set[int] = set()
        self.release = asyncio.Event()
        self.decide = True

    async def __call__(self, delivery: Delivery) -> None:
        self.deliveries.append(delivery)
        self.changed.set()
        if delivery.about.sequence in self.block:
            await self.release.wait()
        if self.decide:
            await delivery.ack()

    @property
    def sequences(self) -> list[int]:
        """In the order of arrival."""
        return [delivery.about.sequence for delivery in self.deliveries]

    async def at_least(self, count: int, seconds: float = 10) -> None:
        """Wait for `count` deliveries."""
        async with asyncio.timeout(seconds):
            while len(self.deliveries) < count:
                self.changed.clear()
                await self.changed.wait()


async def eventually(holds: Callable[[], Any], seconds: float = 10) -> None:
    """Wait until something holds that sends no event; a coroutine function is awaited."""
    async with asyncio.timeout(seconds):
        while True:
            found = holds()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return
            await asyncio.sleep(0.01)
