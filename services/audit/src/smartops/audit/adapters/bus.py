"""The connection to the bus: made in the background, because audit can work without it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence

from nats.aio.client import Client
from smartops.bus.connection import ConnectOptions, close, connect
from smartops.bus.errors import BusError
from smartops.bus.relay import Outgoing, Relay
from smartops.bus.users import inbox_prefix
from smartops.contracts.catalogue import AUDIT
from smartops.runtime.settings import ServiceSettings

__all__ = ["Bus"]

_log = logging.getLogger(__name__)

_RETRY_S = 5.0
"""After the server refused our key: somebody has to change something first."""


class Bus:
    """Publishes while there is a bus; otherwise says that there is none."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._settings = settings
        self._nc: Client | None = None
        self._relay: Relay | None = None
        self._task: asyncio.Task[None] | None = None
        self._refused: str | None = None

    @property
    def trouble(self) -> str | None:
        """Why nothing can be published now."""
        if not self._settings.events_enabled:
            return None
        if self._nc is None:
            return self._refused or "not connected yet"
        return None if self._nc.is_connected else "reconnecting"

    async def start(self) -> None:
        """Begin to connect."""
        if self._settings.events_enabled:
            self._task = asyncio.create_task(self._connect(), name="bus")

    async def stop(self) -> None:
        """Wait a moment for answers, then disconnect."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        if self._relay is not None:
            await self._relay.stop()
        if self._nc is not None:
            await close(self._nc)

    async def publish(self, messages: Sequence[Outgoing]) -> int:
        """Send messages; returns how many were sent."""
        if self._settings.events_mode == "logger":
            for message in messages:
                _log.info("event", extra={"subject": message.subject, "position": message.position})
        return 0 if self._relay is None else await self._relay.publish(messages)

    async def _connect(self) -> None:
        settings = self._settings
        while self._nc is None:
            try:
                self._nc = await connect(
                    settings.nats_url.split(","),
                    name=AUDIT,
                    inbox_prefix=inbox_prefix(AUDIT),
                    seed_path=settings.nats_seed_file,
                    options=ConnectOptions(patience=None),
                )
            except (BusError, OSError) as error:
                if self._refused != str(error):
                    _log.warning("the bus refuses us: %s", error)
                self._refused = str(error)
                await asyncio.sleep(_RETRY_S)
        relay = Relay(self._nc, on_acked=lambda _: None)
        await relay.start()
        self._relay = relay
