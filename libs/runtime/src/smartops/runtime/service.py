"""The floor under every service: store, bus, timers and sweeps joined to its handlers.

A handler is a coroutine function for one entry of the catalogue. It is called for each message,
for each event that a sweep finds unhandled, and must not care which: the inbox settles repeats.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sized
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

from faststream.nats.message import NatsMessage
from nats.aio.msg import Msg
from smartops.bus.errors import Retryable
from smartops.bus.topology import COMMANDS_STREAM, EVENTS_STREAM
from smartops.contracts.catalogue import HANDLERS, HandlerSpec, handler
from smartops.contracts.errors import ContractError
from smartops.contracts.subjects import Subjects
from smartops.contracts.wire import EventData
from smartops.eventstore.errors import BlobCorrupt, BlobMissing
from smartops.eventstore.results import Already, Committed, Conflict
from smartops.eventstore.rows import StoredRow, TimerRow
from smartops.eventstore.store import EventStore
from smartops.eventstore.sweeps import Handler, Sweeper
from smartops.eventstore.timers import Timers
from smartops.eventstore.units import ReadCondition, Trigger, Unit
from smartops.redact import blanked
from smartops.runtime.cues import Cue, Order, cue_of_message, cue_of_row
from smartops.runtime.failpoints import ARMED, reach
from smartops.runtime.listening import Listening, one, translate
from smartops.runtime.metering import meter
from smartops.runtime.orders import Orders
from smartops.runtime.parking import Parking
from smartops.runtime.people import People
from smartops.runtime.plans import Plans
from smartops.runtime.publisher import Publisher
from smartops.runtime.reactor import Reaction, Reactor
from smartops.runtime.recording import Cause, Recorder
from smartops.runtime.rights import Rights
from smartops.runtime.settings import ServiceSettings
from smartops.runtime.spans import Spans
from smartops.runtime.traces import Traces
from smartops.runtime.views import Views
from smartops.runtime.watch import Look, Watch
from smartops.telemetry.attributes import Phase
from smartops.telemetry.bundle import Telemetry
from smartops.telemetry.probes import Probe

__all__ = ["Service"]

_ACKED_S = 0.1
"""Seconds, for proofs, after which an acknowledgement has certainly left."""

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
        self._rights = Rights(People(store), settings.command_roles)
        self.traces = Traces(self.store)
        self._spans = Spans(name, telemetry.tracer, self.traces)
        own = [spec for spec in HANDLERS if spec.service == name]
        self.watch = Watch(self.store, telemetry.metrics, own)
        self._timers: dict[str, Callable[[TimerRow], Awaitable[None]]] = {}
        self._caches: list[Sized] = [self.views, self.plans, self.traces]
        self._notes: list[Probe] = []
        self._events: dict[str, Callable[[Cue], Awaitable[None]]] = {}
        self._commands: dict[str, Callable[[str, bytes], Awaitable[None]]] = {}
        self._publisher = Publisher(name, store, settings, self.subjects)
        self._parking = Parking(
            store,
            self.orders,
            self.recorder,
            self.subjects,
            events=self._events,
            commands=self._commands,
            translate=translate,
            on_parked=telemetry.metrics.parked,
        )
        self._listening = Listening(
            name,
            settings,
            telemetry.metrics,
            self.subjects,
            self._publisher,
            self._parking.give_up,
        )
        self._wheel = Timers(self.store, self._fire, on_error=self._timer_failed)
        self._sweeper: Sweeper | None = None
        self._afterwards: set[asyncio.Task[None]] = set()
        telemetry.metrics.read_gauge(
            "remembered",
            "Entries of the caches, all of them bounded.",
            lambda: sum(map(len, self._caches)),
        )
        if any(spec.name == f"{name}.parked" for spec in own):
            self.on_command(f"{name}.parked")(self._parking.retry)

    # ---- what a service declares ----------------------------------------------------------

    def reactor(
        self, initial: S, evolve: Callable[[S, EventData], S], *, newest: int | None = None
    ) -> Reactor[S]:
        """A reactor for one kind of this service's streams.

        Args:
            initial: the state before the first event.
            evolve: folds one event.
            newest: see `Folds`; for streams without an end.
        """
        reactor = Reactor(
            self.store,
            self.recorder,
            initial=initial,
            evolve=evolve,
            observe=partial(meter, self.telemetry.metrics),
            newest=newest,
        )
        self._caches.append(reactor.folds)
        return reactor

    def on_event(self, name: str) -> Callable[[F], F]:
        """Register the handler of events called `name` in the catalogue; it takes a `Cue`."""
        spec = self._spec(name)

        def register(function: F) -> F:
            async def react(cue: Cue) -> None:
                with self._spans.of_event(cue) as span:
                    await function(replace(cue, traceparent=span.traceparent))
                self.traces.note(cue, span.traceparent)

            self._events[name] = react

            def read(message: Msg) -> Cue:
                return cue_of_message(name, self.subjects, message.subject, message.data)

            async def decode(message: NatsMessage) -> Cue:
                return read(one(message))

            async def react_to(message: Msg) -> None:
                cue = read(message)
                await react(cue)
                if ARMED:
                    await reach("ack.before", cue.task)
                    # As soon as this returns, it is acknowledged.
                    asyncio.get_running_loop().call_later(_ACKED_S, _tell_acked, cue)

            if spec.hot:
                self._listening.subscribe_hot(spec, react_to)
            else:
                self._listening.subscribe(EVENTS_STREAM, spec, decode)(react)
            return function

        return register

    def on_command(self, name: str) -> Callable[[F], F]:
        """Register the handler of commands called `name`: from an `Order` to a `Reaction`.

        A command that breaks its contract is refused by event and never reaches the handler.
        """
        spec = self._spec(name)

        def register(function: F) -> F:
            async def decode(message: NatsMessage) -> Order[Any] | None:
                raw = one(message)
                parent = raw.headers.get(TRACEPARENT) if raw.headers else None
                return await self.orders.read(name, raw.subject, raw.data, parent)

            async def obey(order: Order[Any] | None) -> None:
                if order is None:
                    return
                refusal = await self._rights.refusal(order)
                if refusal is not None:
                    await self.orders.refuse(order, refusal)
                    return
                with await self._spans.of_order(order) as span:
                    traced = replace(order, traceparent=span.traceparent)
                    if await function(traced) is Reaction.ALREADY:
                        await self.orders.check_reuse(order)

            async def take(subject: str, raw: bytes) -> None:
                await obey(await self.orders.read(name, subject, raw))

            self._commands[name] = take
            self._listening.subscribe(COMMANDS_STREAM, spec, decode)(obey)
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
                with await self._spans.of_timer(row, phase, task_of(row)):
                    await function(row)

            self._timers[name] = fire
            return function

        return register

    # ---- what handlers use -----------------------------------------------------------------

    def cause(self, cue: Cue, task: UUID | None) -> Cause:
        """The cause of what follows from an event."""
        return Cause(Trigger(cue.handler, cue.id), task, cue.traceparent)

    async def nothing_follows(self, cue: Cue, version: int | None = None) -> Reaction:
        """Note that an event was looked at and calls for nothing; else sweeps find it for ever.

        Args:
            cue: the event.
            version: of its stream, that this rests on; None if it holds whatever comes.

        Raises:
            Retryable: the stream has moved on; look again.
        """
        unit = Unit(
            triggers=[Trigger(cue.handler, cue.id)],
            reads=[] if version is None else [ReadCondition(cue.stream, version)],
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

    def carry_on(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Finish what a trigger began and no longer waits for: its handler is free for the next.

        What goes wrong is logged; whatever depends on the work must be found by a timer. A stop
        waits for it, as long as for handlers.

        Args:
            work: what is left to do.
            name: for people.
        """
        task = asyncio.create_task(work, name=name)
        self._afterwards.add(task)
        task.add_done_callback(self._carried_on)

    # ---- life ------------------------------------------------------------------------------

    def probes(self) -> list[Probe]:
        """What this process needs in order to work, for readiness."""
        return [
            Probe("database", lambda: self.store.trouble),
            Probe("bus", lambda: self._listening.trouble),
            *self.watch.probes(),
            *self._notes,
        ]

    def needs(self, name: str, look: Look) -> None:
        """Be ready only while a look at this finds nothing wrong; before `start`."""
        self.watch.also(name, look)

    def tells(self, name: str, note: Callable[[], str]) -> None:
        """Say on the readiness page how a part works; it makes nobody unready."""
        self._notes.append(Probe(name, lambda: None, note))

    async def start(self) -> None:
        """Come up; returns once messages are being handled."""
        await self._listening.start()
        handlers = [
            Handler(name, spec.topics, (spec.party,) if spec.party is not None else None)
            for name in self._events
            if (spec := handler(name))
        ]
        self._sweeper = Sweeper(self.store, handlers, self._swept, on_error=self._sweep_failed)
        await self._sweeper.start()
        await self._wheel.start()
        await self.watch.start(self._listening.nats)
        _log.info("ready")

    async def stop(self) -> None:
        """Go down in order: no new work, finish what is in hand, publish, close."""
        await self.watch.stop()
        await self._wheel.stop()
        if self._sweeper is not None:
            await self._sweeper.stop()
        await self._listening.stop()
        if self._afterwards:
            grace = self.settings.shutdown_grace.total_seconds()
            await asyncio.wait(self._afterwards, timeout=grace)
        await self._publisher.stop()
        await self._listening.close()
        await self.store.close()

    # ---- inside ----------------------------------------------------------------------------

    def _spec(self, name: str) -> HandlerSpec:
        spec = handler(name)
        if spec.service != self.name:
            raise ValueError(f"{name} is a handler of {spec.service}, not of {self.name}")
        return spec

    async def _swept(self, name: str, row: StoredRow) -> None:
        _log.info("swept", extra={"handler": name, "position": row.position})
        self.telemetry.metrics.swept(name)
        try:
            await self._events[name](cue_of_row(name, row))
        except (ContractError, BlobCorrupt, BlobMissing) as error:
            if error.retryable:
                raise
            await self.store.park(name, row.event_id, blanked(f"{error.code}: {error}"))
            self.telemetry.metrics.parked(name)

    async def _fire(self, row: TimerRow) -> None:
        await self._timers[row.handler](row)

    def _timer_failed(self, row: TimerRow | None, error: Exception) -> None:
        name = row.name if row is not None else "the look for due timers"
        _log.warning("timer %s: %s", name, error, exc_info=error)

    def _carried_on(self, task: asyncio.Task[None]) -> None:
        self._afterwards.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.warning("%s: %s", task.get_name(), error, exc_info=error)

    def _sweep_failed(self, name: str, row: StoredRow | None, error: Exception) -> None:
        _log.warning(
            "sweep of %s at %s: %s", name, row.position if row else "-", error, exc_info=error
        )


_acked: set[asyncio.Task[None]] = set()


def _tell_acked(cue: Cue) -> None:
    task = asyncio.ensure_future(reach("ack.after", cue.task))
    _acked.add(task)
    task.add_done_callback(_acked.discard)
