"""Policy's reactions, one short function per entry of the catalogue."""

from __future__ import annotations

from smartops.contracts.commands import (
    ApprovalBreakGlass,
    ApprovalDecide,
    ApprovalDelegate,
    AutonomyLower,
    AutonomyRaise,
    BundleActivate,
    BundlePropose,
    BundleShadow,
    BundleSign,
    DelegationRevoke,
    GrantRevoke,
    PlanEdit,
    RunHalt,
    StandingGive,
    StandingRevoke,
    TaskCancel,
)
from smartops.eventstore.rows import TimerRow
from smartops.policy.agents.outcomes import Outcomes
from smartops.policy.agents.raising import Raising
from smartops.policy.bundles.governance import Governance
from smartops.policy.domain import EXPIRY_HANDLER, PROMPT_HANDLER
from smartops.policy.gate.edits import Edits
from smartops.policy.gate.gates import Gates
from smartops.policy.gate.returns import Returns
from smartops.policy.gate.stops import Stops
from smartops.policy.gate.votes import Votes
from smartops.policy.mandates.words import Mandates
from smartops.runtime.cues import Cue, Order
from smartops.runtime.reactor import Reaction
from smartops.runtime.service import Service

__all__ = ["hear_of_agents", "hear_of_approvals", "hear_of_bundles", "hear_of_edits", "register"]


def register(service: Service, gates: Gates, votes: Votes, stops: Stops) -> None:
    """Join policy's reactions to the bus and the timers."""

    @service.on_event("policy.plans")
    async def weigh_plan(cue: Cue) -> Reaction | None:
        return await gates.weigh(cue)

    @service.on_event("policy.breaches")
    async def heed_breach(cue: Cue) -> Reaction | None:
        return await stops.heed_breach(cue)

    @service.on_event("policy.conditions")
    async def heed_condition(cue: Cue) -> Reaction:
        return await stops.heed_condition(cue)

    @service.on_command("policy.decisions")
    async def hear_voice(order: Order[ApprovalDecide]) -> Reaction:
        return await votes.vote(order)

    @service.on_command("policy.controls")
    async def obey(order: Order[TaskCancel | GrantRevoke | RunHalt]) -> Reaction:
        return await stops.control(order)

    @service.on_timer(EXPIRY_HANDLER)
    async def expire(row: TimerRow) -> Reaction:
        return await votes.expire(row)


def hear_of_edits(service: Service, edits: Edits, returns: Returns) -> None:
    """Join what has plans written or weighed anew, beside voices, to the bus."""

    @service.on_command("policy.edits")
    async def edit(order: Order[PlanEdit]) -> Reaction:
        return await edits.edit(order)

    @service.on_event("policy.preconditions")
    async def heed_stale(cue: Cue) -> Reaction:
        return await edits.heed_stale(cue)

    @service.on_event("policy.returns")
    async def heed_return(cue: Cue) -> Reaction:
        return await returns.heed(cue)


def hear_of_approvals(service: Service, votes: Votes, mandates: Mandates) -> None:
    """Join what stands in for a voice, and what happens while there is none, to bus and timers."""

    @service.on_command("policy.emergencies")
    async def break_glass(order: Order[ApprovalBreakGlass]) -> Reaction:
        return await votes.break_glass(order)

    @service.on_command("policy.mandates")
    async def hear_mandate(
        order: Order[ApprovalDelegate | DelegationRevoke | StandingGive | StandingRevoke],
    ) -> Reaction:
        return await mandates.hear(order)

    @service.on_timer(PROMPT_HANDLER)
    async def prompt(row: TimerRow) -> Reaction:
        return await votes.prompt(row)


def hear_of_agents(service: Service, raising: Raising, outcomes: Outcomes) -> None:
    """Join what agents earn and lose to the bus."""

    @service.on_event("policy.outcomes")
    async def heed_outcome(cue: Cue) -> Reaction:
        return await outcomes.heed(cue)

    @service.on_command("policy.autonomy")
    async def change_level(order: Order[AutonomyRaise | AutonomyLower]) -> Reaction:
        return await raising.change(order)


def hear_of_bundles(service: Service, governance: Governance) -> None:
    """Join changes of the policy in force to the bus."""

    @service.on_command("policy.bundles")
    async def change_bundle(
        order: Order[BundlePropose | BundleSign | BundleActivate | BundleShadow],
    ) -> Reaction:
        return await governance.change(order)
