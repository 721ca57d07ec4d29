"""Deciding on tasks: what the pure domain needs is read here."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from uuid import UUID

from pydantic import JsonValue
from pydantic_core import from_json
from smartops.contracts.canonical import raw_digest
from smartops.contracts.commands import IntentSubmit
from smartops.contracts.events import TaskSubmitted
from smartops.contracts.folds import CallStatus, CallView
from smartops.contracts.ids import CommandKey, task_id
from smartops.contracts.plan import Requester
from smartops.contracts.streams import PLATFORM, parse_stream, stream
from smartops.contracts.tools import ToolDescriptor
from smartops.planner import domain
from smartops.planner.agents import Agent, Misunderstood, choose
from smartops.planner.intake import Intake
from smartops.planner.state import Task, evolve
from smartops.runtime.cues import Cue, Order
from smartops.runtime.decision import NOTHING, Decision, Refusal
from smartops.runtime.reactor import Reaction
from smartops.runtime.recording import Cause
from smartops.runtime.service import Service

__all__ = ["Tasks"]

_SEEN = 256
"""Answers remembered by digest."""


class Tasks:
    """All tasks of this process.

    Args:
        service: the floor.
        agents: in the order in which they are tried.
        intake: takes out of intents what must not be stored.
    """

    def __init__(self, service: Service, agents: Sequence[Agent], intake: Intake) -> None:
        self._service = service
        self._agents = agents
        self._intake = intake
        self._tasks = service.reactor(Task(), evolve)
        self._seen: OrderedDict[str, JsonValue] = OrderedDict()

    async def submit(self, order: Order[IntentSubmit]) -> Reaction:
        """Accept an intent, or refuse what must not be stored."""
        ident = task_id(CommandKey(order.key))
        name = stream(order.tenant, "task", ident)
        cause = self._service.orders.cause(order, ident)
        taken = self._intake.take(order.tenant, order.data)
        if isinstance(taken, Refusal):
            return await self._refuse(name, cause, taken)
        # Before the events that refer to it: see the vault's keeper.
        await self._intake.keep(order.tenant, ident, taken)
        new = domain.Submission(
            task=ident,
            tenant=order.tenant,
            key=order.key,
            content=order.content,
            bare=order.bare,
            requester=Requester(principal=order.principal, authtype=order.authtype),
            command=taken.command,
        )
        tools = await self._tools(self._wanted(new))

        async def decide(task: Task, _fresh: bool) -> Decision:  # noqa: FBT001
            return domain.submit(task, new, self._agents, tools)

        return await self._tasks.react(name, cause, decide, new=True)

    async def _refuse(self, name: str, cause: Cause, refusal: Refusal) -> Reaction:
        async def decide(_task: Task, _fresh: bool) -> Decision:  # noqa: FBT001
            return Decision(refusal=refusal)

        return await self._tasks.react(name, cause, decide, new=True)

    async def answered(self, call: CallView, cue: Cue) -> Reaction:
        """A read that a task asked for has come to an outcome."""
        name = call.requester_stream
        ref = parse_stream(name)
        ident = UUID(ref.id)
        output = await self._output(ref.tenant, call)
        if call.output_digest is not None:
            self._remember(call.output_digest, output)

        async def decide(task: Task, _fresh: bool) -> Decision:  # noqa: FBT001
            if task.submitted is None:
                return NOTHING
            answers = {
                kind: await self._evidence(ref.tenant, e.digest)
                for kind, e in task.evidence.items()
            }
            agent = choose(self._agents, task.submitted)
            wanted = () if isinstance(agent, Misunderstood) else agent.tools(task.submitted)
            return domain.answered(
                task,
                ident,
                ref.tenant,
                call,
                output,
                answers,
                self._agents,
                await self._tools(wanted),
                self._service.store.db_now(),
            )

        return await self._tasks.react(name, self._service.cause(cue, ident), decide)

    def _wanted(self, new: domain.Submission) -> tuple[str, ...]:
        command = new.command
        submitted = TaskSubmitted(
            intent=command.intent,
            environment=command.environment,
            context=command.context,
            source=command.source,
            requester=new.requester,
            command=new.key,
            content=new.content,
        )
        agent = choose(self._agents, submitted)
        return () if isinstance(agent, Misunderstood) else agent.tools(submitted)

    async def _tools(self, names: Sequence[str]) -> dict[str, ToolDescriptor]:
        """The registered ones among these, with those that take them back or look before.

        A stale descriptor is caught by the gateway.
        """
        tools = await self._registered(names)
        related = {
            name for tool in tools.values() for name in (tool.undo_tool, tool.before) if name
        }
        return {**await self._registered(sorted(related - set(tools))), **tools}

    async def _registered(self, names: Sequence[str]) -> dict[str, ToolDescriptor]:
        views = self._service.views.tool
        folded = await asyncio.gather(
            *(views.load(stream(PLATFORM, "tool", name)) for name in names)
        )
        return {
            name: found.state.descriptor
            for name, found in zip(names, folded, strict=True)
            if found.state.descriptor is not None
        }

    def _remember(self, digest: str, output: JsonValue) -> None:
        self._seen[digest] = output
        if len(self._seen) > _SEEN:
            self._seen.popitem(last=False)

    async def _evidence(self, tenant: str, digest: str) -> JsonValue:
        """Evidence attached before, perhaps a moment ago by the same unit: not stored yet then."""
        if digest in self._seen:
            return self._seen[digest]
        stored: JsonValue = from_json(await self._service.store.blob(tenant, raw_digest(digest)))
        return stored

    async def _output(self, tenant: str, call: CallView) -> JsonValue:
        if call.status is not CallStatus.SUCCEEDED or call.output is not None:
            return call.output
        if call.output_digest is None:
            return None
        stored = await self._service.store.blob(tenant, raw_digest(call.output_digest))
        output: JsonValue = from_json(stored)
        return output
