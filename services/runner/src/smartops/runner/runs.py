"""Deciding on runs: what the pure domain needs is read here, with the versions it rests on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from smartops.contracts.commands import RunPause, RunResume
from smartops.contracts.events import (
    BeforeState,
    TargetClaimed,
    TargetReleased,
    TaskComputationEnded,
    TaskComputationRequested,
)
from smartops.contracts.folds import CallView, GateView, TargetView
from smartops.contracts.plan import Plan
from smartops.contracts.streams import PLATFORM, parse_stream, stream
from smartops.contracts.tools import ToolDescriptor
from smartops.contracts.wire import Environment, Purpose
from smartops.eventstore.folds import Folded
from smartops.eventstore.rows import TimerRow
from smartops.runner import domain
from smartops.runner.computations import carry_out
from smartops.runner.computed import note_computed
from smartops.runner.moves import CLOCK
from smartops.runner.proofs import before_state
from smartops.runner.queued import CLAIM_PAUSE, Look, claim_timer, pause_queued, resume_queued
from smartops.runner.sandboxing import Sandboxing
from smartops.runner.state import Run, evolve
from smartops.runtime.cues import Cue, Order
from smartops.runtime.decision import NOTHING, Decision, Elsewhere, Refusal
from smartops.runtime.reactor import Reaction
from smartops.runtime.recording import Cause
from smartops.runtime.service import Service

__all__ = ["CLOCK", "Misled", "Runs"]

_FIRST = Look()
_RELEASING = frozenset({"completed", "rolled_back", "cancelled", "failed", "stale"})
"""Ends after which others may change the targets; an escalated run keeps its claims."""


class Misled(Exception):
    """A decision rested on what a message told, and the log says otherwise, or has moved on."""


class Runs:
    """All runs of this process."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._views = service.views
        self._runs = service.reactor(Run(), evolve)
        self._computing: dict[UUID, asyncio.Future[TaskComputationEnded]] = {}

    async def start(self, name: str, task: UUID, cause: Cause, look: Look = _FIRST) -> Reaction:
        """Begin the run of a grant, once its targets are free; until then look again."""
        tenant = parse_stream(name).tenant
        gate_stream = stream(tenant, "gate", task)

        async def decide(run: Run, fresh: bool) -> Decision:  # noqa: FBT001
            gate = await self._views.gate.load(gate_stream, fresh=fresh)
            grant = gate.state.grant
            if grant is not None and run.withheld:
                return await self._go_on(name, run, gate, fresh)
            if grant is None or look.late(run):
                return NOTHING
            plan = await self._service.plans.get(tenant, grant.document, grant.plan_hash)
            claims = domain.claims_of(plan)
            targets = await self._targets(tenant, grant.environment, claims, fresh=fresh)
            decision = domain.start(run, grant, task, gate.state, plan, self._now())
            reads = [
                (gate_stream, gate.version),
                *await self._conditions(tenant, gate.state, fresh),
            ]
            if evolve_all(run, decision).started is None:
                return replace(decision, reads=reads)
            if any(folded.state.run is not None for _, folded in targets):
                again = claim_timer(look.next, CLAIM_PAUSE, task)
                # On a stale view the run would look, and wait, for ever: what was seen must hold.
                seen = [(where, folded.version) for where, folded in targets]
                return Decision(timers=[again], reads=[(gate_stream, gate.version), *seen])
            claimed = [
                Elsewhere(
                    where,
                    folded.version,
                    [
                        TargetClaimed(
                            task=task, run=grant.run, environment=grant.environment, target=target
                        )
                    ],
                )
                for target, (where, folded) in zip(claims, targets, strict=True)
            ]
            return replace(decision, reads=reads, elsewhere=claimed)

        return await self._runs.react(name, cause, decide, new=look == _FIRST)

    async def _go_on(
        self,
        name: str,
        run: Run,
        gate: Folded[GateView],
        fresh: bool,  # noqa: FBT001
    ) -> Decision:
        """Go on under another grant, on what it rests on."""
        plan = await self._plan(name, run)
        if plan is None:
            return NOTHING
        decision = domain.go_on(run, plan, gate.state, self._now())
        tenant = parse_stream(name).tenant
        reads = [
            (stream(tenant, "gate", plan.header.task), gate.version),
            *await self._conditions(tenant, gate.state, fresh),
        ]
        return await self._release(name, run, replace(decision, reads=reads))

    async def note(self, call: CallView, cue: Cue, *, told: bool = False) -> Reaction:
        """A call of a run has come to an outcome.

        Args:
            call: the call.
            cue: the event that says so.
            told: nobody but the message says so yet; then all that follows cites it.

        Raises:
            Misled: what was told led to nothing that could be stored. Ask the log.
        """
        name = call.requester_stream
        known = (await self._runs.folds.load(name)).state
        task = known.started.task if known.started is not None else None
        request = known.requests.get(call.call) if call.call is not None else None
        if request is not None and request.purpose is Purpose.OBSERVE and _too_large(call):
            if told:
                raise Misled  # It cannot be told, and lies in the log.
            output = await self._views.output(parse_stream(name).tenant, call)
            call = replace(call, output=output)

        async def decide(run: Run, _fresh: bool) -> Decision:  # noqa: FBT001
            plan = await self._plan(name, run)
            if plan is None:
                return NOTHING
            before = await self._before(run, plan, call)
            decision = domain.note_outcome(run, plan, call, self._now(), before)
            return await self._release(name, run, decision)

        async def decide_on_word(run: Run, fresh: bool) -> Decision:  # noqa: FBT001
            if fresh:
                raise Misled
            try:
                decision = await decide(run, fresh)
            except ValueError as error:  # What somebody makes up may fit no rule of ours.
                raise Misled from error
            # Also with nothing to say: it marks the event as handled.
            return replace(decision, cites=[cue.citation()])

        cause = self._service.cause(cue, task)
        return await self._runs.react(name, cause, decide_on_word if told else decide)

    async def compute(self, cue: Cue, sandbox: Sandboxing) -> Reaction:
        """A computed step is asked for: compute it, outside of any decision, and take note."""
        asked = await self._views.event(cue)
        if not isinstance(asked, TaskComputationRequested):
            raise TypeError(f"{cue.topic} asks for no computation")
        name = cue.stream
        run = (await self._runs.folds.load(name, at_least=cue.version)).state
        plan = await self._plan(name, run)
        ended: TaskComputationEnded | None = None
        if plan is not None and asked.call in run.in_flight:
            ended = await self._once(
                asked.call, lambda: carry_out(self._service, sandbox, name, run, plan, asked)
            )

        async def decide(run: Run, _fresh: bool) -> Decision:  # noqa: FBT001
            if plan is None or ended is None:
                return NOTHING
            decision = note_computed(run, plan, ended, self._now())
            return await self._release(name, run, decision)

        return await self._runs.react(name, self._service.cause(cue, asked.task), decide)

    async def _once(
        self, call: UUID, compute: Callable[[], Awaitable[TaskComputationEnded]]
    ) -> TaskComputationEnded:
        """Compute, or wait for what is computed already: a sweep finds what takes its time."""
        task = self._computing.get(call)
        if task is None:
            task = self._computing[call] = asyncio.ensure_future(compute())
            task.add_done_callback(lambda _: self._computing.pop(call))
        return await asyncio.shield(task)

    async def heed(self, tenant: str, task: UUID, run_id: UUID, cause: Cause) -> Reaction:
        """The gate cancelled, revoked or halted."""
        name = stream(tenant, "run", run_id)
        gate_stream = stream(tenant, "gate", task)

        async def decide(run: Run, fresh: bool) -> Decision:  # noqa: FBT001
            gate = await self._views.gate.load(gate_stream, fresh=fresh)
            plan = await self._plan(name, run)
            decision = domain.heed_gate(run, plan, task, gate.state, self._now())
            return await self._release(name, run, decision)

        return await self._runs.react(name, cause, decide)

    async def obey(self, order: Order[RunPause | RunResume]) -> Reaction:
        """A person pauses or resumes."""
        command = order.data
        gate_stream = stream(order.tenant, "gate", command.task)
        gate = await self._views.gate.load(gate_stream, fresh=True)
        cause = self._service.orders.cause(order, command.task)
        if gate.state.grant is None:
            refusal = Refusal("not_found", "no run was granted for this task", "task")
            await self._service.orders.refuse(order, refusal)
            return Reaction.DONE
        name = stream(order.tenant, "run", gate.state.grant.run)

        async def decide(run: Run, fresh: bool) -> Decision:  # noqa: FBT001
            gate = await self._views.gate.load(gate_stream, fresh=fresh)
            who = (gate.state, order.principal, command.reason)
            plan = await self._plan(name, run)
            if plan is None:
                obeyed = pause_queued if isinstance(command, RunPause) else resume_queued
                decision = obeyed(run, command.task, *who)
            elif isinstance(command, RunPause):
                return domain.pause(run, plan, order.principal, command.reason, self._now())
            else:
                decision = domain.resume(run, plan, *who, self._now())
            return replace(decision, reads=[(gate_stream, gate.version)])

        return await self._runs.react(name, cause, decide)

    async def tick(self, row: TimerRow) -> Reaction:
        """A timer of a run fired."""
        look = Look.of(row.name)
        if look is not None:
            return await self._claim_again(row, look)
        started = (await self._runs.folds.load(row.stream)).state.started
        cause = self._service.cause_of_timer(row, started.task if started is not None else None)

        async def decide(run: Run, _fresh: bool) -> Decision:  # noqa: FBT001
            plan = await self._plan(row.stream, run)
            if plan is None:
                return NOTHING
            decision = domain.tick(run, plan, row.name, self._now())
            return await self._release(row.stream, run, decision)

        return await self._runs.react(row.stream, cause, decide)

    @staticmethod
    def claimant(row: TimerRow) -> UUID | None:
        """The task that waits for its targets, and so has no run yet."""
        waits = Look.of(row.name) is not None
        return UUID(bytes=row.payload) if waits and row.payload is not None else None

    async def _claim_again(self, row: TimerRow, look: Look) -> Reaction:
        if row.payload is None:
            raise ValueError("a claim timer carries its task")
        task = UUID(bytes=row.payload)
        cause = self._service.cause_of_timer(row, task)
        return await self.start(row.stream, task, cause, look)

    def _now(self) -> datetime:
        return self._service.store.db_now()

    async def _before(self, run: Run, plan: Plan, call: CallView) -> BeforeState | None:
        """What taking a call back will be held to, if it is a change that can be read back."""
        request = run.requests.get(call.call) if call.call is not None else None
        if request is None or request.purpose is not Purpose.DO or call.before is None:
            return None
        step = plan.by_hash().get(request.step or "")
        if step is None or step.undo is None:
            return None
        changes = await self._tool(step.tool)
        if changes is None or changes.before is None:
            return None
        return before_state(step, await self._tool(changes.before), call.before)

    async def _tool(self, name: str) -> ToolDescriptor | None:
        where = stream(PLATFORM, "tool", name)
        folded = await self._views.tool.load(where)
        return folded.state.descriptor

    async def _plan(self, name: str, run: Run) -> Plan | None:
        if run.started is None:
            return None
        tenant = parse_stream(name).tenant
        return await self._service.plans.get(tenant, run.started.document, run.started.plan_hash)

    async def _conditions(
        self,
        tenant: str,
        gate: GateView,
        fresh: bool,  # noqa: FBT001
    ) -> list[tuple[str, int]]:
        """Versions of approvers and bundle that the start rests on."""
        names = [f"{PLATFORM}/bundle-default"]
        if gate.grant is not None:
            names += [stream(tenant, "actor", voice.actor) for voice in gate.grant.approvals]
        bundle, *actors = names
        versions = [(bundle, (await self._views.bundle.load(bundle, fresh=fresh)).version)]
        versions += [
            (actor, (await self._views.actor.load(actor, fresh=fresh)).version) for actor in actors
        ]
        return versions

    async def _targets(
        self, tenant: str, environment: Environment, targets: Sequence[str], *, fresh: bool
    ) -> list[tuple[str, Folded[TargetView]]]:
        names = [stream(tenant, "target", f"{environment}/{target}") for target in targets]
        folded = await asyncio.gather(
            *(self._views.target.load(name, fresh=fresh) for name in names)
        )
        return list(zip(names, folded, strict=True))

    async def _release(self, name: str, run: Run, decision: Decision) -> Decision:
        """Free the targets with the event that ends the run."""
        after = evolve_all(run, decision)
        started = after.started
        if started is None or after.ended not in _RELEASING or run.ended == after.ended:
            return decision
        tenant = parse_stream(name).tenant
        # Our own claim was written by the unit that began the run and is in no cache: a stale view
        # would show the target as not ours, and it would never be freed.
        owned = await self._targets(tenant, started.environment, started.claims, fresh=True)
        released = [
            Elsewhere(
                where,
                folded.version,
                [
                    TargetReleased(
                        task=started.task,
                        run=started.run,
                        environment=started.environment,
                        target=target,
                    )
                ],
            )
            for target, (where, folded) in zip(started.claims, owned, strict=True)
            if folded.state.run == started.run
        ]
        return replace(decision, elsewhere=released)


def _too_large(call: CallView) -> bool:
    """Whether what a call brought out does not stand in its event."""
    return call.output is None and call.output_digest is not None


def evolve_all(run: Run, decision: Decision) -> Run:
    """The run after a decision."""
    if isinstance(decision.after, Run):
        return decision.after
    for event in decision.events:
        run = evolve(run, event)
    return run
