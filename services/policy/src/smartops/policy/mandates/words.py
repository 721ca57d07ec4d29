"""Words of people given beforehand: voices handed over, and classes of plans agreed to."""

from __future__ import annotations

from uuid import UUID

from smartops.contracts.commands import (
    ApprovalDelegate,
    DelegationRevoke,
    StandingGive,
    StandingRevoke,
)
from smartops.contracts.folds import ActorView, evolve_actor
from smartops.contracts.ids import CommandKey, delegation_id, standing_id
from smartops.contracts.streams import stream
from smartops.policy.actors import Directory
from smartops.policy.mandates import standing as words
from smartops.policy.mandates.delegation import delegate, end_delegation
from smartops.policy.mandates.offers import Standing, evolve_standing
from smartops.policy.mandates.standings import Standings
from smartops.policy.settings import PolicySettings
from smartops.runtime.cues import Order
from smartops.runtime.decision import Decision, Refusal
from smartops.runtime.people import Known
from smartops.runtime.reactor import Decide, Reaction
from smartops.runtime.recording import Cause
from smartops.runtime.service import Service

__all__ = ["Mandates"]

_NOBODY = Refusal("unmapped", "this principal is mapped to no actor, so it has no voice")

Mandate = ApprovalDelegate | DelegationRevoke | StandingGive | StandingRevoke


class Mandates:
    """Decides what people give and take back beforehand."""

    def __init__(
        self,
        service: Service,
        directory: Directory,
        standings: Standings,
        settings: PolicySettings,
    ) -> None:
        self._service = service
        self._directory = directory
        self._found = standings
        self._settings = settings
        self._actors = service.reactor(ActorView(), evolve_actor)
        self._standings = service.reactor(Standing(), evolve_standing)

    async def hear(self, order: Order[Mandate]) -> Reaction:
        """A person gives a word, or takes one back."""
        known = await self._directory.find(order.tenant, order.principal, fresh=False)
        if known is None:
            known = await self._directory.find(order.tenant, order.principal, fresh=True)
        if known is None:
            await self._service.orders.refuse(order, _NOBODY)
            return Reaction.DONE
        match order.data:
            case ApprovalDelegate():
                return await self._delegate(order, order.data, known)
            case DelegationRevoke():
                return await self._end(order, order.data, known)
            case StandingGive():
                return await self._give(order, order.data)
            case StandingRevoke():
                return await self._revoke(order, order.data)

    async def _delegate(
        self, order: Order[Mandate], command: ApprovalDelegate, giver: Known
    ) -> Reaction:
        ident = delegation_id(CommandKey(order.key))

        async def decide(view: ActorView, fresh: bool) -> Decision:  # noqa: FBT001
            to = await self._directory.actor(order.tenant, command.to, fresh=fresh)
            # To hand it to oneself is refused, so nothing rests on the giver's stream but itself.
            reads = () if to is None or to.stream == giver.stream else ((to.stream, to.version),)
            mapped = to.mapped if to is not None else None
            now, longest = self._service.store.db_now(), self._settings.delegation_ttl
            return delegate(view, mapped, command, ident, order.principal, now, longest, reads)

        return await self._actors.react(giver.stream, self._cause(order), decide)

    async def _end(
        self, order: Order[Mandate], command: DelegationRevoke, giver: Known
    ) -> Reaction:
        async def decide(view: ActorView, _fresh: bool) -> Decision:  # noqa: FBT001
            return end_delegation(view, command, order.principal)

        return await self._actors.react(giver.stream, self._cause(order), decide)

    async def _give(self, order: Order[Mandate], command: StandingGive) -> Reaction:
        ident = standing_id(CommandKey(order.key))

        async def decide(standing: Standing, fresh: bool) -> Decision:  # noqa: FBT001
            giver = await self._directory.find(order.tenant, order.principal, fresh=fresh)
            return words.give(
                standing,
                command,
                ident,
                words.giver_of(order.principal, order.authtype, giver),
                self._service.store.db_now(),
                longest=self._settings.standing_ttl,
                local_permitted=self._settings.local_credentials_in_production,
            )

        return await self._about(order, ident, decide)

    async def _revoke(self, order: Order[Mandate], command: StandingRevoke) -> Reaction:
        async def decide(standing: Standing, fresh: bool) -> Decision:  # noqa: FBT001
            who = await self._directory.find(order.tenant, order.principal, fresh=fresh)
            by = words.giver_of(order.principal, order.authtype, who)
            return words.revoke(standing, command, by)

        return await self._about(order, command.standing, decide)

    async def _about(
        self, order: Order[Mandate], ident: UUID, decide: Decide[Standing]
    ) -> Reaction:
        name = stream(order.tenant, "standing", ident)
        reaction = await self._standings.react(name, self._cause(order), decide)
        self._found.stir()
        return reaction

    def _cause(self, order: Order[Mandate]) -> Cause:
        return self._service.orders.cause(order, None)
