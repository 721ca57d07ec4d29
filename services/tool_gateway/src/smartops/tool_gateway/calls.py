"""Calls on their way: read what the checks need, decide, carry out, record."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from pydantic import JsonValue, ValidationError
from smartops.contracts.errors import Malformed
from smartops.contracts.events import (
    CallFacts,
    Decided,
    TaskApprovalGranted,
    ToolCallRequested,
    UndoEntitlement,
)
from smartops.contracts.folds import CallView, GateView, RunView
from smartops.contracts.ids import call_id, tool_key
from smartops.contracts.plan import Plan, Step
from smartops.contracts.streams import PLATFORM, parse_stream, stream
from smartops.contracts.wire import Category, Environment, JsonObject, Purpose
from smartops.eventstore.errors import BlobCorrupt, BlobMissing
from smartops.eventstore.rows import TimerRow
from smartops.eventstore.units import Trigger
from smartops.policy_engine import GrantInput, ToolCallInput
from smartops.redact import RedactError, redact, resolve
from smartops.runtime.cues import Cue
from smartops.runtime.decision import NOTHING, Decision
from smartops.runtime.reactor import Reaction
from smartops.runtime.recording import Cause
from smartops.runtime.service import Service
from smartops.tool_gateway import domain
from smartops.tool_gateway.bundle import ActiveBundle
from smartops.tool_gateway.checks import (
    Denial,
    Permit,
    check_attempt,
    check_read,
    check_step,
    check_undo,
)
from smartops.tool_gateway.ports import Answer, NotApplied, Outbound, Unknown
from smartops.tool_gateway.secrets import Secrets
from smartops.tool_gateway.state import Call, evolve
from smartops.tool_gateway.tools import Registry, Tool

__all__ = ["Calls"]

_OUTCOME = "tool_gateway.outcome"


@dataclass(frozen=True, slots=True)
class _Context:
    """What a request stands on, with the versions it was read at."""

    request: ToolCallRequested
    event: UUID
    requester: str
    requester_stream: str
    tenant: str
    environment: Environment
    run: RunView
    gate: GateView
    plan: Plan | None
    undone: CallView
    earlier: CallView | None
    reads: tuple[tuple[str, int], ...]


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
        self._bundle = bundle
        self._secrets = secrets
        self._calls = service.reactor(Call(), evolve)

    async def handle(self, cue: Cue) -> None:
        """A call is asked for: deny it, or carry it out and record what came back."""
        request = await self._request(cue)
        name = stream(cue.tenant, "call", request.call)
        owner = await self._owner(cue, request)
        cause = self._service.cause(cue, owner)
        if owner != request.task:
            await self._disown(name, cause, cue, request, owner)
            return
        known = self._calls.folds.peek(name)
        if known is not None and not known.state.new:
            await self._calls.react(name, cause, _nothing)
            return
        context = await self._context(cue, request, fresh=False)
        tool = self._registry.get(request.tool)
        checked = self._check(context, tool)
        if isinstance(checked, Denial) or tool is None:
            await self._deny(name, cause, cue, request)
            return
        permit, facts = checked
        if tool.descriptor.category is Category.READ:
            answer, took = await self._carry_out(name, facts, permit.arguments, tool, request.call)

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
            if gate.state.halted is not None:
                why = f"{call.uncertain.reason if call.uncertain else ''}; then halted"
                return replace(domain.leave_to_person(call, ident, why), reads=reads)
            now = self._service.store.db_now()
            decision = domain.send_again(call, ident, self.incarnation, now, timeout, reads)
            went = bool(decision.events)
            return decision

        cause = self._service.cause_of_timer(row, sent.facts.task)
        if await self._calls.react(row.stream, cause, decide) is Reaction.DONE and went and tool:
            await self._send(row.stream, ident, tool)

    async def _owner(self, cue: Cue, request: ToolCallRequested) -> UUID:
        """The task that the requester's stream belongs to, whatever the request says."""
        ref = parse_stream(cue.stream)
        if ref.category == "task":
            return UUID(ref.id)
        run = await self._views.run.load(cue.stream, at_least=cue.version)
        return run.state.started.task if run.state.started is not None else request.task

    async def _disown(
        self, name: str, cause: Cause, cue: Cue, request: ToolCallRequested, owner: UUID
    ) -> None:
        """Deny a request that names another task than its own, in the history of its own."""
        denial = Denial("task_mismatch", "gateway.request", "the request names another task")
        own = request.model_copy(update={"task": owner})

        async def decide(call: Call, _fresh: bool) -> Decision:  # noqa: FBT001
            return self._denied(call, cue, own, denial, ())

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
            context = await self._context(cue, request, fresh=fresh)
            checked = self._check(context, tool)
            if isinstance(checked, Denial):
                return self._denied(call, cue, request, checked, context.reads)
            permit, facts = checked
            if isinstance(before, NotApplied | Unknown):
                why = before.message if isinstance(before, NotApplied) else before.reason
                denial = Denial("no_before_state", "gateway.before_state", why)
                return self._denied(call, cue, request, denial, context.reads)
            undo = _bind_undo(permit.step, before.output if before is not None else None)
            if isinstance(undo, Denial):
                return self._denied(call, cue, request, undo, context.reads)
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
        answer, took = await self._carry_out(
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
        outbound = Outbound(
            tool=reader.descriptor.name,
            target=request.target,
            arguments={"asset": request.target},
            key=request.call,
            headers=self._headers(cue.tenant, request.call, request.task, None),
            timeout=timedelta(milliseconds=reader.descriptor.timeout_ms),
        )
        answer = await reader.driver.call(outbound)
        return _typed(reader, answer)

    # ---- what the checks need --------------------------------------------------------------

    async def _request(self, cue: Cue) -> ToolCallRequested:
        """The request that a cue points at; what the checks will need comes in the same trip."""
        if parse_stream(cue.stream).category != "run":
            event = await self._views.event(cue)
            if not isinstance(event, ToolCallRequested):
                raise TypeError(f"{cue.topic} is no request")
            return event
        if cue.task is not None:
            self._views.gate.want(stream(cue.tenant, "gate", cue.task))
        run = await self._views.verified(self._views.run, cue)
        # By its place, never by what the message calls it: the id of one request with the name of
        # another would settle the first without carrying it out.
        place = run.topics[: cue.version].count(cue.topic) - 1
        return run.state.asked[place]

    async def _context(self, cue: Cue, request: ToolCallRequested, *, fresh: bool) -> _Context:
        requester = "planner" if parse_stream(cue.stream).category == "task" else "runner"
        common: dict[str, Any] = {
            "request": request,
            "event": cue.id,
            "requester": requester,
            "requester_stream": cue.stream,
            "tenant": cue.tenant,
        }
        if requester == "planner":
            spec = (await self._views.task.load(cue.stream, at_least=cue.version)).state.spec
            return _Context(
                **common,
                environment=spec.environment if spec is not None else Environment.PRODUCTION,
                run=RunView(),
                gate=GateView(),
                plan=None,
                undone=CallView(),
                earlier=None,
                reads=(),
            )
        gate_stream = stream(cue.tenant, "gate", request.task)
        bundle_stream = f"{PLATFORM}/bundle-default"
        if fresh:
            run, gate, bundle = await asyncio.gather(
                self._views.run.load(cue.stream, at_least=cue.version),
                self._views.gate.load(gate_stream, fresh=True),
                self._views.bundle.load(bundle_stream, fresh=True),
            )
        else:
            run = await self._views.run.load(cue.stream, at_least=cue.version)
            gate = await self._views.gate.load(gate_stream)
            bundle = await self._views.bundle.load(bundle_stream)
        grant = gate.state.grant
        if grant is None and not fresh:
            gate = await self._views.gate.load(gate_stream, fresh=True)
            grant = gate.state.grant
        self._bundle.must_be(bundle.state.digest)
        reads = [(gate_stream, gate.version), (bundle_stream, bundle.version)]
        plan = None
        if grant is not None:
            plan = await self._plan(cue.tenant, grant)
            for voice in grant.approvals:
                actor = stream(cue.tenant, "actor", voice.actor)
                reads.append((actor, (await self._views.actor.load(actor, fresh=fresh)).version))
        undone = CallView()
        if request.undoes is not None:
            name = stream(cue.tenant, "call", request.undoes)
            undone = (await self._views.call.load(name, fresh=True)).state
        return _Context(
            **common,
            environment=grant.environment if grant is not None else Environment.PRODUCTION,
            run=run.state,
            gate=gate.state,
            plan=plan,
            undone=undone,
            earlier=await self._earlier(cue, request),
            reads=tuple(reads),
        )

    async def _plan(self, tenant: str, grant: TaskApprovalGranted) -> Plan | None:
        """The approved plan; None when what is stored is not what was approved."""
        try:
            return await self._service.plans.get(tenant, grant.document, grant.plan_hash)
        except (BlobCorrupt, BlobMissing, Malformed):
            return None

    async def _earlier(self, cue: Cue, request: ToolCallRequested) -> CallView | None:
        """The attempt before this one; None for a first attempt."""
        if request.attempt == 1:
            return None
        before = call_id(cue.stream, request.question, request.purpose, request.attempt - 1)
        return (await self._views.call.load(stream(cue.tenant, "call", before), fresh=True)).state

    def _check(self, context: _Context, tool: Tool | None) -> tuple[Permit, CallFacts] | Denial:
        request = context.request
        known = tool.descriptor if tool is not None else None
        match request.purpose:
            case Purpose.EVIDENCE | Purpose.OBSERVE:
                permit = check_read(request, known)
            case Purpose.DO:
                permit = check_step(
                    request,
                    known,
                    context.run,
                    context.gate,
                    context.plan,
                    self._service.store.db_now(),
                )
            case Purpose.UNDO:
                permit = check_undo(request, context.run, context.gate, context.undone)
        if isinstance(permit, Denial):
            return permit
        if (denial := check_attempt(request, context.earlier)) is not None:
            return denial
        if tool is None:
            return Denial("unknown_tool", "gateway.registry", f"{request.tool} is not registered")
        try:
            # Resolved for the check and then forgotten: what is stored are the references.
            resolved = resolve(permit.arguments, self._secrets.lookup)
        except RedactError as error:
            return Denial("missing_secret", "gateway.secrets", str(error))
        try:
            tool.arguments.model_validate(resolved)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            return Denial("bad_arguments", "gateway.arguments", f"{where}: {first['msg']}")
        return self._policy(context, tool, permit)

    def _policy(
        self, context: _Context, tool: Tool, permit: Permit
    ) -> tuple[Permit, CallFacts] | Denial:
        request = context.request
        grant = context.gate.grant
        now = self._service.store.db_now()
        asked = ToolCallInput(
            tenant=context.tenant,
            task=request.task,
            environment=context.environment,
            tool=request.tool,
            version=request.version,
            category=tool.descriptor.category,
            registered=True,
            purpose=request.purpose,
            target=request.target,
            arguments=permit.arguments,
            halted=context.gate.halted is not None,
            undo_owed=context.undone.undo is not None,
            grant=GrantInput(
                valid=permit.step is not None,
                environment=grant.environment,
                expires_at_ms=_milliseconds(grant.expires_at),
                automatic=grant.automatic,
            )
            if grant is not None
            else None,
            now_ms=_milliseconds(now),
        )
        verdict = self._bundle.decide(asked)
        if not verdict.allow:
            first = verdict.denials[0]
            return Denial("policy", first.rule, first.message)
        facts = CallFacts(
            task=request.task,
            run=request.run,
            requester=context.requester,
            requester_stream=context.requester_stream,
            request=context.event,
            purpose=request.purpose,
            tool=request.tool,
            version=request.version,
            schema_digest=tool.descriptor.digest(),
            target=request.target,
            question=request.question,
            attempt=request.attempt,
            phase=request.phase,
            step=request.step,
            undoes=request.undoes,
            arguments=permit.arguments,
            plan_hash=grant.plan_hash if grant is not None else None,
            grant=grant.grant if grant is not None else None,
            approvers=tuple(voice.actor for voice in grant.approvals) if grant else (),
            policy=Decided(
                allow=True,
                rules=verdict.rules,
                bundle=verdict.bundle_digest,
                engine=f"{verdict.engine} {verdict.engine_version}",
            ),
        )
        return permit, facts

    # ---- carrying out ----------------------------------------------------------------------

    async def _carry_out(
        self,
        name: str,
        facts: CallFacts,
        arguments: JsonObject,
        tool: Tool,
        ident: UUID,
        key: UUID | None = None,
    ) -> tuple[Answer | NotApplied | Unknown, float]:
        tenant = parse_stream(name).tenant
        resolved = resolve(arguments, self._secrets.lookup)
        if not isinstance(resolved, dict):
            raise TypeError("arguments are an object")
        outbound = Outbound(
            tool=facts.tool,
            target=facts.target,
            arguments=resolved,
            key=key or ident,
            headers=self._headers(tenant, ident, facts.task, facts.grant),
            timeout=timedelta(milliseconds=tool.descriptor.timeout_ms),
        )
        began = time.perf_counter()
        answer = await tool.driver.call(outbound)
        took = (time.perf_counter() - began) * 1000
        return _typed(tool, answer), round(took, 3)

    @staticmethod
    def _headers(tenant: str, call: UUID, task: UUID, grant: int | None) -> dict[str, str]:
        headers = {
            "x-smartops-tenant": tenant,
            "x-smartops-call": str(call),
            "x-smartops-task": str(task),
        }
        if grant is not None:
            headers["x-smartops-grant"] = f"{task}/{grant}"
        return headers

    async def _deny(self, name: str, cause: Cause, cue: Cue, request: ToolCallRequested) -> None:
        """Deny, but only on facts that hold at the append: a stale view must not refuse work."""

        async def decide(call: Call, fresh: bool) -> Decision:  # noqa: FBT001
            context = await self._context(cue, request, fresh=True)
            del fresh
            checked = self._check(context, self._registry.get(request.tool))
            if not isinstance(checked, Denial):
                raise StaleDenial(request.call)
            return self._denied(call, cue, request, checked, context.reads)

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
        reads: tuple[tuple[str, int], ...],
    ) -> Decision:
        requester = "planner" if parse_stream(cue.stream).category == "task" else "runner"
        decision = domain.deny(call, request, cue.id, requester, cue.stream, denial)
        return Decision(decision.events, reads=reads)

    async def _task(self, name: str) -> UUID | None:
        sent = (await self._calls.folds.load(name)).state.dispatched
        return sent.facts.task if sent is not None else None


class StaleDenial(Exception):
    """A denial rested on views that have moved on; on fresh ones the call may go out."""


async def _nothing(_call: Call, _fresh: bool) -> Decision:  # noqa: FBT001
    return NOTHING


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _key(request: ToolCallRequested) -> UUID:
    return tool_key(request.run or request.task, request.question, request.purpose)


def _typed(tool: Tool, answer: Answer | NotApplied | Unknown) -> Answer | NotApplied | Unknown:
    """An answer in the tool's declared shape, redacted; another shape tells nothing."""
    if not isinstance(answer, Answer):
        return answer
    try:
        output: JsonValue = tool.output.model_validate(answer.output).model_dump(mode="json")
    except ValidationError as error:
        return Unknown(f"the answer is not what {tool.descriptor.name} declares: {error.title}")
    # A reference in an answer would be resolved when it comes back as an argument of an undo.
    return Answer(redact(output, keep_references=False))


def _bind_undo(step: Step | None, before: JsonValue) -> UndoEntitlement | Denial | None:
    """Fill the undo template from the before-state."""
    if step is None or step.undo is None:
        return None
    bound: JsonObject = {}
    for name, value in step.undo.arguments.items():
        if isinstance(value, dict) and set(value) == {"$before"}:
            field = str(value["$before"])
            if not isinstance(before, dict) or field not in before:
                return Denial(
                    "no_before_state", "gateway.before_state", f"the before-state has no {field!r}"
                )
            bound[name] = before[field]
        else:
            bound[name] = value
    return UndoEntitlement(tool=step.undo.tool, version=step.undo.version, arguments=bound)
