"""Calls whose answer was lost: sent again, read back, or settled by a person."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from smartops.contracts.commands import CallSettle
from smartops.contracts.errors import Malformed
from smartops.contracts.events import ToolCallDispatched
from smartops.contracts.folds import GateView
from smartops.contracts.streams import parse_stream, stream
from smartops.contracts.wire import Idempotence, JsonObject, Purpose
from smartops.eventstore.errors import BlobCorrupt, BlobMissing
from smartops.eventstore.rows import TimerRow
from smartops.runtime.cues import Order
from smartops.runtime.decision import NOTHING, Decision, Refusal
from smartops.runtime.people import People
from smartops.runtime.reactor import Reaction, Reactor
from smartops.runtime.service import Service
from smartops.tool_gateway import domain, settling
from smartops.tool_gateway.admission import Admission, Admitted, Later
from smartops.tool_gateway.carrying import Carrier
from smartops.tool_gateway.checks import may_not_go_again, out_of_turn
from smartops.tool_gateway.ports import Answer, NotApplied, Unknown
from smartops.tool_gateway.resending import Resender, waited
from smartops.tool_gateway.sending import Fuse, Sender
from smartops.tool_gateway.settling import Again, Found, Settler
from smartops.tool_gateway.state import Call
from smartops.tool_gateway.tools import Registry, Tool

__all__ = ["Doubts"]


class Doubts:
    """Clears up what became of calls."""

    def __init__(
        self,
        service: Service,
        registry: Registry,
        calls: Reactor[Call],
        carrier: Carrier,
        sender: Sender,
        admission: Admission,
    ) -> None:
        self._service = service
        self._registry = registry
        self._calls = calls
        self._carrier = carrier
        self._sender = sender
        self._resender = Resender(service, calls, sender, admission)
        self._people = People(service.store)

    async def send_again(self, row: TimerRow) -> None:
        """Send an idempotent request once more, with the same key and arguments."""
        sent = await self._sent(row.stream)
        tool = self._registry.get(sent.facts.tool)
        ident = UUID(parse_stream(row.stream).id)
        entry = await self._resender.admit(row, tool, sent.facts.purpose)
        if isinstance(entry, Later):
            if await self._resender.put_off(row, sent, entry):
                return
            entry, silent = None, True
        else:
            silent = False
        fuse: Fuse | None = None

        async def decide(call: Call, _fresh: bool) -> Decision:  # noqa: FBT001
            nonlocal fuse
            fuse = None
            if call.uncertain is None or call.uncertain.next != "retry":
                return NOTHING
            stop, reads = await self._stop(row.stream, sent)
            stop = stop or await self._out_of_turn(row.stream, sent)
            why = f"{call.uncertain.reason}; then {stop or 'its system did not answer for long'}"
            if tool is None or tool.descriptor.digest() != sent.facts.schema_digest:
                why = f"{call.uncertain.reason}; then {sent.facts.tool} is another tool by now"
            elif stop is None and not silent:
                timeout = timedelta(milliseconds=tool.descriptor.timeout_ms)
                lit = await self._sender.light(timeout)
                now = self._service.store.db_now()
                decision = domain.send_again(call, ident, lit.incarnation, now, timeout, reads)
                fuse = lit if decision.events else None
                return decision
            return replace(domain.leave_to_person(call, ident, why), reads=reads)

        await self._resender.react(row, sent, decide, lambda: fuse, tool, entry)

    async def watch(self, row: TimerRow) -> None:
        """Look whether the sender of a long call lives."""
        sent = await self._sent(row.stream)
        ident = UUID(parse_stream(row.stream).id)

        async def decide(call: Call, _fresh: bool) -> Decision:  # noqa: FBT001
            newest = [call.dispatched.incarnation] if call.dispatched is not None else []
            alive = bool(await self._service.store.alive(newest))
            now = self._service.store.db_now()
            return domain.sender_watched(call, ident, row.name, now, alive=alive)

        cause = self._service.cause_of_timer(row, sent.facts.task)
        await self._calls.react(row.stream, cause, decide)

    async def read_back(self, row: TimerRow) -> None:
        """Look whether a write was applied, and go on from there."""
        call = (await self._calls.folds.load(row.stream, fresh=True)).state
        sent = await self._sent(row.stream)
        tool = self._registry.get(sent.facts.tool)
        probe = self._registry.get(tool.descriptor.probe or "") if tool is not None else None
        ident = UUID(parse_stream(row.stream).id)
        looking = await self._resender.admit(row, probe, Purpose.OBSERVE)
        if isinstance(looking, Later):
            if await self._resender.put_off(row, sent, looking):
                return
            looking = None  # Looked at all the same, and then left to a person.
        # (1) Its sender lives, (2) we read that nothing has changed, (3) it sends, (4) it ends,
        # (5) we ask and hear that it has ended. So it is asked before the look, never after.
        alive = await self._alive(call)
        found = await self._look(row.stream, ident, sent, tool, probe, looking)
        entry = await self._resender.admit(row, tool, sent.facts.purpose)
        if isinstance(entry, Later):
            if await self._resender.put_off(row, sent, entry):
                return
            entry = None
        fuse: Fuse | None = None
        timer, _ = waited(row.name)

        async def decide(call: Call, _fresh: bool) -> Decision:  # noqa: FBT001
            nonlocal fuse
            fuse = None
            stop, reads = await self._stop(row.stream, sent, known_not_applied=True)
            timeout = timedelta(milliseconds=tool.descriptor.timeout_ms if tool else 0)
            lit = await self._sender.light(timeout)
            again = Again(
                incarnation=lit.incarnation,
                now=self._service.store.db_now(),
                timeout=timeout,
                stop=stop,
                out_of_turn=await self._out_of_turn(row.stream, sent),
                compare_and_set=_compares(tool) and entry is not None,
                alive=alive,
                reads=reads,
            )
            decision = settling.read_back(call, ident, timer, found, again)
            if any(isinstance(event, ToolCallDispatched) for event in decision.events):
                fuse = lit
            return decision

        await self._resender.react(row, sent, decide, lambda: fuse, tool, entry)

    async def settle(self, order: Order[CallSettle]) -> Reaction:
        """A person says what became of a call."""
        command = order.data
        name = stream(order.tenant, "call", command.call)
        sent = (await self._calls.folds.load(name, fresh=True)).state.dispatched
        task = sent.facts.task if sent is not None else None
        tool = self._registry.get(sent.facts.tool) if sent is not None else None
        cause = self._service.orders.cause(order, task)
        if sent is None:
            refusal = Refusal("not_found", "there is no call that was sent under this id", "call")
            await self._service.orders.refuse(order, refusal)
            return Reaction.DONE

        async def decide(call: Call, fresh: bool) -> Decision:  # noqa: FBT001
            known = await self._people.find(order.tenant, order.principal, fresh=fresh)
            who = Settler(
                principal=order.principal,
                actor=known.mapped if known is not None else None,
                compare_and_set=_compares(tool),
                alive=await self._alive(call),
                now=self._service.store.db_now(),
                reads=((known.stream, known.version),) if known is not None else (),
            )
            return settling.settle(call, command.call, command, who)

        return await self._calls.react(name, cause, decide)

    async def _look(
        self,
        name: str,
        ident: UUID,
        sent: ToolCallDispatched,
        tool: Tool | None,
        probe: Tool | None,
        entry: Admitted | None,
    ) -> Found:
        """Read a write's target back through its probe."""
        answer: Answer | NotApplied | Unknown | None = None
        try:
            found, answer = await self._read_through(name, ident, sent, tool, probe)
        finally:
            if entry is not None:
                entry.done(answer)
        return found

    async def _read_through(
        self,
        name: str,
        ident: UUID,
        sent: ToolCallDispatched,
        tool: Tool | None,
        probe: Tool | None,
    ) -> tuple[Found, Answer | NotApplied | Unknown | None]:
        if tool is None or probe is None or tool.descriptor.digest() != sent.facts.schema_digest:
            why = f"{sent.facts.tool} is not what it was when it was sent"
            return Found("unclear", why), None
        asked: JsonObject = {
            name: value
            for name, value in sent.facts.arguments.items()
            if name in probe.arguments.model_fields
        }
        facts = sent.facts.model_copy(
            update={"tool": probe.descriptor.name, "purpose": Purpose.OBSERVE}
        )
        answer, _ = await self._carrier.carry_out(name, facts, asked, probe, ident)
        match answer:
            case Answer():
                found = settling.judge(sent.facts.arguments, asked, sent.before, answer.output)
            case NotApplied():
                found = Found("unclear", f"it cannot be read back: {answer.message}")
            case Unknown():
                found = Found("unclear", f"it cannot be read back: {answer.reason}")
        return found, answer

    async def _stop(
        self, name: str, sent: ToolCallDispatched, *, known_not_applied: bool = False
    ) -> tuple[str | None, tuple[tuple[str, int], ...]]:
        """Why a call may not go out once more, and the version of the gate that says so.

        Of a call that may have been applied, sending it again is how one finds out. If it was not,
        doing so is to begin it, and nothing begins under a grant that was taken back.
        """
        gate_stream = stream(parse_stream(name).tenant, "gate", sent.facts.task)
        gate = await self._service.views.gate.load(gate_stream, fresh=True)
        state: GateView = gate.state
        stop = may_not_go_again(sent.facts, state, self._service.store.db_now())
        begins = known_not_applied and sent.facts.purpose is Purpose.DO
        if stop is None and begins and state.stopped:
            stop = "the grant was revoked, or the task cancelled"
        return stop, ((gate_stream, gate.version),)

    async def _out_of_turn(self, name: str, sent: ToolCallDispatched) -> str | None:
        """Why it is not a step's turn any more: a repetition may be what carries it out."""
        if sent.facts.purpose is not Purpose.DO:
            return None
        tenant, views = parse_stream(name).tenant, self._service.views
        gate = (await views.gate.load(stream(tenant, "gate", sent.facts.task))).state
        run = (await views.run.load(sent.facts.requester_stream, fresh=True)).state
        plan = None
        if gate.grant is not None:
            with suppress(BlobCorrupt, BlobMissing, Malformed):
                granted = gate.grant
                plan = await self._service.plans.get(tenant, granted.document, granted.plan_hash)
        return out_of_turn(sent.facts, gate, run, plan, self._service.store.db_now())

    async def _alive(self, call: Call) -> bool:
        return bool(await self._service.store.alive(sorted(call.senders)))

    async def _sent(self, name: str) -> ToolCallDispatched:
        sent = (await self._calls.folds.load(name)).state.dispatched
        if sent is None:
            raise ValueError(f"{name} was never dispatched")
        return sent


def _compares(tool: Tool | None) -> bool:
    return (
        tool is not None
        and tool.descriptor.idempotence is Idempotence.PROBEABLE
        and tool.descriptor.compare_and_set
    )
