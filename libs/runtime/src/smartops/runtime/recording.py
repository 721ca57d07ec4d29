"""From decisions to units: ids, versions, parties, subjects and bytes of new events."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from smartops.contracts.catalogue import EVENTS
from smartops.contracts.envelope import EventMeta, encode
from smartops.contracts.events import (
    ActorDelegated,
    ActorDelegationEnded,
    AutonomyChanged,
    CommandAnswered,
    CommandRefused,
    ParkedRetried,
    PiiErased,
    PiiRevealed,
    StandingGiven,
    StandingRevoked,
    StandingUsed,
    ToolCallCompleted,
    ToolCallDenied,
    ToolCallDispatched,
    ToolCallFailed,
    ToolCallRequested,
    ToolCallSettled,
    ToolCallUncertain,
)
from smartops.contracts.ids import event_id, named_id, timer_id
from smartops.contracts.streams import parse_stream
from smartops.contracts.streams import stream as stream_name
from smartops.contracts.subjects import NO_PARTY, Subjects
from smartops.contracts.wire import EventData
from smartops.eventstore.units import (
    Citation,
    NewEvent,
    ReadCondition,
    TimerCancel,
    TimerSet,
    Trigger,
    Unit,
    Write,
)
from smartops.runtime.cues import Order
from smartops.runtime.decision import Answer, Decision, Elsewhere, Refusal, SetTimer, Timer
from smartops.telemetry.traceparent import current_traceparent

__all__ = ["Cause", "Entangled", "Recorder", "UnitBuilder", "command_stream"]


@dataclass(frozen=True, slots=True)
class Cause:
    """What made us decide, with all that its events inherit from it."""

    trigger: Trigger
    task: UUID | None
    traceparent: str | None = field(default_factory=current_traceparent)
    """What the events go on from; unless said otherwise, the work around the making of this."""
    order: Order[Any] | None = None
    """The command, if it is one: a refusal is addressed to who gave it."""


class Recorder:
    """Makes the events of one service."""

    def __init__(self, service: str, subjects: Subjects) -> None:
        self.service = service
        self.subjects = subjects

    def event(
        self,
        stream: str,
        version: int,
        data: EventData,
        cause: Cause,
        ordinal: int,
        now: datetime,
    ) -> NewEvent:
        """An event as the store takes it.

        Args:
            stream: where it goes.
            version: which version it will be there.
            data: what happened.
            cause: why.
            ordinal: its place among the events that this cause writes to this stream.
            now: the database's clock.
        """
        ref = parse_stream(stream)
        key = data.type_key()
        spec = EVENTS[key]
        if spec.decided_by.get(self.service) != ref.category:
            raise ValueError(f"{self.service} may not say {key} in {stream}")
        party = self._party(data)
        entity = _entity(stream, data, cause.task)
        ident = event_id(cause.trigger.cause, stream, ordinal)
        meta = EventMeta(
            id=ident,
            tenant=ref.tenant,
            stream=stream,
            version=version,
            entity=entity,
            task=cause.task,
            cause=cause.trigger.cause,
            party=party,
            time=now,
            traceparent=cause.traceparent,
        )
        subject = (
            self.subjects.event(ref.tenant, data.topic, data.schema_version, party, entity)
            if spec.published
            else None
        )
        return NewEvent(
            event_id=ident,
            topic=key,
            task=cause.task,
            cause=cause.trigger.cause,
            party=party,
            state=encode(meta, data),
            subject=subject,
        )

    def _party(self, data: EventData) -> str:
        match data:
            case ToolCallRequested():
                return self.service
            case ToolCallDenied() | ToolCallSettled():
                return data.requester
            case (
                ToolCallDispatched() | ToolCallCompleted() | ToolCallFailed() | ToolCallUncertain()
            ):
                return data.facts.requester
            case _:
                return NO_PARTY


class Entangled(ValueError):
    """Two decisions cannot share a unit; each is fine alone."""


@dataclass(slots=True)
class _Part:
    """What one decision brings into a unit."""

    trigger: Trigger
    events: list[NewEvent] = field(default_factory=list)
    others: dict[str, Write] = field(default_factory=dict)
    said: list[EventData] = field(default_factory=list)


@dataclass(slots=True)
class UnitBuilder:
    """Collects the decisions of several triggers on one stream into one unit."""

    recorder: Recorder
    stream: str
    version: int
    """The version that the first decision was made on."""
    now: datetime
    triggers: list[Trigger] = field(default_factory=list)
    events: list[NewEvent] = field(default_factory=list)
    others: dict[str, Write] = field(default_factory=dict)
    reads: dict[str, int] = field(default_factory=dict)
    timers: dict[UUID, TimerSet | TimerCancel] = field(default_factory=dict)
    """The last word about each."""
    cites: list[Citation] = field(default_factory=list)
    blobs: list[bytes] = field(default_factory=list)
    said: list[EventData] = field(default_factory=list)
    """All events of the unit, wherever they go."""

    def add(self, cause: Cause, decision: Decision) -> None:
        """Add what follows from one trigger; if that cannot be, nothing has changed.

        Raises:
            Entangled: it writes another stream that the unit writes already, or rests on another
                version of a stream than a decision before it. Decide it in a unit of its own.
            ValueError: it says what this service may not say, or refuses what is no command.
        """
        part = self._part(cause, decision)
        # A write states its stream's version itself.
        rests = {n: v for n, v in decision.reads if n != self.stream and n not in part.others}
        for name in part.others:
            if name in self.others or name in self.reads:
                raise Entangled(f"{name} is written twice in one unit, or read and written")
        for name, version in rests.items():
            if self.reads.get(name, version) != version or name in self.others:
                raise Entangled(f"{name} is named twice in one unit, in two versions")
        self.events += part.events
        self.others.update(part.others)
        self.said += part.said
        self.reads.update(rests)
        for timer in map(self._timer, decision.timers):
            self.timers[timer.timer_id] = timer
        self.cites += [Citation(*cite) for cite in decision.cites]
        self.blobs += decision.blobs
        self.triggers.append(part.trigger)

    def unit(self) -> Unit:
        """All of it, to be stored or refused as one.

        The version is a condition also when nothing is written: a decision that nothing follows
        must not rest on a stale cache, or it would swallow work.
        """
        writes: list[Write] = []
        reads = dict(self.reads)
        if self.events:
            writes.append(Write(self.stream, self.version, self.events))
            reads.pop(self.stream, None)
        else:
            reads[self.stream] = self.version
        writes.extend(self.others.values())
        return Unit(
            triggers=self.triggers,
            writes=writes,
            reads=[ReadCondition(name, version) for name, version in reads.items()],
            cites=self.cites,
            timers=list(self.timers.values()),
            blobs=self.blobs,
            tenant=parse_stream(self.stream).tenant,
        )

    def _part(self, cause: Cause, decision: Decision) -> _Part:
        part = _Part(cause.trigger, said=list(decision.events))
        for ordinal, data in enumerate(decision.events):
            part.events.append(self._own(part, data, cause, ordinal))
        for write in decision.elsewhere:
            self._elsewhere(part, write, cause)
        if decision.refusal is not None:
            part.trigger = replace(cause.trigger, outcome="refused")
            self._refuse(part, cause, decision.refusal)
        if decision.answer is not None:
            self._answer(part, cause, decision.answer)
        return part

    def _own(self, part: _Part, data: EventData, cause: Cause, ordinal: int) -> NewEvent:
        version = self.version + len(self.events) + len(part.events) + 1
        return self.recorder.event(self.stream, version, data, cause, ordinal, self.now)

    def _elsewhere(self, part: _Part, write: Elsewhere, cause: Cause) -> None:
        if write.stream in part.others or write.stream == self.stream:
            raise ValueError(f"{write.stream} is written twice by one decision")
        part.said.extend(write.events)
        part.others[write.stream] = Write(
            write.stream,
            write.expected,
            [
                self.recorder.event(
                    write.stream, write.expected + 1 + ordinal, data, cause, ordinal, self.now
                )
                for ordinal, data in enumerate(write.events)
            ],
        )

    def _refuse(self, part: _Part, cause: Cause, refusal: Refusal) -> None:
        order = cause.order
        if order is None:
            raise ValueError("only commands are refused")
        answer = CommandRefused(
            command=order.key,
            name=order.name,
            principal=order.principal,
            code=refusal.code,
            field=refusal.field,
            message=refusal.message[:4000],
            content=order.content,
            decisions=refusal.decisions,
        )
        self._tell(part, cause, order, answer)

    def _answer(self, part: _Part, cause: Cause, given: Answer) -> None:
        order = cause.order
        if order is None:
            raise ValueError("only commands are answered")
        answer = CommandAnswered(
            command=order.key,
            name=order.name,
            principal=order.principal,
            outcome=given.outcome,
            message=given.message[:4000],
        )
        self._tell(part, cause, order, answer)

    def _tell(self, part: _Part, cause: Cause, order: Order[Any], answer: EventData) -> None:
        stream = command_stream(order)
        if stream == self.stream:
            part.events.append(self._own(part, answer, cause, 0))
            part.said.append(answer)
        else:
            self._elsewhere(part, Elsewhere(stream, 0, [answer]), cause)

    def _timer(self, timer: Timer) -> TimerSet | TimerCancel:
        ident = timer_id(self.stream, timer.name)
        if isinstance(timer, SetTimer):
            return TimerSet(ident, timer.handler, self.stream, timer.name, timer.due, timer.payload)
        return TimerCancel(ident)


def command_stream(order: Order[Any]) -> str:
    """The stream of answers to a command."""
    return stream_name(order.tenant, "cmd", order.key)


def _entity(stream: str, data: EventData, task: UUID | None) -> str:
    match data:
        case CommandRefused() | CommandAnswered() | ParkedRetried() | PiiErased() | PiiRevealed():
            return str(data.command)
        case ActorDelegated() | ActorDelegationEnded():
            return str(data.delegation)
        case StandingGiven() | StandingUsed() | StandingRevoked():
            return str(data.standing)
        case AutonomyChanged() if (about := data.command or data.task) is not None:
            return str(about)
        case (
            ToolCallRequested()
            | ToolCallDenied()
            | ToolCallDispatched()
            | ToolCallCompleted()
            | ToolCallFailed()
            | ToolCallUncertain()
            | ToolCallSettled()
        ):
            return str(data.call)
        case _ if task is not None:
            return str(task)
        case _:
            return str(named_id("entity", stream))
