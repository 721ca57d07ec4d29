"""Words given beforehand, and taken back: delegations, and classes of plans agreed to."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from smartops.contracts.commands import (
    ApprovalDelegate,
    DelegationRevoke,
    StandingGive,
    StandingRevoke,
)
from smartops.contracts.ids import delegation_id, standing_id
from smartops.contracts.streams import stream
from smartops.sdk import effects
from smartops.sdk.client.connection import DEFAULT_PATIENCE, Connection
from smartops.sdk.effects import Effect
from smartops.sdk.orders import Order
from smartops.sdk.results import Mandated

__all__ = ["Mandates"]


class Mandates(Connection):
    """Giving one's word beforehand, and taking it back."""

    async def delegate(
        self,
        command: ApprovalDelegate,
        *,
        id: str | None = None,  # noqa: A002
        patience: timedelta = DEFAULT_PATIENCE,
    ) -> Mandated:
        """Hand one's voice to another, for a time.

        Raises:
            Refused: not yours to give, or not so long.
            NotSent: the command was not stored.
            Unknown: no answer in time.
        """
        order = self._orders.order(command, id)
        where = await self._own_stream()
        return await self._mandate(
            order, delegation_id(order.key), effects.DELEGATE, where, patience
        )

    async def end_delegation(
        self,
        delegation: UUID,
        reason: str,
        *,
        id: str | None = None,  # noqa: A002
        patience: timedelta = DEFAULT_PATIENCE,
    ) -> Mandated:
        """Take one's voice back.

        Raises:
            Refused: you have handed over no such voice.
            NotSent: the command was not stored.
            Unknown: no answer in time.
        """
        order = self._orders.order(DelegationRevoke(delegation=delegation, reason=reason), id)
        where = await self._own_stream()
        return await self._mandate(order, delegation, effects.END_DELEGATION, where, patience)

    async def give_standing(
        self,
        command: StandingGive,
        *,
        id: str | None = None,  # noqa: A002
        patience: timedelta = DEFAULT_PATIENCE,
    ) -> Mandated:
        """Agree beforehand to a class of plans.

        Raises:
            Refused: not yours to give, or not so long.
            NotSent: the command was not stored.
            Unknown: no answer in time.
        """
        order = self._orders.order(command, id)
        standing = standing_id(order.key)
        where = stream(self.tenant, "standing", standing)
        return await self._mandate(order, standing, effects.GIVE, where, patience)

    async def revoke_standing(
        self,
        standing: UUID,
        reason: str,
        *,
        id: str | None = None,  # noqa: A002
        patience: timedelta = DEFAULT_PATIENCE,
    ) -> Mandated:
        """Take back what was agreed to beforehand.

        Raises:
            Refused: not yours to take back, or there is none.
            NotSent: the command was not stored.
            Unknown: no answer in time.
        """
        order = self._orders.order(StandingRevoke(standing=standing, reason=reason), id)
        where = stream(self.tenant, "standing", standing)
        return await self._mandate(order, standing, effects.TAKE_BACK, where, patience)

    async def _own_stream(self) -> str | None:
        """Where it stands what this identity's person gives beforehand; None: it is nobody's."""
        for row in await self.reader.actors():
            if self.principal in row["principals"]:
                return stream(self.tenant, "actor", row["actor"])
        return None

    async def _mandate(
        self, order: Order, mandate: UUID, effect: Effect, where: str | None, patience: timedelta
    ) -> Mandated:
        event, already = await self._orders.carry_out(order, mandate, effect, patience, where=where)
        return Mandated(mandate, event, already)
