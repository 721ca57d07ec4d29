"""Deciding on tasks: what the pure domain needs is read here."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from uuid import UUID

from pydantic import JsonValue
from pydantic_core import from_json
from smartops.contracts.canonical import digest_of, raw_digest
from smartops.contracts.commands import IntentSubmit
from smartops.contracts.events import (
    TaskApprovalGranted,
    TaskApprovalRejected,
    TaskBreakGlassUsed,
    TaskPlanEditAccepted,
    TaskPlanSuperseded,
    TaskSubmitted,
)
from smartops.contracts.folds import CallStatus, CallView
from smartops.contracts.ids import CommandKey, named_id, task_id
from smartops.contracts.plan import Plan, Requester
from smartops.contracts.streams import PLATFORM, parse_stream, stream
from smartops.contracts.tools import ToolDescriptor
from smartops.planner import domain
from smartops.planner.agents import Agent, Misunderstood, choose
from smartops.planner.incidents import looking_into
from smartops.planner.intake import Intake, Taken
from smartops.planner.state import Task, evolve
from smartops.runtime.cues import Cue, Order
from smartops.runtime.decision import NOTHING, Decision, Refusal
from smartops.runtime.reactor import Reaction, decode
from smartops.runtime.recording import Cause
from smartops.runtime.service import Service
from smartops.runtime.views import NotInLog

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
            before = await self._before(ref.tenant, task)
            return domain.answered(
                task,
                ident,
                ref.tenant,
                call,
                output,
                answers,
                self._agents,
                await self._tools(self._used(task, before)),
                self._service.store.db_now(),
                before,
            )

        return await self._tasks.react(name, self._service.cause(cue, ident), decide)

    async def give_way(self, cue: Cue) -> Reaction:
        """The gate says that a plan gives way to another, or is merely rejected."""
        told = await self._service.views.event(cue)
        if not isinstance(told, TaskPlanEditAccepted | TaskApprovalRejected | TaskPlanSuperseded):
            raise TypeError(f"{cue.topic} replaces no plan")
        ident = UUID(parse_stream(cue.stream).id)

        async def decide(task: Task, _fresh: bool) -> Decision:  # noqa: FBT001
            before = await self._before(cue.tenant, task, told)
            tools = await self._tools(self._used(task, before))
            return domain.reopen(task, ident, cue.tenant, told, before, self._agents, tools)

        name = stream(cue.tenant, "task", ident)
        return await self._tasks.react(name, self._service.cause(cue, ident), decide)

    async def look_into(self, cue: Cue) -> Reaction:
        """Somebody broke the glass: open a task in which somebody else looks into it."""
        used = await self._service.views.event(cue)
        if not isinstance(used, TaskBreakGlassUsed):
            raise TypeError(f"{cue.topic} breaks no glass")
        grant = await self._granted(cue)
        plan = await self._service.plans.get(cue.tenant, grant.document, grant.plan_hash)
        about = UUID(parse_stream(cue.stream).id)
        tools = await self._tools([step.tool for step in plan.steps])
        taken = self._intake.take(cue.tenant, looking_into(used, about, plan, tools))
        if isinstance(taken, Refusal):  # The reason given must not be stored, or not here.
            bare = looking_into(used, about, plan, tools, why=False)
            taken = Taken(bare, ())
        key = CommandKey(named_id("incident", cue.id))
        ident = task_id(key)
        await self._intake.keep(cue.tenant, ident, taken)
        new = domain.Submission(
            task=ident,
            tenant=cue.tenant,
            key=key,
            content=digest_of(taken.command.model_dump(mode="json")),
            requester=Requester(principal=used.by.principal, authtype=used.by.authtype),
            command=taken.command,
        )
        wanted = await self._tools(self._wanted(new))

        async def decide(task: Task, _fresh: bool) -> Decision:  # noqa: FBT001
            return domain.submit(task, new, self._agents, wanted)

        name = stream(cue.tenant, "task", ident)
        return await self._tasks.react(name, self._service.cause(cue, ident), decide, new=True)

    async def _granted(self, cue: Cue) -> TaskApprovalGranted:
        """What was granted with an event of the gate, whatever has become of it since."""
        for row in await self._service.store.read_stream(cue.stream, cue.version):
            event = decode(row)
            if isinstance(event, TaskApprovalGranted):
                return event
        raise NotInLog(f"{cue.stream} holds no grant after version {cue.version}")

    async def _before(
        self, tenant: str, task: Task, told: domain.GivesWay | None = None
    ) -> Plan | None:
        """The plan that is edited, where the next one comes of an edit."""
        edit = told.edit if isinstance(told, TaskPlanEditAccepted) else None
        if told is None and task.reopened is not None and task.writing:
            edit = task.reopened.edit
        planned = task.planned
        if edit is None or planned is None:
            return None
        return await self._service.plans.get(tenant, planned.document, planned.plan_hash)

    def _used(self, task: Task, before: Plan | None) -> tuple[str, ...]:
        """The tools of a plan that is edited, or those of the agent that writes a new one."""
        if before is not None:
            return tuple(dict.fromkeys(step.tool for step in before.steps))
        if task.submitted is None:
            return ()
        agent = choose(self._agents, task.submitted)
        return () if isinstance(agent, Misunderstood) else agent.tools(task.submitted)

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
        """The registered ones among these, with those that undo, look before or rehearse.

        A stale descriptor is caught by the gateway.
        """
        tools = await self._registered(names)
        related = {
            name
            for tool in tools.values()
            for name in (tool.undo_tool, tool.before, tool.simulate)
            if name
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
