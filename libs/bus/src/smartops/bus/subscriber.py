"""Our pull loop under FastStream's handlers.

FastStream keeps all it is good at: decorators, routers, typed handlers, its test broker, AsyncAPI.
Replaced are its loop (fetching in batches is a barrier, and prefetched messages are dropped at a
stop) and its acknowledgement (which terminates a message at the first error).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

from faststream.__about__ import __version__ as faststream_version
from faststream.middlewares import AckPolicy
from faststream.nats import JStream, NatsRouter, PullSub
from faststream.nats.broker.registrator import NatsRegistrator
from faststream.nats.subscriber.usecases import PullStreamSubscriber
from nats.js.api import ConsumerConfig
from smartops.bus.delivery import Delivery
from smartops.bus.errors import UnsupportedFramework
from smartops.bus.middleware import ErrorMapping
from smartops.bus.pull import StandingPull
from smartops.bus.pull_options import DEFAULT_PULL, PullOptions
from typing_extensions import override

__all__ = ["PROVEN_FASTSTREAM", "BusSubscriber", "bus_subscriber", "check_framework"]

PROVEN_FASTSTREAM = "0.7.8"
"""The version whose `PullStreamSubscriber` this class was proven to fit."""

_HOOKS = ("_create_subscription", "process_message", "_post_start", "start", "stop")


def check_framework() -> None:
    """Refuse a FastStream on which our hook was not proven.

    Raises:
        UnsupportedFramework: another version, or a method that we rely on is missing.
    """
    missing = [hook for hook in _HOOKS if not callable(getattr(PullStreamSubscriber, hook, None))]
    if missing:
        why = f"PullStreamSubscriber lacks {', '.join(missing)}"
        raise UnsupportedFramework(faststream_version, PROVEN_FASTSTREAM, why)
    if faststream_version != PROVEN_FASTSTREAM:
        why = "its pull subscriber's private hook may have moved"
        raise UnsupportedFramework(faststream_version, PROVEN_FASTSTREAM, why)


class BusSubscriber(PullStreamSubscriber):
    """A subscriber whose messages come from a `StandingPull` and end in an `ErrorMapping`."""

    pull: StandingPull | None = None
    """The loop; None until the broker has started."""
    mapping: ErrorMapping
    options: PullOptions
    inbox_prefix: str | None

    @property
    def durable(self) -> str:
        """Name of the consumer it is bound to."""
        return str(self.extra_options["durable"])

    @override
    async def _create_subscription(self) -> None:
        """Called by FastStream's `start`, once per start, when there is a handler."""
        if self.pull is not None:
            return
        pull = StandingPull(
            self.connection,
            self.stream.name,
            self.durable,
            self._handle,
            options=self.options,
            inbox_prefix=self.inbox_prefix,
        )
        self.pull = pull
        await pull.start()

    @override
    async def stop(self) -> None:
        """Give back what has not started, let the rest end, then let FastStream clean up."""
        pull, self.pull = self.pull, None
        if pull is not None:
            grace = self._outer_config.graceful_timeout
            await pull.stop(timedelta(seconds=15 if grace is None else grace))
        await super().stop()

    async def _handle(self, delivery: Delivery) -> None:
        pull = self.pull
        if pull is None:
            return  # stopped between arrival and start: undecided, so it is given back
        # Not FastStream's `consume`, which swallows every error: the decision needs it.
        await self.mapping.run(self.durable, delivery, self.process_message, pull)


def bus_subscriber(
    broker: NatsRegistrator | NatsRouter,
    *,
    stream: str,
    durable: str,
    mapping: ErrorMapping,
    filters: Sequence[str] = (),
    options: PullOptions = DEFAULT_PULL,
    inbox_prefix: str | None = None,
    decoder: Callable[..., Awaitable[Any]] | None = None,
    title: str | None = None,
    description: str | None = None,
) -> BusSubscriber:
    """Register a subscriber; use the result as a decorator on its handler.

    ```python
    @bus_subscriber(broker, stream="SMARTOPS", durable="policy-planned", mapping=mapping)
    async def weigh_plan(event: TaskPlanned) -> None: ...
    ```

    Args:
        broker: a broker or a router.
        stream: name of the stream.
        durable: name of the consumer. It is bound, never created: that is the provisioner's.
        mapping: decides about each message; one object for all subscribers of a process.
        filters: the consumer's subjects. The server already filters by them; here they serve the
            test broker's routing and the generated documentation.
        options: how to pull; see `PullOptions`.
        inbox_prefix: where deliveries may come in, without a trailing dot; None: the
            connection's own.
        decoder: FastStream decoder, from its message to what the handler takes.
        title: of the channel, in the documentation.
        description: of the channel, likewise.

    Raises:
        UnsupportedFramework: see `check_framework`.
    """
    check_framework()
    subscriber = broker.subscriber(
        "" if filters else f"{stream}.{durable}",
        stream=JStream(stream, declare=False),
        durable=durable,
        pull_sub=PullSub(batch_size=options.concurrency),
        config=ConsumerConfig(filter_subjects=list(filters)) if filters else None,
        ack_policy=AckPolicy.MANUAL,
        no_reply=True,
        decoder=decoder,
        title=title,
        description=description,
    )
    # FastStream offers no way to say which class it should make. Ours adds no storage of its
    # own layout, so the object can change its class before it is first used.
    subscriber.__class__ = BusSubscriber
    assert isinstance(subscriber, BusSubscriber)
    subscriber.mapping = mapping
    subscriber.options = options
    subscriber.inbox_prefix = inbox_prefix
    return subscriber
