"""Somebody with the credentials of a service: its role in the database, its key on the bus."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from random import Random
from uuid import UUID

from smartops.bus.api import BusClient
from smartops.contracts.wire import EventData
from smartops.devstack.stack import Stack
from smartops.eventstore import Committed, EventStore, NewEvent, Trigger, Unit, Write
from smartops.runtime.recording import Cause, Recorder

from benchmarks.lib.superuser import on_the_bus

__all__ = ["Adversary"]


class Adversary:
    """Appends what it likes as a service, and tells others of it as that service does.

    Args:
        service: whose credentials these are.
        stack: where.
        store: connected as its role.
        nats: connected with its key.
        random: of what it makes up.
    """

    def __init__(
        self, service: str, stack: Stack, store: EventStore, nats: BusClient, random: Random
    ) -> None:
        self.service = service
        self.tenant = stack.options.tenant
        self.store = store
        self.recorder = Recorder(service, stack.subjects)
        self._nats = nats
        self._random = random

    @classmethod
    @asynccontextmanager
    async def break_in(cls, service: str, stack: Stack, random: Random) -> AsyncIterator[Adversary]:
        """Come in, and leave at the end."""
        role = f"smartops_{service}"
        store = await EventStore.connect(stack.postgres.dsn(role, stack.passwords[role]))
        try:
            async with on_the_bus(stack, service) as nats:
                yield cls(service, stack, store, nats, random)
        finally:
            await store.close(timedelta(seconds=1))

    def cause(self, task: UUID | None) -> Cause:
        """A reason, made up."""
        ident = UUID(int=self._random.getrandbits(128), version=4)
        return Cause(Trigger(f"{self.service}.calls", ident), task)

    def event(
        self, name: str, version: int, data: EventData, task: UUID | None, ordinal: int = 0
    ) -> NewEvent:
        """An event as the service would make it."""
        return self.recorder.event(
            name, version, data, self.cause(task), ordinal, self.store.db_now()
        )

    async def say(
        self,
        name: str,
        version: int,
        task: UUID | None,
        said: Sequence[EventData],
        *,
        blobs: Sequence[bytes] = (),
    ) -> list[NewEvent]:
        """Append to a stream that stands at a version, and tell of it.

        Raises:
            EventStoreError: the database does not let it.
            AssertionError: somebody else wrote there.
        """
        events = [
            self.event(name, version + place, data, task, place)
            for place, data in enumerate(said, 1)
        ]
        await self.append(name, version, events, blobs=blobs)
        return events

    async def append(
        self, name: str, version: int, events: Sequence[NewEvent], *, blobs: Sequence[bytes] = ()
    ) -> None:
        """Append events as they are, and tell of them.

        Raises:
            EventStoreError: the database does not let it.
            AssertionError: somebody else wrote there.
        """
        cause = self.cause(None)
        unit = Unit([cause.trigger], [Write(name, version, events)], blobs=blobs)
        done = await self.store.append(unit)
        assert isinstance(done, Committed), f"{name} does not stand at {version}: {done}"
        for event in events:
            if event.subject is not None:
                await self.tell(event.subject, event.state)

    async def tell(self, subject: str, state: bytes) -> None:
        """Publish; whether the bus takes it is the bus's to say."""
        await self._nats.publish(subject, state)

    async def flush(self) -> None:
        """Wait until the bus has taken all that was told."""
        await self._nats.flush()


def silent(event: NewEvent) -> NewEvent:
    """The same event, told to nobody."""
    return replace(event, subject=None)
