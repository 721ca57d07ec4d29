"""Where the deliveries of one pull loop come in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from typing import Any

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from smartops.bus.unhurried import finishes_within

__all__ = ["Inbox"]


class Inbox:
    """A subscription on a subject of its own, made anew for each connection.

    The client renews its subscriptions after a reconnect, and the server may still hold a request
    for the old subject: with the old inbox both would deliver, beyond our credit.

    Args:
        nc: the connection.
        prefix: below which the subject lies, without a trailing dot; None: the connection's own.
        patience: for the server's part in closing it.
    """

    def __init__(self, nc: Client, prefix: str | None, patience: timedelta) -> None:
        self._nc = nc
        self._prefix = prefix
        self._patience = patience
        self._sub: Subscription | None = None
        self._connection = -1

    @property
    def subject(self) -> str | None:
        """Where it listens; None: it is closed."""
        return None if self._sub is None else self._sub.subject

    @property
    def current(self) -> bool:
        """Whether it is open, and was opened on the connection that we have now."""
        return self._sub is not None and self._connection == self._nc.stats["reconnects"]

    async def open(self, deliver: Callable[[Msg], Awaitable[None]]) -> None:
        """Close the old one, if any, and listen on a new subject."""
        await self.close()
        subject = self._nc.new_inbox()
        if self._prefix is not None:
            subject = f"{self._prefix}.{subject.rpartition('.')[2]}"
        self._connection = self._nc.stats["reconnects"]
        self._sub = await self._nc.subscribe(subject, cb=deliver)

    async def close(self) -> None:
        """Let nothing more come in; what is on its way is still delivered first."""
        sub, self._sub = self._sub, None
        if sub is None or self._nc.is_closed:
            return
        if not self._nc.is_connected:
            await sub.unsubscribe()  # forgotten here, so a reconnect does not renew it
            return
        drain: Coroutine[Any, Any, None] = sub.drain()  # type: ignore[no-untyped-call]
        if not await finishes_within(self._patience, drain):
            await self._nc.force_reconnect()
