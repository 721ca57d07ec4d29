"""A FastStream broker on a connection that we made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from types import TracebackType
from typing import Any

from faststream.nats import NatsBroker
from nats.aio.client import Client
from smartops.bus.connection import close
from smartops.bus.subscriber import BusSubscriber
from typing_extensions import override

__all__ = ["BusBroker"]

DEFAULT_GRACE = timedelta(seconds=15)


class BusBroker(NatsBroker):
    """Takes its connection from `connect` instead of making one.

    So pull loops, relay and dead letters share one connection with our settings. FastStream's own
    one has an error callback that raises while reconnecting, which ends the client's only attempt
    loop, and it never passes its inbox prefix on to subscribers.

    Args:
        connect: makes the connection; called once, at the broker's start.
        grace: for running handlers at a stop.
        **settings: of `NatsBroker`, such as `decoder`, `apply_types` or `middlewares`.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[Client]],
        *,
        grace: timedelta = DEFAULT_GRACE,
        **settings: Any,
    ) -> None:
        # Its own logger would tell every retried message as a crash: the mapping logs instead.
        settings.setdefault("logger", None)
        super().__init__(graceful_timeout=grace.total_seconds(), **settings)
        self._make_connection = connect

    @property
    def durables(self) -> list[BusSubscriber]:
        """Our subscribers, for readiness and metrics."""
        return [one for one in self.subscribers if isinstance(one, BusSubscriber)]

    @property
    def trouble(self) -> str | None:
        """Why this process would not get its messages now, for people; None when it would."""
        found = []
        for subscriber in self.durables:
            trouble = "not started" if subscriber.pull is None else subscriber.pull.trouble
            if trouble is not None:
                found.append(f"{subscriber.durable}: {trouble}")
        return "; ".join(found) or None

    @override
    async def _connect(self) -> Client:
        connection = await self._make_connection()
        self.config.connect(connection)
        return connection

    @override
    async def stop(
        self,
        exc_type: type[BaseException] | None = None,
        exc_val: BaseException | None = None,
        exc_tb: TracebackType | None = None,
    ) -> None:
        """Stop all subscribers at once, then close the connection, also when the bus is away."""
        try:
            # Past NatsBroker's own stop: it drains, which raises while reconnecting.
            await super(NatsBroker, self).stop(exc_type, exc_val, exc_tb)
        finally:
            connection, self._connection = self._connection, None
            if connection is not None:
                await close(connection)
            self.config.disconnect()
