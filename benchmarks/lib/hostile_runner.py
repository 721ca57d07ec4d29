"""Somebody with the runner's password and key: what they append is real history of a real run."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from smartops.bus.api import BusClient
from smartops.contracts.canonical import raw_digest
from smartops.contracts.catalogue import RUNNER
from smartops.contracts.events import TaskStarted, ToolCallRequested
from smartops.contracts.ids import call_id
from smartops.contracts.plan import Plan, Step
from smartops.contracts.streams import stream
from smartops.contracts.wire import Purpose
from smartops.devstack.stack import Stack
from smartops.eventstore import Committed, EventStore, Trigger, Unit, Write
from smartops.runtime.recording import Cause, Recorder

__all__ = ["Captured", "HostileRunner"]

_ANSWERED = """
select count(*) from smartops_log.inbox
 where role = 'smartops_tool_gateway' and handler = 'tool_gateway.calls' and cause = any ($1)
"""
_LOOK_S = 0.1


class Captured:
    """A run that the hostile runner speaks for."""

    def __init__(self, tenant: str, started: TaskStarted, plan: Plan) -> None:
        self.started = started
        self.plan = plan
        self.stream = stream(tenant, "run", started.run)

    def step(self, phase: int, number: int) -> Step:
        """A step of the approved plan."""
        return self.plan.by_hash()[self.plan.header.phases[phase].steps[number]]

    def request(self, of: Step, **other: Any) -> ToolCallRequested:
        """A request as the plan has it, but for what is given."""
        phases = self.plan.header.phases
        purpose, attempt = other.get("purpose", Purpose.DO), other.get("attempt", 1)
        question = other.get("question", of.id)
        fields = {
            "task": self.started.task,
            "run": self.started.run,
            "call": call_id(self.stream, question, purpose, attempt),
            "purpose": purpose,
            "tool": of.tool,
            "version": of.version,
            "target": of.target,
            "question": question,
            "attempt": attempt,
            "phase": next(n for n, phase in enumerate(phases) if of.hash() in phase.steps),
            "step": of.hash(),
        }
        return ToolCallRequested.model_validate({**fields, **other})


class HostileRunner:
    """Appends requests to runs, and tells the gateway of them.

    Args:
        stack: whose credentials were stolen.
        store: connected as the runner's role.
        nats: connected with its key.
    """

    def __init__(self, stack: Stack, store: EventStore, nats: BusClient) -> None:
        self._tenant = stack.options.tenant
        self._dsn = stack.postgres.dsn()
        self._recorder = Recorder(RUNNER, stack.subjects)
        self._store = store
        self._nats = nats
        self.asked: list[UUID] = []
        """The events of its requests."""

    @classmethod
    async def break_in(cls, stack: Stack, nats: BusClient) -> HostileRunner:
        """Come in, over a connection to the bus that was made with the runner's key."""
        role = f"smartops_{RUNNER}"
        store = await EventStore.connect(stack.postgres.dsn(role, stack.passwords[role]))
        return cls(stack, store, nats)

    async def leave(self) -> None:
        """Go."""
        await self._store.close(timedelta(seconds=1))

    async def capture(self, started: TaskStarted) -> Captured:
        """Read a run's approved plan."""
        document = await self._store.blob(self._tenant, raw_digest(started.document))
        return Captured(self._tenant, started, Plan.read(document, plan_hash=started.plan_hash))

    async def ask(self, run: Captured, request: ToolCallRequested) -> None:
        """Append a request, and tell of it."""
        cause = Cause(Trigger("runner.calls", uuid4()), run.started.task)
        while True:  # The real runner may write here too.
            version = len(await self._store.read_stream(run.stream, 0))
            now = self._store.db_now()
            event = self._recorder.event(run.stream, version + 1, request, cause, 0, now)
            unit = Unit([cause.trigger], [Write(run.stream, version, [event])])
            if isinstance(await self._store.append(unit), Committed):
                break
        self.asked.append(event.event_id)
        assert event.subject is not None
        await self._nats.publish(event.subject, event.state)
        await self._nats.flush()

    async def tell(self, run: Captured, real: ToolCallRequested, altered: Sequence[Any]) -> None:
        """Publish altered copies of a request that is in the log, under the place of the real."""
        cause = Cause(Trigger("runner.calls", uuid4()), run.started.task)
        rows = await self._store.read_stream(run.stream, 0)
        place = next(row for row in rows if str(real.call).encode() in row.state)
        for change in altered:
            lie = real.model_copy(update=change)
            now = self._store.db_now()
            event = self._recorder.event(run.stream, place.version, lie, cause, 0, now)
            state = event.state.replace(str(event.event_id).encode(), str(place.event_id).encode())
            assert event.subject is not None
            await self._nats.publish(event.subject, state)
        await self._nats.flush()

    async def answered(self, patience_s: float) -> int:
        """Wait until the gateway has decided every request; returns how many it has."""
        connection = await asyncpg.connect(self._dsn)
        loop = asyncio.get_running_loop()
        end = loop.time() + patience_s
        try:
            while True:
                count: int = await connection.fetchval(_ANSWERED, self.asked)
                if count >= len(self.asked) or loop.time() > end:
                    return count
                await asyncio.sleep(_LOOK_S)  # Nothing tells of a row in the inbox.
        finally:
            await connection.close()
