"""The planner's reactions, one short function per entry of the catalogue."""

from __future__ import annotations

from smartops.contracts.commands import IntentSubmit
from smartops.planner.tasks import Tasks
from smartops.runtime.cues import Cue, Order
from smartops.runtime.reactor import Reaction
from smartops.runtime.service import Service

__all__ = ["register"]


def register(service: Service, tasks: Tasks) -> None:
    """Join the planner's reactions to the bus."""

    @service.on_command("planner.intents")
    async def submit(order: Order[IntentSubmit]) -> Reaction:
        return await tasks.submit(order)

    @service.on_event("planner.replans")
    async def plan_anew(cue: Cue) -> Reaction:
        return await tasks.give_way(cue)

    @service.on_event("planner.incidents")
    async def look_into(cue: Cue) -> Reaction:
        return await tasks.look_into(cue)

    @service.on_event("planner.evidence")
    async def take_answer(cue: Cue) -> Reaction:
        call = (await service.views.verified(service.views.call, cue)).state
        return await tasks.answered(call, cue)
