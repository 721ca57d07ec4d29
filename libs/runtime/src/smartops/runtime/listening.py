"""What a service hears: its connection to the bus, its durables, and how each message ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

from faststream.nats.message import NatsMessage
from nats.aio.client import Client
from nats.aio.msg import Msg
from smartops.bus.api import BusClient
from smartops.bus.broker import BusBroker
from smartops.bus.connection import connect
from smartops.bus.dead_letter import DeadLetter, DeadLetters
from smartops.bus.delivery import Delivery
from smartops.bus.errors import Outage, Terminal
from smartops.bus.listener import listener
from smartops.bus.middleware import ErrorMapping, Outcome
from smartops.bus.pull import StandingPull
from smartops.bus.pull_options import PullOptions
from smartops.bus.subscriber import bus_subscriber
from smartops.bus.topology import EVENTS_STREAM
from smartops.bus.users import inbox_prefix
from smartops.contracts.catalogue import HandlerSpec
from smartops.contracts.subjects import Subjects
from smartops.eventstore.errors import BlobCorrupt, BlobMissing, StoreUnavailable
from smartops.runtime.publisher import Publisher
from smartops.runtime.settings import ServiceSettings
from smartops.telemetry.metrics import HandlerMeter, Metrics
from typing_extensions import override

__all__ = ["Listening", "Park", "one", "translate"]

Park = Callable[[str, Delivery, str], Awaitable[None]]
"""Writes down that a handler gave a message up, and why."""


class Listening:
    """The bus as one service hears it. Durables are declared first, then it is started.

    Args:
        service: as the catalogue names it.
        settings: where the bus is, and how long a stop may take.
        metrics: outcomes, rests and failures are counted there.
        subjects: where dead letters go.
        publisher: started and told of reconnections with the same connection.
        park: see `Park`.
    """

    def __init__(
        self,
        service: str,
        settings: ServiceSettings,
        metrics: Metrics,
        subjects: Subjects,
        publisher: Publisher,
        park: Park,
    ) -> None:
        self._service = service
        self._settings = settings
        self._metrics = metrics
        self._publisher = publisher
        self._park = park
        self._nc: BusClient | None = None
        self._hot: list[tuple[HandlerSpec, Callable[[Msg], Awaitable[None]]]] = []
        self._pulls: list[StandingPull] = []
        self._meters: dict[str, HandlerMeter] = {}
        self._broker = BusBroker(self._connect, grace=settings.shutdown_grace, apply_types=False)
        self._mapping = ErrorMapping(
            _DeadLettersLater(self, subjects.parked),
            park=self._give_up,
            translate=translate,
            on_outcome=self._count,
        )
        metrics.read_counter(
            "pull_rests",
            "Rests of a pull loop during an outage.",
            lambda: self._sum(lambda pull: pull.counters.outages),
            "handler",
        )
        metrics.read_counter(
            "pull_failures",
            "Requests for messages that failed.",
            lambda: self._sum(lambda pull: pull.counters.failures),
            "handler",
        )

    @property
    def nats(self) -> Client:
        """The connection to the bus.

        Raises:
            RuntimeError: before the start.
        """
        if self._nc is None:
            raise RuntimeError("the service has not been started")
        return self._nc

    @property
    def trouble(self) -> str | None:
        """Why the bus cannot be used, or not by all of this service; None while it can."""
        if self._nc is not None and not self._nc.is_connected:
            return "not connected, reconnecting"
        found = [pull.trouble for pull in self._pulls if pull.trouble is not None]
        if self._broker.trouble is not None:
            found.append(self._broker.trouble)
        if self._publisher.trouble is not None:
            found.append(self._publisher.trouble)
        return "; ".join(found) or None

    def subscribe(
        self, stream: str, spec: HandlerSpec, decode: Callable[[NatsMessage], Awaitable[Any]]
    ) -> Any:
        """A decorator: the framework calls the function with what `decode` makes of a message."""
        return bus_subscriber(
            self._broker,
            stream=stream,
            durable=spec.durable,
            mapping=self._mapping,
            options=PullOptions(concurrency=spec.concurrency),
            inbox_prefix=inbox_prefix(self._service),
            decoder=decode,
            title=spec.name,
        )

    def subscribe_hot(self, spec: HandlerSpec, call: Callable[[Msg], Awaitable[None]]) -> None:
        """The same for events without the framework's pipeline, by the same loop and decisions."""
        self._hot.append((spec, call))

    async def start(self) -> None:
        """Connect, and hear; returns once messages are being asked for."""
        await self._broker.start()
        for spec, call in self._hot:
            pull = listener(
                self.nats,
                stream=EVENTS_STREAM,
                durable=spec.durable,
                call=call,
                mapping=self._mapping,
                options=PullOptions(concurrency=spec.concurrency),
                inbox_prefix=inbox_prefix(self._service),
            )
            self._pulls.append(pull)
            await pull.start()

    async def stop(self) -> None:
        """Take nothing more, give back what was not begun, finish what was."""
        await asyncio.gather(*(pull.stop(self._settings.shutdown_grace) for pull in self._pulls))
        if self._nc is not None:
            for subscriber in self._broker.durables:
                await subscriber.stop()

    async def close(self) -> None:
        """Leave the bus; after `stop`, and once all is published."""
        await self._broker.stop()

    async def _connect(self) -> Client:
        self._nc = await connect(
            self._settings.nats_url.split(","),
            name=self._service,
            inbox_prefix=inbox_prefix(self._service),
            seed_path=self._settings.nats_seed_file,
            on_reconnected=self._publisher.reconnected,
        )
        await self._publisher.start(self._nc)
        return self._nc

    async def _give_up(self, durable: str, delivery: Delivery, reason: str) -> None:
        await self._park(_handler_of(durable), delivery, reason)

    def _count(self, durable: str, outcome: Outcome, seconds: float) -> None:
        meter = self._meters.get(durable)
        if meter is None:
            meter = self._meters[durable] = self._metrics.handler(_handler_of(durable))
        meter.done(outcome.value, seconds)

    def _sum(self, figure: Callable[[StandingPull], float]) -> Mapping[str, float]:
        return {_handler_of(pull.durable): figure(pull) for pull in self._loops()}

    def _loops(self) -> Iterator[StandingPull]:
        yield from self._pulls
        yield from (one.pull for one in self._broker.durables if one.pull is not None)


class _DeadLettersLater(DeadLetters):
    """Dead letters on the connection that the service will have once it is started."""

    def __init__(self, listening: Listening, subject: Callable[[str, str], str]) -> None:
        self._listening = listening
        self._subject_of = subject

    @override
    async def tell(self, delivery: Delivery, reason: str) -> DeadLetter:
        letters = DeadLetters(self._listening.nats, self._subject_of)
        return await letters.tell(delivery, reason)


def _handler_of(durable: str) -> str:
    """The handler's name in the catalogue."""
    return durable.replace("-", ".", 1)


def one(message: NatsMessage) -> Msg:
    """The raw message; our loop hands them over one at a time."""
    raw = message.raw_message
    if isinstance(raw, list):
        raise TypeError("a batch where one message was expected")
    return raw


def translate(error: Exception) -> Exception | None:
    """What the store's errors mean to the bus; None: what they are."""
    if isinstance(error, StoreUnavailable):
        return Outage("database", str(error))
    if getattr(error, "code", None) == "engine_down":
        # By its code: most services have no policy engine, and none of its libraries.
        return Outage("policy engine", str(error))
    if isinstance(error, BlobCorrupt | BlobMissing):
        # No further try reads other bytes: fail closed, and say so at once.
        return Terminal(f"{error.code}: {error}")
    return None
