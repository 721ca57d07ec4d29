"""The runner's reactions, one short function per entry of the catalogue."""

from __future__ import annotations

import contextlib
from uuid import UUID

from smartops.contracts.commands import RunPause, RunResume
from smartops.contracts.events import TaskApprovalGranted
from smartops.contracts.streams import parse_stream, stream
from smartops.eventstore.rows import TimerRow
from smartops.runner.claims import claimed_outcome
from smartops.runner.runs import CLOCK, Misled, Runs
from smartops.runner.sandboxing import Sandboxing
from smartops.runtime.cues import Cue, Order
from smartops.runtime.reactor import Reaction
from smartops.runtime.service import Service

__all__ = ["register"]


def register(service: Service, runs: Runs, sandbox: Sandboxing) -> None:
    """Join the runner's reactions to the bus and the timers."""
    views = service.views

    @service.on_event("runner.grants")
    async def start_run(cue: Cue) -> Reaction:
        claimed = cue.claimed()
        if isinstance(claimed, TaskApprovalGranted):
            service.plans.want(cue.tenant, claimed.document)
        seen = await views.verified(views.gate, cue)
        gate = seen.state
        if gate.grant is None:
            return await service.nothing_follows(cue, seen.version)
        task = UUID(parse_stream(cue.stream).id)
        name = stream(cue.tenant, "run", gate.grant.run)
        return await runs.start(name, task, service.cause(cue, task))

    @service.on_event("runner.calls")
    async def note_outcome(cue: Cue) -> Reaction:
        told = claimed_outcome(cue)
        if told is not None:
            with contextlib.suppress(Misled):
                return await runs.note(told, cue, told=True)
        call = (await views.verified(views.call, cue)).state
        return await runs.note(call, cue)

    @service.on_event("runner.gate")
    async def heed_gate(cue: Cue) -> Reaction:
        seen = await views.verified(views.gate, cue)
        gate = seen.state
        if gate.grant is None:
            return await service.nothing_follows(cue, seen.version)
        task = UUID(parse_stream(cue.stream).id)
        return await runs.heed(cue.tenant, task, gate.grant.run, service.cause(cue, task))

    @service.on_event("runner.computations")
    async def compute(cue: Cue) -> Reaction:
        return await runs.compute(cue, sandbox)

    @service.on_command("runner.controls")
    async def obey(order: Order[RunPause | RunResume]) -> Reaction:
        return await runs.obey(order)

    @service.on_timer(CLOCK, phase="verify", task_of=runs.claimant)
    async def tick(row: TimerRow) -> Reaction:
        return await runs.tick(row)
