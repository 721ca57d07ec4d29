"""What a request stands on: read from the log, with the versions that the decision rests on."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from smartops.contracts.errors import Malformed
from smartops.contracts.events import TaskApprovalGranted, ToolCallRequested
from smartops.contracts.folds import CallView, GateView, RunView
from smartops.contracts.ids import call_id
from smartops.contracts.plan import Plan
from smartops.contracts.streams import PLATFORM, parse_stream, stream
from smartops.contracts.wire import Environment
from smartops.eventstore.errors import BlobCorrupt, BlobMissing
from smartops.runtime.cues import Cue
from smartops.runtime.plans import Plans
from smartops.runtime.views import Views
from smartops.tool_gateway.bundle import ActiveBundle

__all__ = ["Context", "Contexts"]


@dataclass(frozen=True, slots=True)
class Context:
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


class Contexts:
    """Reads contexts."""

    def __init__(self, views: Views, plans: Plans, bundle: ActiveBundle) -> None:
        self._views = views
        self._plans = plans
        self._bundle = bundle

    async def request(self, cue: Cue) -> ToolCallRequested:
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

    async def owner(self, cue: Cue, request: ToolCallRequested) -> UUID:
        """The task that the requester's stream belongs to, whatever the request says."""
        ref = parse_stream(cue.stream)
        if ref.category == "task":
            return UUID(ref.id)
        run = await self._views.run.load(cue.stream, at_least=cue.version)
        return run.state.started.task if run.state.started is not None else request.task

    async def gather(self, cue: Cue, request: ToolCallRequested, *, fresh: bool) -> Context:
        """All that the checks need, read now if `fresh`, else as far as it is known."""
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
            return Context(
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
        return Context(
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
            return await self._plans.get(tenant, grant.document, grant.plan_hash)
        except (BlobCorrupt, BlobMissing, Malformed):
            return None

    async def _earlier(self, cue: Cue, request: ToolCallRequested) -> CallView | None:
        """The attempt before this one; None for a first attempt."""
        if request.attempt == 1:
            return None
        before = call_id(cue.stream, request.question, request.purpose, request.attempt - 1)
        return (await self._views.call.load(stream(cue.tenant, "call", before), fresh=True)).state
