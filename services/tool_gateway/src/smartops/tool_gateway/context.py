"""What a request stands on: read from the log, with the versions that the decision rests on."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from smartops.contracts.errors import Malformed
from smartops.contracts.events import TaskApprovalGranted, ToolCallRequested
from smartops.contracts.folds import CallStatus, CallView, GateView, RunView
from smartops.contracts.plan import Plan
from smartops.contracts.streams import PLATFORM, parse_stream, stream
from smartops.contracts.wire import Environment, Purpose
from smartops.eventstore.errors import BlobCorrupt, BlobMissing
from smartops.policy_engine import PolicyEngine
from smartops.redact import Personal
from smartops.runtime.cues import Cue
from smartops.runtime.engines import InForce
from smartops.runtime.plans import Plans
from smartops.runtime.views import Views
from smartops.tool_gateway.attempts import earlier_attempt
from smartops.tool_gateway.bundle import PolicyEngines
from smartops.tool_gateway.checks import Denial
from smartops.tool_gateway.conditions import Conditions
from smartops.tool_gateway.course import Course
from smartops.tool_gateway.grounds import borne_out
from smartops.tool_gateway.promises import rehearsals
from smartops.tool_gateway.secrets import Secrets

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
    policy: InForce[PolicyEngine]
    """Who is to be asked, by which version of the log."""
    run: RunView
    gate: GateView
    plan: Plan | None
    undone: CallView
    earlier: CallView | None
    reads: tuple[tuple[str, int], ...]
    reads_asked: int = 0
    """Reads that the requester's stream asked for up to now, this one included."""
    skipped: str | None = None
    """A step that comes before this one and was not applied, if there is one."""
    simulated: bool = False
    """Whether the rehearsal that the tool wants has succeeded; false where it wants none."""
    unheld: Denial | None = None
    """Why the grant's condition keeps a step back; None too where it names none."""
    personal: Mapping[str, Personal] = field(default_factory=dict, repr=False)
    """What stands behind the tokens in the arguments that this may be about, as far as it is
    there."""


class Contexts:
    """Reads contexts."""

    def __init__(
        self,
        views: Views,
        plans: Plans,
        engines: PolicyEngines,
        secrets: Secrets,
        course: Course,
    ) -> None:
        self._course = course
        self._conditions = Conditions(views)
        self._views = views
        self._plans = plans
        self._engines = engines
        self._secrets = secrets

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
            task = (await self._views.task.load(cue.stream, at_least=cue.version)).state
            policy = await self._engines.current(fresh=fresh)
            return Context(
                **common,
                policy=policy,
                environment=task.spec.environment if task.spec else Environment.PRODUCTION,
                reads_asked=len(task.requests),
                run=RunView(),
                gate=GateView(),
                plan=None,
                undone=CallView(),
                earlier=None,
                reads=(policy.read,),
                personal=await self._secrets.personal(cue.tenant, request.task, request.arguments),
            )
        gate_stream = stream(cue.tenant, "gate", request.task)
        if fresh:
            run, gate, policy = await asyncio.gather(
                self._views.run.load(cue.stream, at_least=cue.version),
                self._views.gate.load(gate_stream, fresh=True),
                self._engines.current(fresh=True),
            )
        else:
            run = await self._views.run.load(cue.stream, at_least=cue.version)
            gate = await self._views.gate.load(gate_stream)
            policy = await self._engines.current()
        grant = gate.state.grant
        if grant is None and not fresh:
            gate = await self._views.gate.load(gate_stream, fresh=True)
            grant = gate.state.grant
        reads = [(gate_stream, gate.version), policy.read]
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
            policy=policy,
            environment=grant.environment if grant is not None else Environment.PRODUCTION,
            reads_asked=run.state.reads,
            run=run.state,
            gate=await borne_out(self._views, cue.tenant, request.task, gate.state),
            plan=plan,
            undone=undone,
            earlier=await self._earlier(cue, request),
            reads=tuple(reads),
            skipped=await self._skipped(cue, request, run.state, plan),
            simulated=await self.simulated(cue.tenant, request, run.state, plan),
            unheld=await self._unheld(cue, request, run.state, grant, plan),
            personal=await self._personal(cue.tenant, request, plan, undone),
        )

    async def _unheld(
        self,
        cue: Cue,
        request: ToolCallRequested,
        run: RunView,
        grant: TaskApprovalGranted | None,
        plan: Plan | None,
    ) -> Denial | None:
        envelope = None if grant is None else grant.envelope
        if envelope is None or envelope.condition is None or plan is None:
            return None  # Without its plan no step goes out.
        if request.purpose is not Purpose.DO:
            return None
        return await self._conditions.denial(cue.stream, run, plan, envelope.condition)

    async def _skipped(
        self, cue: Cue, request: ToolCallRequested, run: RunView, plan: Plan | None
    ) -> str | None:
        step = request.step
        if request.purpose is not Purpose.DO or plan is None or step is None:
            return None
        if step not in plan.by_hash():
            return None
        return await self._course.skipped(cue.stream, run, plan, step)

    async def _personal(
        self, tenant: str, request: ToolCallRequested, plan: Plan | None, undone: CallView
    ) -> Mapping[str, Personal]:
        """Of all arguments that this can come to: its own, its step's, or those of an undo."""
        step = None if plan is None else plan.by_hash().get(request.step or "")
        return await self._secrets.personal(
            tenant,
            request.task,
            request.arguments,
            None if step is None else step.arguments,
            None if undone.undo is None else undone.undo.arguments,
        )

    async def _plan(self, tenant: str, grant: TaskApprovalGranted) -> Plan | None:
        """The approved plan; None when what is stored is not what was approved."""
        try:
            return await self._plans.get(tenant, grant.document, grant.plan_hash)
        except (BlobCorrupt, BlobMissing, Malformed):
            return None

    async def simulated(
        self, tenant: str, request: ToolCallRequested, run: RunView, plan: Plan | None
    ) -> bool:
        """Whether the log shows the rehearsal of a step; what may not have happened has not."""
        if request.purpose is not Purpose.DO or plan is None:
            return False
        tool = (await self._views.tool.load(stream(PLATFORM, "tool", request.tool))).state
        step = plan.by_hash().get(request.step or "")
        if tool.descriptor is None or tool.descriptor.simulate is None or step is None:
            return False
        task = await self._views.task.load(stream(tenant, "task", request.task), fresh=True)
        for call in rehearsals(tool.descriptor, step, run, task.state, plan):
            seen = await self._views.call.load(stream(tenant, "call", call), fresh=True)
            if seen.state.status is CallStatus.SUCCEEDED:
                return True
        return False

    async def _earlier(self, cue: Cue, request: ToolCallRequested) -> CallView | None:
        async def load(call: UUID) -> CallView:
            name = stream(cue.tenant, "call", call)
            return (await self._views.call.load(name, fresh=True)).state

        return await earlier_attempt(request, cue.stream, load)
