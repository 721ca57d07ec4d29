"""Calls on their way: what is done in which order, and what is committed before what."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from smartops.contracts.events import (
    CallFacts,
    ToolCallDispatched,
    ToolCallRequested,
    UndoEntitlement,
)
from smartops.contracts.ids import tool_key
from smartops.contracts.streams import parse_stream, stream
from smartops.contracts.tools import Rate
from smartops.contracts.wire import Category, Purpose
from smartops.eventstore.rows import TimerRow
from smartops.runtime.cues import Cue
from smartops.runtime.decision import NOTHING, Decision
from smartops.runtime.engines import BUNDLE
from smartops.runtime.evidence import with_evidence
from smartops.runtime.failpoints import reach
from smartops.runtime.reactor import Reaction
from smartops.runtime.recording import Cause
from smartops.runtime.service import Service
from smartops.tool_gateway import domain
from smartops.tool_gateway.admission import Admission, Admitted, Later
from smartops.tool_gateway.assessing import Assessor
from smartops.tool_gateway.attempts import first_sent
from smartops.tool_gateway.breaker import Breakers
from smartops.tool_gateway.bundle import PolicyEngines
from smartops.tool_gateway.carrying import Carrier
from smartops.tool_gateway.checks import Denial, Permit, bind_undo
from smartops.tool_gateway.context import Context, Contexts
from smartops.tool_gateway.course import Course
from smartops.tool_gateway.doubts import Doubts
from smartops.tool_gateway.leases import Leases
from smartops.tool_gateway.leases import evolve as evolve_leases
from smartops.tool_gateway.permits import Permits
from smartops.tool_gateway.ports import Answer, NotApplied, Unknown
from smartops.tool_gateway.promises import as_rehearsed
from smartops.tool_gateway.secrets import Secrets
from smartops.tool_gateway.sending import Fuse, Sender
from smartops.tool_gateway.state import Call, evolve
from smartops.tool_gateway.tools import Registry, Tool
from smartops.tool_gateway.waiting import Waiting

__all__ = ["Calls", "Limits"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What holds for every task and tenant, whichever tools they use."""

    reads_per_task: int
    tenant_rate: Rate | None
    """None: as the tools say."""


class Calls:
    """All calls that this process is asked for.

    Attributes:
        doubts: what becomes of those whose answer was lost.
    """

    def __init__(
        self,
        service: Service,
        registry: Registry,
        engines: PolicyEngines,
        secrets: Secrets,
        limits: Limits,
    ) -> None:
        self._service = service
        self._views = service.views
        self._registry = registry
        self._calls = service.reactor(Call(), evolve)
        course = Course(self._calls.folds)
        self._contexts = Contexts(service.views, service.plans, engines, secrets, course)
        self._assessor = Assessor(secrets, service.store.db_now, limits.reads_per_task)
        self._carrier = Carrier(secrets, service.telemetry.tracer)
        self._sender = Sender(self._calls, self._carrier, service.store.incarnation)
        leases = service.reactor(Leases(), evolve_leases)
        self.permits = Permits(leases, service.store.db_now, service.store.incarnation.current)
        breakers = Breakers()
        service.telemetry.metrics.read_gauge(
            "circuit_opened",
            "How often in a row a system's circuit has opened; 0 while it is closed.",
            breakers.opened,
            "system",
        )
        self._admission = Admission(self.permits, breakers, limits.tenant_rate)
        self._waiting = Waiting(service, self._calls)
        self.doubts = Doubts(
            service, registry, self._calls, self._carrier, self._sender, self._admission
        )

    async def waited(self, row: TimerRow) -> None:
        """A call that was put off may go out now, perhaps."""
        cue, tries = await self._waiting.found(row)
        await self.handle(cue, row, tries)

    async def handle(self, cue: Cue, waited: TimerRow | None = None, tries: int = 0) -> None:
        """A call is asked for: deny it, carry it out and record what came back, or put it off.

        Args:
            cue: the request.
            waited: the timer by which it comes again, having been put off.
            tries: how often it was.
        """
        request = await self._contexts.request(cue)
        name = stream(cue.tenant, "call", request.call)
        owner = await self._contexts.owner(cue, request)
        cause = self._service.cause(cue, owner)
        if waited is not None:
            cause = self._service.cause_of_timer(waited, owner)
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
            try:
                await self._deny_on_facts(name, cause, cue, request)
            except StaleDenial:
                await self.handle(cue, waited, tries)
            return
        entry = await self._admission.admit(cue.tenant, tool, request.purpose)
        if isinstance(entry, Later):
            if entry.reason != "circuit_open" or tool.descriptor.category is not Category.READ:
                await self._waiting.put_off(name, cause, cue, entry, tries)
            else:
                # What is looked at must be of this moment: a look that waits is worth nothing.
                away = NotApplied("circuit_open", "its system does not answer", retryable=True)
                await self._record(name, cause, checked, context, away, 0)
            return
        if tool.descriptor.category is Category.READ:
            await self._read(name, cause, checked, context, tool, entry)
            return
        fuse: Fuse | None = None
        try:
            fuse = await self._dispatch(name, cause, cue, request, tool)
        finally:
            if fuse is None:
                entry.done(None)
        if fuse is not None:
            sending = self._sender.send(name, request.call, tool, fuse, entry)
            if waited is None:
                await sending
            else:
                # Its timer has fired and is gone; others wait for their turn with the timers.
                self._service.carry_on(sending, f"send {name}")

    async def _read(
        self,
        name: str,
        cause: Cause,
        checked: tuple[Permit, CallFacts],
        context: Context,
        tool: Tool,
        entry: Admitted,
    ) -> None:
        permit, facts = checked
        answer: Answer | NotApplied | Unknown | None = None
        try:
            answer, took = await self._carrier.carry_out(
                name, facts, permit.arguments, tool, context.request.call
            )
            answer = as_rehearsed(tool.descriptor, answer)
            await self._record(name, cause, checked, context, answer, took)
        finally:
            entry.done(answer)

    async def _record(
        self,
        name: str,
        cause: Cause,
        checked: tuple[Permit, CallFacts],
        context: Context,
        answer: Answer | NotApplied | Unknown,
        took: float,
    ) -> None:
        permit, facts = checked
        ident = context.request.call

        async def record(call: Call, fresh: bool) -> Decision:  # noqa: FBT001
            decision = domain.record_read(call, ident, facts, answer, took)
            decision = with_evidence(decision, permit.evidence)
            if not fresh:
                return replace(decision, reads=(context.policy.read,))
            # Another bundle is in force by now, perhaps. This read has been carried out under the
            # one it names, and that is what is recorded; the next one is decided under the new.
            await self._views.bundle.load(BUNDLE, fresh=True)
            return decision

        await self._calls.react(name, cause, record, new=True)

    async def deadline_passed(self, row: TimerRow) -> Reaction:
        """The sender of a write has said nothing in time."""
        ident = UUID(parse_stream(row.stream).id)
        task = await self._task(row.stream)

        async def decide(call: Call, _fresh: bool) -> Decision:  # noqa: FBT001
            return domain.answer_lost(call, ident, row.name)

        return await self._calls.react(row.stream, self._service.cause_of_timer(row, task), decide)

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
    ) -> Fuse | None:
        """Commit. The socket opens only after `tool.call.dispatched` is on disk.

        Returns what burns until it may be sent no more; None if it must not go out.
        """
        before = await self._before(cue, request, tool)
        timeout = timedelta(milliseconds=tool.descriptor.timeout_ms)
        fuse: Fuse | None = None

        async def decide(call: Call, fresh: bool) -> Decision:  # noqa: FBT001
            nonlocal fuse
            fuse = None
            if not call.new:
                return NOTHING
            context = await self._contexts.gather(cue, request, fresh=fresh)
            checked = self._assessor.check(context, tool)
            if isinstance(checked, Denial):
                return self._denied(call, cue, request, checked, context)
            permit, facts = checked
            if isinstance(before, NotApplied | Unknown):
                why = before.message if isinstance(before, NotApplied) else before.reason
                denial = Denial(
                    "no_before_state", "gateway.before_state", why, evidence=permit.evidence
                )
                return self._denied(call, cue, request, denial, context)
            undo = bind_undo(permit.step, before.output if before is not None else None)
            if isinstance(undo, UndoEntitlement):
                undo = self._assessor.check_way_back(cue.tenant, undo) or undo
            if isinstance(undo, Denial):
                undo = replace(undo, evidence=permit.evidence)
                return self._denied(call, cue, request, undo, context)
            fuse = await self._sender.light(timeout)
            new = domain.Dispatch(
                facts=facts,
                idempotence=tool.descriptor.idempotence,
                key=_key(request),
                incarnation=fuse.incarnation,
                timeout=timeout,
                before=before.output if before is not None else None,
                undo=undo,
            )
            dispatched = domain.dispatch(
                call, request.call, new, self._service.store.db_now(), context.reads
            )
            return with_evidence(dispatched, permit.evidence)

        await reach("dispatch.before", request.task)
        reaction = await self._calls.react(name, cause, decide, new=True)
        if reaction is Reaction.DONE and fuse is not None:
            await reach("dispatch.after", request.task)
            return fuse
        return None

    async def _before(
        self, cue: Cue, request: ToolCallRequested, tool: Tool
    ) -> Answer | NotApplied | Unknown | None:
        """The target's state ahead of the write; captured once per step, whatever the attempt."""
        reader = self._registry.get(tool.descriptor.before or "")
        undoing = request.purpose is Purpose.UNDO and not tool.descriptor.compare_and_set
        if reader is None or undoing:
            return None

        async def load(call: UUID) -> ToolCallDispatched | None:
            # Another process may have sent it.
            found = await self._calls.folds.load(stream(cue.tenant, "call", call), fresh=True)
            return found.state.dispatched

        sent = await first_sent(request, cue.stream, load)
        if sent is not None:
            return Answer(sent.before)
        return await self._carrier.look(reader, cue.tenant, request)

    # ---- denials ---------------------------------------------------------------------------

    async def deny_waiting(self, cue: Cue) -> None:
        """Deny a call that has not gone out, if it may not go out any more; else leave it alone."""
        request = await self._contexts.request(cue)
        name = stream(cue.tenant, "call", request.call)
        owner = await self._contexts.owner(cue, request)
        if owner == request.task and (await self._calls.folds.load(name)).state.new:
            with contextlib.suppress(StaleDenial):
                await self._deny_on_facts(name, self._service.cause(cue, owner), cue, request)

    async def _deny_on_facts(
        self, name: str, cause: Cause, cue: Cue, request: ToolCallRequested
    ) -> None:
        """Deny, but only on facts that hold at the append: a stale view must not refuse work.

        Raises:
            StaleDenial: on these facts it may go out.
        """

        async def decide(call: Call, fresh: bool) -> Decision:  # noqa: FBT001
            context = await self._contexts.gather(cue, request, fresh=True)
            del fresh
            checked = self._assessor.check(context, self._registry.get(request.tool))
            if not isinstance(checked, Denial):
                raise StaleDenial(request.call)
            return self._denied(call, cue, request, checked, context)

        await self._calls.react(name, cause, decide)

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
        decision = Decision(decision.events, reads=() if context is None else context.reads)
        return with_evidence(decision, denial.evidence)

    async def _task(self, name: str) -> UUID | None:
        sent = (await self._calls.folds.load(name)).state.dispatched
        return sent.facts.task if sent is not None else None


class StaleDenial(Exception):
    """A denial rested on views that have moved on; on fresh ones the call may go out."""


async def _nothing(_call: Call, _fresh: bool) -> Decision:  # noqa: FBT001
    return NOTHING


def _key(request: ToolCallRequested) -> UUID:
    return tool_key(request.run or request.task, request.question, request.purpose)
