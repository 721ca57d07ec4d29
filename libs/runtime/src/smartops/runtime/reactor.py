"""Deciding on one stream: fold, decide, append; again if the stream moved on meanwhile.

One unit per stream is in flight per process. Triggers that arrive for a stream in the meantime
wait, and are then decided one after the other, each on the state the previous one left, and stored
as one unit: fewer commits exactly where there is a crowd.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar, cast
from uuid import UUID

from smartops.contracts.envelope import read_data
from smartops.contracts.wire import EventData
from smartops.eventstore.folds import Folded, Folds
from smartops.eventstore.results import Already, Committed, Conflict
from smartops.eventstore.rows import StoredRow
from smartops.eventstore.store import EventStore
from smartops.runtime.decision import Decision
from smartops.runtime.recording import Cause, Entangled, Recorder, UnitBuilder

__all__ = ["Decide", "Reaction", "Reactor", "decode"]

S = TypeVar("S")

Decide = Callable[[S, bool], Awaitable[Decision]]
"""Decides on the state; the flag asks for fresh views of foreign streams, after a conflict."""

MAX_CROWD = 64
"""Triggers decided into one unit."""


class Reaction(StrEnum):
    """How a trigger ended."""

    DONE = "done"
    ALREADY = "already"
    """It had been handled before; nothing was stored now."""


@dataclass(slots=True)
class _Waiting(Generic[S]):
    cause: Cause
    decide: Decide[S]
    new: bool
    done: asyncio.Future[Reaction]


def decode(row: StoredRow) -> EventData:
    """The event in a row of the log."""
    return read_data(row.topic, row.state)


class Reactor(Generic[S]):
    """Decides for one kind of stream of a service."""

    def __init__(
        self,
        store: EventStore,
        recorder: Recorder,
        *,
        initial: S,
        evolve: Callable[[S, EventData], S],
        observe: Callable[[EventData], None] | None = None,
        newest: int | None = None,
    ) -> None:
        self.folds: Folds[S] = Folds(
            store, initial=initial, decode=decode, evolve=evolve, newest=newest
        )
        self._store = store
        self._recorder = recorder
        self._evolve = evolve
        self._observe = observe
        self._queues: dict[str, deque[_Waiting[S]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def react(
        self, stream: str, cause: Cause, decide: Decide[S], *, new: bool = False
    ) -> Reaction:
        """Decide on a trigger and store what follows, exactly once.

        Args:
            stream: the stream that decides.
            cause: the trigger.
            decide: see `Decide`; called again after a conflict.
            new: the stream most likely does not exist yet, so it is not read first. If it does,
                the append says so, and the decision is made again on what is there.

        Raises:
            Exception: what `decide` raised; its neighbours in the crowd are not harmed.
            StoreUnavailable: the database is away; nothing was decided.
        """
        done: asyncio.Future[Reaction] = asyncio.get_running_loop().create_future()
        waiting = _Waiting(cause, decide, new, done)
        queue = self._queues.get(stream)
        if queue is not None:
            queue.append(waiting)
        else:
            self._queues[stream] = deque((waiting,))
            task = asyncio.create_task(self._drain(stream), name=f"react {stream}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(done)

    async def _drain(self, stream: str) -> None:
        queue = self._queues[stream]
        while queue:
            crowd = _take(queue)
            try:
                await self._settle(stream, crowd, queue)
            except Exception as error:  # noqa: BLE001 - handed to those who wait.
                for waiting in crowd:
                    if not waiting.done.done():
                        waiting.done.set_exception(error)
        # No await since the queue was seen empty: nobody can have joined it.
        del self._queues[stream]

    async def _settle(
        self, stream: str, crowd: list[_Waiting[S]], queue: deque[_Waiting[S]]
    ) -> None:
        fresh = False
        while crowd:
            folded = await self._load(stream, crowd, fresh=fresh)
            state, builder, crowd, apart = await self._decide(stream, folded, crowd, fresh=fresh)
            queue.extendleft(reversed(apart))
            if not crowd:
                return
            result = await self._store.append(builder.unit())
            match result:
                case Committed():
                    self._remember(stream, folded, state, builder)
                    if self._observe is not None:
                        for event in builder.said:
                            self._observe(event)
                    for waiting in crowd:
                        _finish(waiting, Reaction.DONE)
                    return
                case Already():
                    settled = set(result.causes)
                    for waiting in crowd:
                        if waiting.cause.trigger.cause in settled:
                            _finish(waiting, Reaction.ALREADY)
                    crowd = [w for w in crowd if w.cause.trigger.cause not in settled]
                    fresh = True
                case Conflict():
                    fresh = True

    async def _load(self, stream: str, crowd: list[_Waiting[S]], *, fresh: bool) -> Folded[S]:
        if not fresh and all(waiting.new for waiting in crowd):
            return self.folds.peek(stream) or self.folds.nothing
        return await self.folds.load(stream, fresh=fresh)

    async def _decide(
        self, stream: str, folded: Folded[S], crowd: list[_Waiting[S]], *, fresh: bool
    ) -> tuple[S, UnitBuilder, list[_Waiting[S]], list[_Waiting[S]]]:
        """Decide each on what the one before left.

        Who raises is told and left out; who cannot share the unit waits for the next one.
        """
        builder = UnitBuilder(self._recorder, stream, folded.version, self._store.db_now())
        state = folded.state
        kept: list[_Waiting[S]] = []
        apart: list[_Waiting[S]] = []
        for waiting in crowd:
            try:
                decision = await waiting.decide(state, fresh)
                builder.add(waiting.cause, decision)
            except Entangled:
                apart.append(waiting)
                continue
            except Exception as error:  # noqa: BLE001 - handed to the one who asked.
                if not waiting.done.done():
                    waiting.done.set_exception(error)
                continue
            state = self._after(state, decision)
            kept.append(waiting)
        return state, builder, kept, apart

    def _after(self, state: S, decision: Decision) -> S:
        if decision.after is not None:
            return cast("S", decision.after)
        for event in decision.events:
            state = self._evolve(state, event)
        return state

    def _remember(self, stream: str, folded: Folded[S], state: S, builder: UnitBuilder) -> None:
        if not builder.events:
            return
        self.folds.put(
            stream,
            Folded(
                state,
                folded.version + len(builder.events),
                folded.ids + tuple(event.event_id for event in builder.events),
                folded.topics + tuple(event.topic for event in builder.events),
            ),
            sum(len(event.state) for event in builder.events),
        )


def _take(queue: deque[_Waiting[S]]) -> list[_Waiting[S]]:
    """The next crowd: each trigger once, since a unit names it once; its echo comes later."""
    crowd: list[_Waiting[S]] = []
    echoes: list[_Waiting[S]] = []
    seen: set[tuple[str, UUID]] = set()
    while queue and len(crowd) < MAX_CROWD:
        waiting = queue.popleft()
        trigger = waiting.cause.trigger
        if (trigger.handler, trigger.cause) in seen:
            echoes.append(waiting)
        else:
            seen.add((trigger.handler, trigger.cause))
            crowd.append(waiting)
    queue.extendleft(reversed(echoes))
    return crowd


def _finish(waiting: _Waiting[S], reaction: Reaction) -> None:
    if not waiting.done.done():
        waiting.done.set_result(reaction)
