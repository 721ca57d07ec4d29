"""Calls on their way: what is done in which order, and what is committed before what."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

from smartops.contracts.events import ToolCallRequested
from smartops.contracts.ids import call_id, tool_key
from smartops.contracts.streams import parse_stream, stream
from smartops.contracts.wire import Category, Purpose
from smartops.eventstore.rows import TimerRow
from smartops.eventstore.units import Trigger
from smartops.runtime.cues import Cue
from smartops.runtime.decision import NOTHING, Decision
from smartops.runtime.reactor import Reaction
from smartops.runtime.recording import Cause
from smartops.runtime.service import Service
from smartops.tool_gateway import domain
from smartops.tool_gateway.assessing import Assessor
from smartops.tool_gateway.bundle import ActiveBundle
from smartops.tool_gateway.carrying import Carrier
from smartops.tool_gateway.checks import Denial, bind_undo, may_not_go_again
from smartops.tool_gateway.context import Context, Contexts
from smartops.tool_gateway.ports import Answer, NotApplied, Unknown
from smartops.tool_gateway.secrets import Secrets
from smartops.tool_gateway.state import Call, evolve
from smartops.tool_gateway.tools import Registry, Tool

__all__ = ["Calls"]

_OUTCOME = "tool_gateway.outcome"


class Calls:
    """All calls of this process.

    Attributes:
        incarnation: names this process; while it lives it may still send late.
    """

    def __init__(
        self, service: Service, registry: Registry, bundle: ActiveBundle, secrets: Secrets
    ) -> None:
        self.incarnation = uuid4()
        self._service = service
        self._views = service.views
        self._registry = registry
        self._contexts = Contexts(service.views, service.plans, bundle)
        self._assessor = Assessor(bundle, secrets, service.store.db_now)
        self._carrier = Carrier(secrets, service.telemetry.tracer)
        self._calls = service.reactor(Call(), evolve)

    async def handle(self, cue: Cue) -> None:
        """A call is asked for: deny it, or carry it out and record what came back."""
        request = await self._contexts.request(cue)
        name = stream(cue.tenant, "call", request.call)
        owner = await self._contexts.owner(cue, request)
        cause = self._service.cause(cue, owner)
        if owner != request.task:
            await self._disown(name, cause, cue, request, owner)
            return
        known = self._calls.folds.peek(name)
        if known is not None and not known.state.new:
            await self._calls.react(name, cause, _nothing)
            return
        context = await self._contexts.gather(cue, request, fresh=False)
        tool = self._registry.get(request.tool)
        checked = self._assessor.check(context, tool)
        if isinstance(checked, Denial) or tool is None:
            await self._deny(name, cause, cue, request)
            return
        permit, facts = checked
        if tool.descriptor.category is Category.READ:
            answer, took = await self._carrier.carry_out(
                name, facts, permit.arguments, tool, request.call
            )

            async def record(call: Call, _fresh: bool) -> Decision:  # noqa: FBT001
                return domain.record_read(call, request.call, facts, answer, took)

            await self._calls.react(name, cause, record, new=True)
            return
        await self._dispatch(name, cause, cue, request, tool)

    async def deadline_passed(self, row: TimerRow) -> Reaction:
        """The sender of a write has said nothing in time."""
        ident = UUID(parse_stream(row.stream).id)
        task = await self._task(row.stream)

        async def decide(call: Call, _fresh: bool) -> Decision:  # noqa: FBT001
            return domain.answer_lost(call, ident, row.name)

        return await self._calls.react(row.stream, self._service.cause_of_timer(row, task), decide)

    async def send_again(self, row: TimerRow) -> None:
        """Send an idempotent request once more, as its answer was lost."""
        sent = (await self._calls.folds.load(row.stream)).state.dispatched
        if sent is None:
            raise ValueError(f"{row.stream} was never dispatched")
        tool = self._registry.get(sent.facts.tool)
        ident = UUID(parse_stream(row.stream).id)
        timeout = timedelta(milliseconds=tool.descriptor.timeout_ms) if tool else timedelta(0)
        went = False
        gate_stream = stream(parse_stream(row.stream).tenant, "gate", sent.facts.task)

        async def decide(call: Call, _fresh: bool) -> Decision:  # noqa: FBT001
            nonlocal went
            went = False
            gate = await self._views.gate.load(gate_stream, fresh=True)
            reads = ((gate_stream, gate.version),)
            now = self._service.store.db_now()
            if (stop := may_not_go_again(sent.facts, gate.state, now)) is not None:
                why = f"{call.uncertain.reason if call.uncertain else ''}; then {stop}"
                return replace(domain.leave_to_person(call, ident, why), reads=reads)
            decision = domain.send_again(call, ident, self.incarnation, now, timeout, reads)
            went = bool(decision.events)
            return decision

        cause = self._service.cause_of_timer(row, sent.facts.task)
        if await self._calls.react(row.stream, cause, decide) is Reaction.DONE and went and tool:
            await self._send(row.stream, ident, tool)

    async def _disown(
        self, name: str, cause: Cause, cue: Cue, request: ToolCallRequested, owner: UUID
    ) -> None:
        """Deny a request that names another task than its own, in the history of its own."""
        denial = Denial("task_mismatch", "gateway.request", "the request names another task")
        own = request.model_copy(update={"task": owner})

        async def decide(call: Call, _fresh: bool) -> Decision:  # noqa: FBT001
            return self._denied(call, cue, own, denial)

        await self._calls.react(name, cause, decide, new=True)

    # ---- a write ---------------------------------------------------------------------------

    async def _dispatch(
        self, name: str, cause: Cause, cue: Cue, request: ToolCallRequested, tool: Tool
    ) -> None:
        """Commit, then send. The socket opens only after `tool.call.dispatched` is on disk."""
        before = await self._before(cue, request, tool)
        went = False

        async def decide(call: Call, fresh: bool) -> Decision:  # noqa: FBT001
            nonlocal went
            went = False
            if not call.new:
                return NOTHING
            context = await self._contexts.gather(cue, request, fresh=fresh)
            checked = self._assessor.check(context, tool)
            if isinstance(checked, Denial):
                return self._denied(call, cue, request, checked, context)
            permit, facts = checked
            if isinstance(before, NotApplied | Unknown):
                why = before.message if isinstance(before, NotApplied) else before.reason
                denial = Denial("no_before_state", "gateway.before_state", why)
                return self._denied(call, cue, request, denial, context)
            undo = bind_undo(permit.step, before.output if before is not None else None)
            if isinstance(undo, Denial):
                return self._denied(call, cue, request, undo, context)
            new = domain.Dispatch(
                facts=facts,
                idempotence=tool.descriptor.idempotence,
                key=_key(request),
                incarnation=self.incarnation,
                timeout=timedelta(milliseconds=tool.descriptor.timeout_ms),
                before=before.output if before is not None else None,
                undo=undo,
            )
            went = True
            return domain.dispatch(
                call, request.call, new, self._service.store.db_now(), context.reads
            )

        if await self._calls.react(name, cause, decide, new=True) is Reaction.DONE and went:
            await self._send(name, request.call, tool)

    async def _send(self, name: str, ident: UUID, tool: Tool) -> None:
        folded = await self._calls.folds.load(name)
        sent = folded.state.dispatched
        if sent is None:
            raise ValueError(f"{name} was never dispatched")
        answer, took = await self._carrier.carry_out(
            name, sent.facts, sent.facts.arguments, tool, ident, key=sent.key
        )
        trigger = Trigger(_OUTCOME, folded.ids[folded.topics.index(sent.type_key())])
        if sent.send > 1:
            trigger = Trigger(_OUTCOME, call_id(name, "outcome", "send", sent.send))

        async def decide(call: Call, _fresh: bool) -> Decision:  # noqa: FBT001
            return domain.conclude(call, ident, sent.send, answer, took)

        await self._calls.react(name, Cause(trigger, sent.facts.task), decide)

    async def _before(
        self, cue: Cue, request: ToolCallRequested, tool: Tool
    ) -> Answer | NotApplied | Unknown | None:
        """The target's state ahead of the write; captured once per step, whatever the attempt."""
        reader = self._registry.get(tool.descriptor.before or "")
        if reader is None or request.purpose is not Purpose.DO:
            return None
        if request.attempt > 1:
            first = stream(cue.tenant, "call", call_id(cue.stream, request.question, Purpose.DO, 1))
            sent = (await self._calls.folds.load(first)).state.dispatched
            if sent is not None:
                return Answer(sent.before)
        return await self._carrier.look(reader, cue.tenant, request)

    # ---- denials ---------------------------------------------------------------------------

    async def _deny(self, name: str, cause: Cause, cue: Cue, request: ToolCallRequested) -> None:
        """Deny, but only on facts that hold at the append: a stale view must not refuse work."""

        async def decide(call: Call, fresh: bool) -> Decision:  # noqa: FBT001
            context = await self._contexts.gather(cue, request, fresh=True)
            del fresh
            checked = self._assessor.check(context, self._registry.get(request.tool))
            if not isinstance(checked, Denial):
                raise StaleDenial(request.call)
            return self._denied(call, cue, request, checked, context)

        try:
            await self._calls.react(name, cause, decide)
        except StaleDenial:
            await self.handle(cue)

    @staticmethod
    def _denied(
        call: Call,
        cue: Cue,
        request: ToolCallRequested,
        denial: Denial,
        context: Context | None = None,
    ) -> Decision:
        requester = "planner" if parse_stream(cue.stream).category == "task" else "runner"
        granted = None if context is None else context.gate.grant
        grant = None if granted is None else granted.grant
        decision = domain.deny(call, request, cue.id, requester, cue.stream, denial, grant)
        return Decision(decision.events, reads=() if context is None else context.reads)

    async def _task(self, name: str) -> UUID | None:
        sent = (await self._calls.folds.load(name)).state.dispatched
        return sent.facts.task if sent is not None else None


class StaleDenial(Exception):
    """A denial rested on views that have moved on; on fresh ones the call may go out."""


async def _nothing(_call: Call, _fresh: bool) -> Decision:  # noqa: FBT001
    return NOTHING


def _key(request: ToolCallRequested) -> UUID:
    return tool_key(request.run or request.task, request.question, request.purpose)
