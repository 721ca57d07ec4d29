"""A durable and its handler without FastStream, for what is hot."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from nats.aio.client import Client
from nats.aio.msg import Msg
from smartops.bus.delivery import Delivery
from smartops.bus.middleware import ErrorMapping
from smartops.bus.pull import StandingPull
from smartops.bus.pull_options import DEFAULT_PULL, PullOptions

__all__ = ["listener"]


def listener(
    nc: Client,
    *,
    stream: str,
    durable: str,
    call: Callable[[Msg], Awaitable[Any]],
    mapping: ErrorMapping,
    options: PullOptions = DEFAULT_PULL,
    inbox_prefix: str | None = None,
) -> StandingPull:
    """Bind a handler of raw messages to a durable; `start` the result, and `stop` it at the end.

    Same loop and same decisions as `bus_subscriber`, at a third of its cost per message; parsing,
    routing and documentation are the caller's.

    Args:
        nc: the connection.
        stream: name of the stream.
        durable: name of the consumer, which must exist.
        call: gets each raw message; what it returns or raises decides, see `ErrorMapping`.
        mapping: decides.
        options: how to pull.
        inbox_prefix: where deliveries may come in; None: the connection's own prefix.
    """

    async def handle(delivery: Delivery) -> None:
        await mapping.run(durable, delivery, call, pull)

    pull = StandingPull(nc, stream, durable, handle, options=options, inbox_prefix=inbox_prefix)
    return pull
