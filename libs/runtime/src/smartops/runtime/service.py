"""The floor under every service: store, bus, timers and sweeps joined to its handlers.

A handler is a coroutine function for one entry of the catalogue. It is called for each message,
for each event that a sweep finds unhandled, and must not care which: the inbox settles repeats.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sized
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

from faststream.nats.message import NatsMessage
from nats.aio.client import Client
from nats.aio.msg import Msg
from smartops.bus.api import BusClient
from smartops.bus.broker import BusBroker
from smartops.bus.connection import connect
from smartops.bus.dead_letter import DeadLetter, DeadLetters
from smartops.bus.delivery import Delivery
from smartops.bus.errors import Outage, Retryable, Terminal
from smartops.bus.listener import listener
from smartops.bus.middleware import ErrorMapping, Outcome
from smartops.bus.pull import StandingPull
from smartops.bus.pull_options import PullOptions
from smartops.bus.subscriber import bus_subscriber
from smartops.bus.topology import COMMANDS_STREAM, EVENTS_STREAM
from smartops.bus.users import inbox_prefix
from smartops.contracts.catalogue import HANDLERS, HandlerSpec, handler
from smartops.contracts.errors import ContractError
from smartops.contracts.streams import parse_stream
from smartops.contracts.subjects import Subjects
from smartops.contracts.wire import EventData
from smartops.eventstore.errors import BlobCorrupt, BlobMissing, StoreUnavailable
from smartops.eventstore.results import Already, Committed, Conflict
from smartops.eventstore.rows import StoredRow, TimerRow
from smartops.eventstore.store import EventStore
from smartops.eventstore.sweeps import Handler, Sweeper
from smartops.eventstore.timers import Timers
from smartops.eventstore.units import ReadCondition, Trigger, Unit
from smartops.runtime.cues import Cue, Order, cue_of_message, cue_of_row
from smartops.runtime.metering import meter
from smartops.runtime.orders import Orders
from smartops.runtime.parking import Parking
from smartops.runtime.phasing import phase_of_cue, phase_of_service
from smartops.runtime.plans import Plans
from smartops.runtime.publisher import Publisher
from smartops.runtime.reactor import Reaction, Reactor
from smartops.runtime.recording import Cause, Recorder
from smartops.runtime.settings import ServiceSettings
from smartops.runtime.traces import Traces
from smartops.runtime.views import Views
from smartops.runtime.watch import Look, Watch
from smartops.telemetry.attributes import TASK, TENANT, Phase
from smartops.telemetry.bundle import Telemetry
from smartops.telemetry.metrics import HandlerMeter
from smartops.telemetry.probes import Probe
from smartops.telemetry.tracing import Link, Span, link_from
from typing_extensions import override

__all__ = ["Service"]

S = TypeVar("S")
F = TypeVar("F", bound=Callable[..., Awaitable[Any]])

_log = logging.getLogger(__name__)

TRACEPARENT = "traceparent"
"""Header with the W3C trace context of a command."""


class Service:
    """One service process.

    Args:
        name: as the catalogue names it.
        settings: see `ServiceSettings`.
        telemetry: logs, metrics, traces, health pages.
        store: connected as this service's role.
    """

    def __init__(
        self, name: str, settings: ServiceSettings, telemetry: Telemetry, store: EventStore
    ) -> None:
        self.name = name
        self.settings = settings
        self.telemetry = telemetry
        self.subjects = Subjects(settings.prefix)
        self.store = store
        self.recorder = Recorder(name, self.subjects)
        self.views = Views(self.store)
        self.plans = Plans(self.store)
        self.orders = Orders(self.store, self.recorder, self.subjects)
        self.traces = Traces(self.store)
        own = [spec for spec in HANDLERS if spec.service == name]
        self.watch = Watch(self.store, telemetry.metrics, own)
        self._timers: dict[str, Callable[[TimerRow], Awaitable[None]]] = {}
        self._meters: dict[str, HandlerMeter] = {}
        self._caches: list[Sized] = [self.views, self.plans, self.traces]
        self._events: dict[str, Callable[[Cue], Awaitable[None]]] = {}
        self._commands: dict[str, Callable[[str, bytes], Awaitable[None]]] = {}
        self._hot: dict[str, Callable[[Msg], Awaitable[None]]] = {}
        self._pulls: list[StandingPull] = []
        self._broker = BusBroker(self._connect, grace=settings.shutdown_grace, apply_types=False)
        self._nc: BusClient | None = None
        self._publisher = Publisher(name, store, settings, self.subjects)
        self._mapping = ErrorMapping(
            _DeadLettersLater(self), park=self._park, translate=_translate, on_outcome=self._count
        )
        self._wheel = Timers(self.store, self._fire, on_error=self._timer_failed)
        self._sweeper: Sweeper | None = None
        metrics = telemetry.metrics
        metrics.read_counter(
            "pull_rests", "Rests of a pull loop during an outage.", self._rests, "handler"
        )
        metrics.read_counter(
            "pull_failures", "Requests for messages that failed.", self._pull_failures, "handler"
        )
        metrics.read_gauge(
            "remembered",
            "Entries of the caches, all of them bounded.",
            lambda: sum(map(len, self._caches)),
        )
        if any(spec.name == f"{name}.parked" for spec in own):
            self.on_command(f"{name}.parked")(self._parking().retry)

    # ---- what a service declares ----------------------------------------------------------

    def reactor(self, initial: S, evolve: Callable[[S, EventData], S]) -> Reactor[S]:
        """A reactor for one kind of this service's streams."""
        reactor = Reactor(
            self.store,
            self.recorder,
            initial=initial,
            evolve=evolve,
            observe=partial(meter, self.telemetry.metrics),
        )
        self._caches.append(reactor.folds)
        return reactor

    def on_event(self, name: str) -> Callable[[F], F]:
        """Register the handler of events called `name` in the catalogue; it takes a `Cue`."""
        spec = self._spec(name)

        def register(function: F) -> F:
            async def react(cue: Cue) -> None:
                phase = phase_of_cue(self.name, cue) if self.telemetry.tracer.recording else None
                about = {TENANT: cue.tenant, TASK: cue.task}
                with self._span(name, cue.traceparent, phase, about) as span:
                    await function(replace(cue, traceparent=span.traceparent))
                self.traces.note(cue, span.traceparent)

            self._events[name] = react

            def read(message: Msg) -> Cue:
                return cue_of_message(name, self.subjects, message.subject, message.data)

            async def decode(message: NatsMessage) -> Cue:
                return read(_one(message))

            async def react_to(message: Msg) -> None:
                await react(read(message))

            if spec.hot:
                self._hot[name] = react_to
            else:
                self._subscribe(EVENTS_STREAM, spec, decode)(react)
            return function

        return register

    def on_command(self, name: str) -> Callable[[F], F]:
        """Register the handler of commands called `name`: from an `Order` to a `Reaction`.

        A command that breaks its contract is refused by event and never reaches the handler.
        """
        spec = self._spec(name)

        def register(function: F) -> F:
            async def decode(message: NatsMessage) -> Order[Any] | None:
                raw = _one(message)
                parent = raw.headers.get(TRACEPARENT) if raw.headers else None
                return await self.orders.read(name, raw.subject, raw.data, parent)

            async def obey(order: Order[Any] | None) -> None:
                if order is None:
                    return
                with await self._span_of_order(order) as span:
                    traced = replace(order, traceparent=span.traceparent)
                    if await function(traced) is Reaction.ALREADY:
                        await self.orders.check_reuse(order)

            async def take(subject: str, raw: bytes) -> None:
                await obey(await self.orders.read(name, subject, raw))

            self._commands[name] = take
            self._subscribe(COMMANDS_STREAM, spec, decode)(obey)
            return function

        return register

    def on_timer(
        self,
        name: str,
        *,
        phase: Phase | None = None,
        task_of: Callable[[TimerRow], UUID | None] = lambda _: None,
    ) -> Callable[[F], F]:
        """Register the handler of timers called `name`; it takes a `TimerRow`.

        Args:
            name: as in `SetTimer.handler`.
            phase: what its work is for, where that is not what the service is for.
            task_of: whose a timer is that may fire before its stream has begun.
        """

        def register(function: F) -> F:
            async def fire(row: TimerRow) -> None:
                tenant, task = parse_stream(row.stream).tenant, task_of(row)
                parent = await self.traces.of_stream(row.stream)
                if parent is None and task is not None:
                    parent = await self.traces.of_task(tenant, task)
                with self._span(name, parent, phase, {TENANT: tenant, TASK: task}):
                    await function(row)

            self._timers[name] = fire
            return function

        return register

    # ---- what handlers use -----------------------------------------------------------------

    def cause(self, cue: Cue, task: UUID | None) -> Cause:
        """The cause of what follows from an event."""
        return Cause(Trigger(cue.handler, cue.id), task, cue.traceparent)

    async def nothing_follows(self, cue: Cue, version: int) -> Reaction:
        """Note that an event was looked at and calls for nothing; else sweeps find it for ever.

        Args:
            cue: the event.
            version: of its stream, that this rests on.

        Raises:
            Retryable: the stream has moved on; look again.
        """
        unit = Unit(
            triggers=[Trigger(cue.handler, cue.id)],
            reads=[ReadCondition(cue.stream, version)],
            tenant=cue.tenant,
        )
        match await self.store.append(unit):
            case Committed():
                return Reaction.DONE
            case Already():
                return Reaction.ALREADY
            case Conflict():
                raise Retryable(f"{cue.stream} has moved on", retry_after=timedelta(0))

    def cause_of_timer(self, row: TimerRow, task: UUID | None) -> Cause:
        """The cause of what follows from a timer."""
        return Cause(Trigger(row.handler, row.timer_id, is_timer=True), task)

    # ---- life ------------------------------------------------------------------------------

    def probes(self) -> list[Probe]:
        """What this process needs in order to work, for readiness."""
        return [
            Probe("database", lambda: self.store.trouble),
            Probe("bus", self._bus_trouble),
            *self.watch.probes(),
        ]

    def needs(self, name: str, look: Look) -> None:
        """Be ready only while a look at this finds nothing wrong; before `start`."""
        self.watch.also(name, look)

    async def start(self) -> None:
        """Come up; returns once messages are being handled."""
        await self._broker.start()
        await self._listen()
        handlers = [
            Handler(name, spec.topics, (spec.party,) if spec.party is not None else None)
            for name in self._events
            if (spec := handler(name))
        ]
        self._sweeper = Sweeper(self.store, handlers, self._swept, on_error=self._sweep_failed)
        await self._sweeper.start()
        await self._wheel.start()
        await self.watch.start(self.nats)
        _log.info("ready")

    async def stop(self) -> None:
        """Go down in order: no new work, finish what is in hand, publish, close."""
        await self.watch.stop()
        await self._wheel.stop()
        if self._sweeper is not None:
            await self._sweeper.stop()
        await asyncio.gather(*(pull.stop(self.settings.shutdown_grace) for pull in self._pulls))
        if self._nc is not None:
            for subscriber in self._broker.durables:
                await subscriber.stop()
        await self._publisher.stop()
        await self._broker.stop()
        await self.store.close()

    # ---- inside ----------------------------------------------------------------------------

    def _spec(self, name: str) -> HandlerSpec:
        spec = handler(name)
        if spec.service != self.name:
            raise ValueError(f"{name} is a handler of {spec.service}, not of {self.name}")
        return spec

    def _span(
        self,
        name: str,
        parent: str | None,
        phase: Phase | None = None,
        about: Mapping[str, object] | None = None,
        links: Iterable[Link] = (),
    ) -> AbstractContextManager[Span]:
        return self.telemetry.tracer.span(
            name,
            "consumer",
            parent,
            about or {},
            phase=phase or phase_of_service(self.name),
            links=links,
        )

    async def _span_of_order(self, order: Order[Any]) -> AbstractContextManager[Span]:
        """A command about a task goes on in its trace, and is linked to where it came from."""
        task = getattr(order.data, "task", None)
        about = {TENANT: order.tenant, TASK: task}
        if isinstance(task, UUID):
            parent = await self.traces.of_task(order.tenant, task)
            if parent is not None:
                links = link_from(order.traceparent)
                return self._span(order.handler, parent, None, about, links)
        return self._span(order.handler, order.traceparent, None, about)

    def _parking(self) -> Parking:
        return Parking(
            self.store,
            self.orders,
            self.recorder,
            self.subjects,
            events=self._events,
            commands=self._commands,
            translate=_translate,
            on_parked=self.telemetry.metrics.parked,
        )

    def _subscribe(
        self, stream: str, spec: HandlerSpec, decode: Callable[[NatsMessage], Awaitable[Any]]
    ) -> Any:
        return bus_subscriber(
            self._broker,
            stream=stream,
            durable=spec.durable,
            mapping=self._mapping,
            options=PullOptions(concurrency=spec.concurrency),
            inbox_prefix=inbox_prefix(self.name),
            decoder=decode,
            title=spec.name,
        )

    async def _listen(self) -> None:
        """Pull what is hot without the framework's pipeline, by the same loop and decisions."""
        for name, react_to in self._hot.items():
            spec = handler(name)
            pull = listener(
                self.nats,
                stream=EVENTS_STREAM,
                durable=spec.durable,
                call=react_to,
                mapping=self._mapping,
                options=PullOptions(concurrency=spec.concurrency),
                inbox_prefix=inbox_prefix(self.name),
            )
            self._pulls.append(pull)
            await pull.start()

    def _bus_trouble(self) -> str | None:
        if self._nc is not None and not self._nc.is_connected:
            return "not connected, reconnecting"
        found = [pull.trouble for pull in self._pulls if pull.trouble is not None]
        if self._broker.trouble is not None:
            found.append(self._broker.trouble)
        if self._publisher.trouble is not None:
            found.append(self._publisher.trouble)
        return "; ".join(found) or None

    async def _connect(self) -> Client:
        self._nc = await connect(
            self.settings.nats_url.split(","),
            name=self.name,
            inbox_prefix=inbox_prefix(self.name),
            seed_path=self.settings.nats_seed_file,
            on_reconnected=self._publisher.reconnected,
        )
        await self._publisher.start(self._nc)
        return self._nc

    @property
    def nats(self) -> Client:
        """The connection to the bus."""
        if self._nc is None:
            raise RuntimeError("the service has not been started")
        return self._nc

    async def _swept(self, name: str, row: StoredRow) -> None:
        _log.info("swept", extra={"handler": name, "position": row.position})
        self.telemetry.metrics.swept(name)
        try:
            await self._events[name](cue_of_row(name, row))
        except (ContractError, BlobCorrupt, BlobMissing) as error:
            if error.retryable:
                raise
            await self.store.park(name, row.event_id, f"{error.code}: {error}")
            self.telemetry.metrics.parked(name)

    async def _fire(self, row: TimerRow) -> None:
        await self._timers[row.handler](row)

    def _timer_failed(self, row: TimerRow | None, error: Exception) -> None:
        name = row.name if row is not None else "the look for due timers"
        _log.warning("timer %s: %s", name, error, exc_info=error)

    def _sweep_failed(self, name: str, row: StoredRow | None, error: Exception) -> None:
        _log.warning(
            "sweep of %s at %s: %s", name, row.position if row else "-", error, exc_info=error
        )

    async def _park(self, durable: str, delivery: Delivery, reason: str) -> None:
        """Write down that a message was given up, if it stands for something in the log."""
        name = _handler_of(durable)
        self.telemetry.metrics.parked(name)
        if delivery.about.stream == EVENTS_STREAM:
            try:
                message = delivery.message
                cue = cue_of_message(name, self.subjects, message.subject, message.data)
            except ContractError:
                return  # No event of ours: the dead letter is all there is to say of it.
            rows = await self.store.read_stream(cue.stream, cue.version - 1, 1)
            if rows and rows[0].event_id == cue.id:
                await self.store.park(name, cue.id, reason)
            return
        await self.orders.park(name, delivery.message.subject, delivery.message.data, reason)

    def _count(self, durable: str, outcome: Outcome, seconds: float) -> None:
        meter = self._meters.get(durable)
        if meter is None:
            name = _handler_of(durable)
            meter = self._meters[durable] = self.telemetry.metrics.handler(name)
        meter.done(outcome.value, seconds)

    def _loops(self) -> Iterator[StandingPull]:
        yield from self._pulls
        yield from (one.pull for one in self._broker.durables if one.pull is not None)

    def _rests(self) -> Mapping[str, float]:
        return {_handler_of(pull.durable): pull.counters.outages for pull in self._loops()}

    def _pull_failures(self) -> Mapping[str, float]:
        return {_handler_of(pull.durable): pull.counters.failures for pull in self._loops()}


def _handler_of(durable: str) -> str:
    """The handler's name in the catalogue."""
    return durable.replace("-", ".", 1)


def _one(message: NatsMessage) -> Msg:
    """The raw message; our loop hands them over one at a time."""
    raw = message.raw_message
    if isinstance(raw, list):
        raise TypeError("a batch where one message was expected")
    return raw


class _DeadLettersLater(DeadLetters):
    """Dead letters on the connection that the service will have once it is started."""

    def __init__(self, service: Service) -> None:
        self._service = service

    @override
    async def tell(self, delivery: Delivery, reason: str) -> DeadLetter:
        letters = DeadLetters(self._service.nats, self._service.subjects.parked)
        return await letters.tell(delivery, reason)


def _translate(error: Exception) -> Exception | None:
    if isinstance(error, StoreUnavailable):
        return Outage("database", str(error))
    if isinstance(error, BlobCorrupt | BlobMissing):
        # No further try reads other bytes: fail closed, and say so at once.
        return Terminal(f"{error.code}: {error}")
    return None
