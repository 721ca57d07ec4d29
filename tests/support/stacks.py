"""A whole installation with people at it, and what an intruder could try on it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import nats
from nats.aio.client import Client as Nats
from smartops.bus.api import API, api_request
from smartops.bus.connection import close, connect
from smartops.bus.topology import DLQ_STREAM
from smartops.bus.users import MONITOR, inbox_prefix
from smartops.contracts.commands import IntentContext, IntentSubmit, Scope, WantedStep
from smartops.contracts.events import CommandRefused, TaskApprovalGranted, TaskApprovalRequired
from smartops.contracts.ids import command_key
from smartops.contracts.wire import Environment, EventData
from smartops.devstack.files import private_directory, write_private
from smartops.devstack.stack import Stack, StackOptions, running_stack
from smartops.eventstore import EventStore
from smartops.sdk import Client, Profile
from smartops.sdk.bus import Bus
from smartops.sdk.course import fold
from smartops.sdk.event import Event

__all__ = ["PEOPLE", "House", "Intruder", "comes_true", "house_at", "intruder", "store_of"]

T = TypeVar("T")
E = TypeVar("E", bound=EventData)

PATIENCE = 30.0
"""Seconds within which whatever is awaited must come."""

PEOPLE = ("operator", "operator-phone", "approver", "stranger")
"""Credentials. The first two are one person, the last is nobody that the directory knows."""

_ACTORS = [
    {
        "tenant": "acme",
        "name": "olga",
        "roles": ["operator", "approver", "autonomy-admin", "policy-admin"],
        "principals": [
            {"issuer": "local", "subject": "operator"},
            {"issuer": "local", "subject": "operator-phone"},
        ],
    },
    {
        "tenant": "acme",
        "name": "ada",
        "roles": ["approver", "autonomy-admin", "policy-admin"],
        "principals": [{"issuer": "local", "subject": "approver"}],
    },
]


class House:
    """A running stack, the people at it, and the servers that no test has taken yet."""

    def __init__(self, stack: Stack, people: dict[str, Client], bus: Bus) -> None:
        self.stack = stack
        self.people = people
        self.operator = people["operator"]
        self.approver = people["approver"]
        self.reader = self.operator.reader
        self.tenant = stack.options.tenant
        self._bus = bus
        self._free: list[str] = []

    async def take(self, count: int) -> tuple[str, ...]:
        """Servers for one test alone; all off their golden version."""
        if not self._free:
            self._free = [str(server["id"]) for server in await self.stack.fleet()]
        taken, self._free = self._free[:count], self._free[count:] or [""]
        assert len(taken) == count, "the fleet is too small for so many tests"
        return tuple(taken)

    # ---- asking ----------------------------------------------------------------------------

    async def drift(self, *servers: str) -> UUID:
        """Ask for these production servers to be brought onto their golden version."""
        intent = IntentSubmit(
            intent="Fix drift on production web servers",
            environment=Environment.PRODUCTION,
            context=IntentContext(scope=Scope(asset_ids=servers)),
        )
        return (await self.operator.submit(intent)).task

    async def patch(self, *servers: str, version: str = "2.4.1") -> UUID:
        """Ask for this version on production servers, step by step, whatever runs there now."""
        wanted = tuple(
            WantedStep(
                tool="apply_patch", target=server, arguments={"asset": server, "version": version}
            )
            for server in servers
        )
        intent = IntentSubmit(
            intent="Put the version onto the servers",
            environment=Environment.PRODUCTION,
            context=IntentContext(steps=wanted),
        )
        return (await self.operator.submit(intent)).task

    async def staged(self, *targets: str, approval: bool = False, steps: int = 1) -> UUID:
        """Ask for reversible writes in staging that change nothing anywhere."""
        wanted = tuple(
            WantedStep(tool="noop_write", target=target, arguments={"n": number})
            for target in targets
            for number in range(steps)
        )
        intent = IntentSubmit(
            intent="Do the usual in staging",
            environment=Environment.STAGING,
            context=IntentContext(steps=wanted, approval=approval),
        )
        return (await self.operator.submit(intent)).task

    async def approve(self, task: UUID, plan: int = 1) -> TaskApprovalGranted:
        """Approve what awaits approval, as the approver; of several plans the so-manieth."""
        required = await self.until(task, TaskApprovalRequired, times=plan)
        await self.approver.decide(task, required.plan_hash, required.assessment_hash, "approve")
        return await self.until(task, TaskApprovalGranted, times=plan)

    async def say(self, name: str, ident: str, payload: bytes) -> CommandRefused:
        """Send these very bytes as the operator's command; returns its refusal."""
        principal = self.stack.principals["operator"]
        key = command_key(self.tenant, principal, name, ident)
        refusals = self.stack.subjects.event_filter(
            CommandRefused.topic, tenant=self.tenant, entity=str(key)
        )
        subject = self.stack.subjects.command(self.tenant, name, 1, principal, ident)
        async with self._bus.listen([refusals]) as inbox:
            # A message id of its own: the server shall not drop what the service has to judge.
            await self._bus.send(
                subject, payload, name=name, message_id=f"{ident}{payload!r}"[:200]
            )
            event = await inbox.next(PATIENCE)
        assert event is not None, f"{payload!r} was not refused"
        assert isinstance(event.data, CommandRefused)
        return event.data

    # ---- awaiting --------------------------------------------------------------------------

    async def event(self, task: UUID, *kinds: type[E], times: int = 1) -> Event:
        """The first event of one of these kinds (or the n-th), which may be yet to come."""
        seen: list[str] = []
        async with asyncio.timeout(PATIENCE), aclosing(self.operator.watch(task)) as events:
            async for event in events:
                seen.append(event.topic)
                times -= isinstance(event.data, kinds)
                if times == 0:
                    return event
        raise AssertionError(f"the task ended without {kinds}: {seen}")

    async def until(self, task: UUID, kind: type[E], times: int = 1) -> E:
        """The data of that event."""
        data = (await self.event(task, kind, times=times)).data
        assert isinstance(data, kind)
        return data

    async def outcome(self, task: UUID) -> str | None:
        """How a task ended, once it has."""
        async with asyncio.timeout(PATIENCE), aclosing(self.operator.watch(task)) as events:
            return fold([event async for event in events]).outcome

    # ---- looking ---------------------------------------------------------------------------

    async def told(self, kind: type[E], task: UUID | None = None, *, after: int = 0) -> list[E]:
        """What the log says of a kind."""
        events = await self.reader.events(task, after=after)
        return [event.data for event in events if isinstance(event.data, kind)]

    async def shows(self, task: UUID, status: str) -> None:
        """Wait until people are shown this status of a task."""

        async def shown() -> bool:
            rows = await self.reader.tasks(status=status, limit=100)
            return any(row["task"] == task for row in rows)

        await comes_true(shown)

    async def head(self) -> int:
        """The position of the tenant's last event."""
        newest = await self.reader.newest_events(1)
        return newest[-1].position or 0 if newest else 0

    def lines(self) -> list[dict[str, Any]]:
        """All that the fleet has written down: requests, and what became of them."""
        text = (self.stack.home / "playground.record.jsonl").read_text("utf-8")
        return [json.loads(line) for line in text.splitlines()]

    def record(self) -> list[dict[str, Any]]:
        """Every write that has arrived at the fleet."""
        return [line for line in self.lines() if "method" in line]

    def writes(self, *servers: str) -> list[dict[str, Any]]:
        """Writes that have arrived at these servers."""
        return [line for line in self.record() if line["server"] in servers]

    async def versions(self, *servers: str) -> list[object]:
        """What runs on these servers."""
        fleet = {server["id"]: server["version"] for server in await self.stack.fleet()}
        return [fleet[server] for server in servers]

    @asynccontextmanager
    async def without_effect(self) -> AsyncIterator[None]:
        """Nothing that happens inside reaches the fleet, or the log but for refusals."""
        head, record = await self.head(), self.record()
        yield
        assert self.record() == record
        said = [event.topic for event in await self.reader.events(after=head)]
        assert set(said) <= {CommandRefused.type_key()}, said

    async def given_up(self, durable: str) -> int:
        """How many messages a durable has given up."""
        answer = await self._dead_letters()
        subject = self.stack.subjects.parked("SMARTOPS", durable)
        return int((answer["state"].get("subjects") or {}).get(subject, 0))

    async def _dead_letters(self) -> dict[str, Any]:
        connection = await connect(
            self.stack.nats.url,
            name=MONITOR,
            inbox_prefix=inbox_prefix(MONITOR),
            seed_path=self.stack.credentials.directory / f"{MONITOR}.nk",
            api=API,
        )
        try:
            subject = f"{API}.STREAM.INFO.{DLQ_STREAM}"
            return await api_request(connection, subject, {"subjects_filter": ">"})
        finally:
            await close(connection)


@asynccontextmanager
async def house_at(home: Path, **options: Any) -> AsyncIterator[House]:
    """A house with short windows; it moves on from what its home directory holds."""
    actors = private_directory(home) / "actors.json"
    if not actors.exists():
        write_private(actors, json.dumps(_ACTORS))
    chosen = StackOptions(
        **{
            "servers": 4,
            "persons": dict.fromkeys(PEOPLE, ()),
            "canary_window": timedelta(seconds=1),
            "wave_window": timedelta(milliseconds=300),
            "sample_interval": timedelta(milliseconds=100),
            **options,
        }
    )
    async with AsyncExitStack() as leaving:
        stack = await leaving.enter_async_context(running_stack(home, chosen, handle_signals=False))
        profile = Profile.load(home)
        people = {
            name: await leaving.enter_async_context(await Client.connect(profile, name))
            for name in PEOPLE
        }
        bus = await Bus.connect(profile, "operator")
        leaving.push_async_callback(bus.close)
        yield House(stack, people, bus)


async def comes_true(look: Callable[[], Awaitable[bool]]) -> None:
    """Wait for something that nobody is told of."""
    async with asyncio.timeout(PATIENCE):
        while not await look():  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.05)


class Intruder:
    """Somebody with a stolen credential."""

    def __init__(self, connection: Nats, complaints: list[str]) -> None:
        self._connection = connection
        self._complaints = complaints

    async def publish(self, subject: str, payload: bytes) -> str | None:
        """Publish; returns what the server said against it."""
        self._complaints.clear()
        await self._connection.publish(subject, payload)
        # The client's ping may overtake what it has yet to write; that of a second flush cannot.
        # The server complains ahead of its answer to it.
        await self._connection.flush()
        await self._connection.flush()
        return self._complaints[0] if self._complaints else None


@asynccontextmanager
async def intruder(stack: Stack, credential: str) -> AsyncIterator[Intruder]:
    """On the bus with the credential of a service or a person."""
    complaints: list[str] = []

    async def hear(error: Exception) -> None:
        complaints.append(str(error))

    connection = await nats.connect(
        stack.nats.url,
        nkeys_seed=str(stack.credentials.directory / f"{credential}.nk"),
        inbox_prefix=inbox_prefix(credential).encode(),
        error_cb=hear,
    )
    try:
        yield Intruder(connection, complaints)
    finally:
        await connection.close()


@asynccontextmanager
async def store_of(stack: Stack, service: str) -> AsyncIterator[EventStore]:
    """In the database with the password of a service."""
    role = f"smartops_{service}"
    store = await EventStore.connect(stack.postgres.dsn(role, stack.passwords[role]))
    try:
        yield store
    finally:
        await store.close(timedelta(seconds=1))
