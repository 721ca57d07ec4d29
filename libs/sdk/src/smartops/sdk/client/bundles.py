"""The bundle of rules that is in force."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from smartops.contracts.commands import BundleActivate, BundlePropose, BundleShadow, BundleSign
from smartops.contracts.events import CommandRefused
from smartops.sdk.client.connection import Connection
from smartops.sdk.errors import Refused, Unknown
from smartops.sdk.event import Event

__all__ = ["Bundles"]

BUNDLE_PATIENCE = timedelta(seconds=60)
"""Longer than for other commands: a proposed bundle is compiled, and decides its cases."""
_LOOK = 0.1
"""Seconds between two looks for an answer; nothing tells of it."""


class Bundles(Connection):
    """Changing which rules hold."""

    async def change_bundle(
        self,
        command: BundlePropose | BundleSign | BundleActivate | BundleShadow,
        *,
        id: str | None = None,  # noqa: A002
        patience: timedelta = BUNDLE_PATIENCE,
    ) -> Event:
        """Propose, sign or activate a policy bundle, or set the shadow.

        The platform's events reach no person by the bus, so the log is asked until it tells.

        Raises:
            Refused: not yours to do, nobody proposed it, it fails its own test, ...
            NotSent: the command was not stored.
            Unknown: no answer in time.
        """
        order = self._orders.order(command, id)
        await self._orders.store(order, order.key)
        deadline = asyncio.get_running_loop().time() + patience.total_seconds()
        while (event := await self.reader.bundle_change(order.key)) is None:
            if asyncio.get_running_loop().time() > deadline:
                raise Unknown(
                    f"{command.name} is stored, but nothing was heard of it; policy may be down",
                    find_out=f"`smartops policy list`; or send it again with `--id {order.id}`,"
                    " which counts once.",
                )
            await asyncio.sleep(_LOOK)
        if isinstance(event.data, CommandRefused):
            raise Refused(event.data.code, event.data.message, field=event.data.field)
        return event
