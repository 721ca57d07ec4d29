"""Policy's reactions, one short function per entry of the catalogue."""

from __future__ import annotations

from smartops.contracts.commands import ApprovalDecide, GrantRevoke, RunHalt, TaskCancel
from smartops.eventstore.rows import TimerRow
from smartops.policy.domain import EXPIRY_HANDLER
from smartops.policy.gates import Gates
from smartops.policy.stops import Stops
from smartops.policy.votes import Votes
from smartops.runtime.cues import Cue, Order
from smartops.runtime.reactor import Reaction
from smartops.runtime.service import Service

__all__ = ["register"]


def register(service: Service, gates: Gates, votes: Votes, stops: Stops) -> None:
    """Join policy's reactions to the bus and the timers."""

    @service.on_event("policy.plans")
    async def weigh_plan(cue: Cue) -> Reaction | None:
        return await gates.weigh(cue)

    @service.on_event("policy.breaches")
    async def heed_breach(cue: Cue) -> Reaction | None:
        return await stops.heed_breach(cue)

    @service.on_command("policy.decisions")
    async def hear_voice(order: Order[ApprovalDecide]) -> Reaction:
        return await votes.vote(order)

    @service.on_command("policy.controls")
    async def obey(order: Order[TaskCancel | GrantRevoke | RunHalt]) -> Reaction:
        return await stops.control(order)

    @service.on_timer(EXPIRY_HANDLER)
    async def expire(row: TimerRow) -> Reaction:
        return await votes.expire(row)
