"""Telling the server that running messages are still being worked on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection
from datetime import timedelta

from nats import errors as nats_errors
from smartops.bus.delivery import Delivery

__all__ = ["Keeper"]

_log = logging.getLogger(__name__)


class Keeper:
    """Renews every running delivery when a third of its `ack_wait` has passed.

    One task for all messages of a durable, not one timer each: nearly all messages end long
    before their first renewal is due.

    Args:
        running: the deliveries with handlers now.
        connected: whether a renewal could be sent; without a connection it would only pile up
            in the outbound buffer.
        ack_wait: the consumer's; asked each round, since it is known only once bound.
    """

    def __init__(
        self,
        running: Callable[[], Collection[Delivery]],
        connected: Callable[[], bool],
        ack_wait: Callable[[], timedelta],
    ) -> None:
        self._running = running
        self._connected = connected
        self._ack_wait = ack_wait
        self._task: asyncio.Task[None] | None = None
        self.renewals = 0

    def start(self) -> None:
        """Begin, unless begun; needs a running loop."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._keep(), name="bus-keeper")

    async def stop(self) -> None:
        """End, and wait for the end."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait({task})

    async def _keep(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            third = self._ack_wait().total_seconds() / 3
            # Looking four times per third renews at 0.33 to 0.42 of ack_wait, so that two
            # renewals may be lost before the server gives up on us.
            await asyncio.sleep(third / 4)
            if not self._connected():
                continue
            due = loop.time() - third
            for delivery in [one for one in self._running() if one.renewed <= due]:
                delivery.renewed = loop.time()
                try:
                    await delivery.working()
                except nats_errors.Error as error:
                    _log.info("renewal not sent: %s", error)
                    break
                self.renewals += 1
