"""What an agent may do by itself."""

from __future__ import annotations

from datetime import timedelta

from smartops.contracts.commands import AutonomyLower, AutonomyRaise
from smartops.contracts.events import CommandAnswered
from smartops.contracts.streams import stream
from smartops.sdk import effects
from smartops.sdk.client.connection import DEFAULT_PATIENCE, Connection
from smartops.sdk.results import Done

__all__ = ["Autonomy"]


class Autonomy(Connection):
    """Levels of autonomy."""

    async def set_level(
        self,
        command: AutonomyRaise | AutonomyLower,
        *,
        id: str | None = None,  # noqa: A002
        patience: timedelta = DEFAULT_PATIENCE,
    ) -> Done:
        """Raise or lower what an agent may do by itself.

        Raises:
            Refused: not yours to change, or not by so much.
            NotSent: the command was not stored.
            Unknown: no answer in time.
        """
        order = self._orders.order(command, id)
        where = stream(self.tenant, "autonomy", command.agent)
        event, _ = await self._orders.carry_out(
            order, order.key, effects.AUTONOMY, patience, where=where
        )
        return Done(order.key, event, isinstance(event.data, CommandAnswered))
