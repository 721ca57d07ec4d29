"""One installation, as one identity: what every command goes through."""

from __future__ import annotations

from datetime import timedelta
from typing import Self
from uuid import UUID

from smartops.contracts.subjects import Subjects
from smartops.contracts.wire import CommandData
from smartops.sdk.bus import Bus
from smartops.sdk.effects import Effect
from smartops.sdk.orders import Orders
from smartops.sdk.profile import DEFAULT_IDENTITY, Profile
from smartops.sdk.reader import Reader
from smartops.sdk.results import Done

__all__ = ["DEFAULT_PATIENCE", "Connection"]

DEFAULT_PATIENCE = timedelta(seconds=30)
"""How long a command waits for its effect."""


class Connection:
    """A way to the bus and to the views, and whose it is. Subjects of commands build on it."""

    def __init__(self, profile: Profile, name: str, bus: Bus) -> None:
        self.profile = profile
        self.name = name
        self.tenant = profile.tenant
        self.principal = profile.principal(name)
        self.reader = Reader(profile)
        self._bus = bus
        self._subjects = Subjects(profile.prefix)
        self._orders = Orders(bus, self.reader, self._subjects, self.principal)

    @classmethod
    async def connect(cls, profile: Profile, as_: str = DEFAULT_IDENTITY) -> Self:
        """Connect to the bus; the database is asked when first needed.

        Raises:
            NoIdentity: there are no credentials of this name.
            Unreachable: the bus does not answer.
            Unauthorised: it does not accept them.
        """
        return cls(profile, as_, await Bus.connect(profile, as_))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Leave bus and database."""
        await self._bus.close()
        await self.reader.close()

    async def _control(
        self,
        command: CommandData,
        task: UUID,
        effect: Effect,
        ident: str | None,
        patience: timedelta,
    ) -> Done:
        order = self._orders.order(command, ident)
        event, already = await self._orders.carry_out(order, task, effect, patience)
        return Done(task, event, already)
