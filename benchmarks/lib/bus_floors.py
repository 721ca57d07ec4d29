"""What the running nats-server gives to clients that do nothing else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from uuid import uuid4

from nats.aio.client import Client
from smartops.bus.api import read_answer
from smartops.bus.connection import close, connect
from smartops.bus.delivery import Delivery
from smartops.bus.pull import StandingPull
from smartops.bus.topology import COMMANDS_STREAM, EVENTS_STREAM
from smartops.bus.users import inbox_prefix
from smartops.contracts.catalogue import POLICY, RUNNER, handler
from smartops.contracts.events import TaskHalted
from smartops.devstack.stack import Stack

from benchmarks.lib.figures import percentile, rounded

__all__ = ["bus_floors"]

_PAYLOAD = b"x" * 300
_TENANT = "floor"


async def bus_floors(stack: Stack, count: int) -> dict[str, float | None]:
    """Medians, in ms, of `count` rounds one after the other, on our own streams.

    The runner is stopped for good, and we take its place: so messages that nobody shall act on
    travel with real credentials, through real permissions and accounts, to a real durable.
    """
    await stack.supervisor.release(RUNNER)
    async with AsyncExitStack() as leaving:

        async def join(name: str) -> Client:
            nats = await connect(
                stack.nats.url,
                name=name,
                inbox_prefix=inbox_prefix(name),
                seed_path=stack.credentials.directory / f"{name}.nk",
            )
            leaving.push_async_callback(close, nats)
            return nats

        operator, policy, runner = [await join(name) for name in ("operator", POLICY, RUNNER)]
        principal = stack.principals["operator"]

        def command() -> str:
            tenant = stack.options.tenant
            return stack.subjects.command(tenant, "run.pause", 1, principal, uuid4())

        def event() -> str:
            return stack.subjects.event(_TENANT, TaskHalted.topic, 1, "-", uuid4())

        controls, gate = handler("runner.controls").durable, handler("runner.gate").durable
        # Consuming first: it begins at an empty work queue.
        return {
            "publish_consume_ack_commands_p50_ms": await _consume(
                operator, command, _Acknowledger(runner, COMMANDS_STREAM, controls), count
            ),
            "publish_consume_ack_events_p50_ms": await _consume(
                policy, event, _Acknowledger(runner, EVENTS_STREAM, gate), count
            ),
            "puback_commands_p50_ms": await _puback(operator, command, count),
            "puback_events_p50_ms": await _puback(policy, event, count),
        }


class _Acknowledger:
    """A pull loop on a durable that acknowledges whatever comes and tells of it."""

    def __init__(self, nats: Client, stream: str, durable: str) -> None:
        self._arrived: asyncio.Queue[None] = asyncio.Queue()
        self._pull = StandingPull(
            nats, stream, durable, self._handle, inbox_prefix=inbox_prefix(RUNNER)
        )
        self.start: Callable[[], Awaitable[None]] = self._pull.start
        self.stop: Callable[[], Awaitable[None]] = self._pull.stop

    async def one(self) -> None:
        """Wait for the next message to be acknowledged."""
        await self._arrived.get()

    async def _handle(self, delivery: Delivery) -> None:
        await delivery.ack()
        self._arrived.put_nowait(None)


async def _consume(
    nats: Client, subject: Callable[[], str], pull: _Acknowledger, count: int
) -> float | None:
    await pull.start()
    took = []
    for _ in range(count):
        began = time.perf_counter()
        await nats.publish(subject(), _PAYLOAD)
        await pull.one()
        took.append(time.perf_counter() - began)
    await pull.stop()
    return _ms(took)


async def _puback(nats: Client, subject: Callable[[], str], count: int) -> float | None:
    took = []
    for _ in range(count):
        where = subject()
        began = time.perf_counter()
        reply = await nats.request(where, _PAYLOAD, timeout=5)
        took.append(time.perf_counter() - began)
        read_answer(where, reply.data)
    return _ms(took)


def _ms(took: list[float]) -> float | None:
    middle = percentile(took, 0.5)
    return rounded(None if middle is None else middle * 1000, 3)
