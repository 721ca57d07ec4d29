"""What only a question tells: how much waits on the bus, in the outbox, and among the parked.

Asked every few seconds and kept, so that scrapes and readiness never wait for an answer.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from nats.aio.client import Client
from smartops.bus.api import NOT_FOUND, ApiError, api_of, api_request
from smartops.bus.topology import COMMANDS_STREAM, EVENTS_STREAM
from smartops.contracts.catalogue import HandlerSpec
from smartops.eventstore.errors import StoreError
from smartops.eventstore.rows import Backlog
from smartops.eventstore.store import EventStore
from smartops.runtime.losses import Losses
from smartops.telemetry.metrics import Metrics
from smartops.telemetry.probes import Probe

__all__ = ["Look", "Watch"]

_log = logging.getLogger(__name__)

INTERVAL = timedelta(seconds=5)
"""Between two looks: a tenth of what one would set off an alert for."""
TROUBLED_INTERVAL = timedelta(milliseconds=200)
"""The same while something is amiss, so that readiness comes back soon."""
PATIENCE = timedelta(seconds=2)
"""For one answer of the bus."""
PARKED_LIMIT = 1_000
"""Parked triggers counted; whoever has more knows enough."""

Look = Callable[[], Awaitable[str | None]]
"""Looks at something once; returns what is wrong, in words for an operator, or None."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a consumer holds."""

    pending: int
    unacked: int


class Watch:
    """Looks after the consumers, the outbox and the parked triggers of one service.

    Args:
        store: connected as the service's role.
        metrics: where the figures are shown.
        handlers: the service's own.
    """

    def __init__(
        self, store: EventStore, metrics: Metrics, handlers: Sequence[HandlerSpec]
    ) -> None:
        self._store = store
        self._handlers = tuple(handlers)
        self._nc: Client | None = None
        self._waiting: dict[str, Waiting] = {}
        self._losses = Losses()
        self._parked = 0
        self._backlog = Backlog(0, None)
        self._looks: dict[str, Look] = {"consumers": self._consumers}
        self._troubles: dict[str, str | None] = {}
        self._task: asyncio.Task[None] | None = None
        metrics.outbox_pending.set_function(lambda: self._backlog.count)
        metrics.outbox_oldest.set_function(self._outbox_age)
        metrics.parked_now.set_function(lambda: self._parked)
        metrics.read_gauge(
            "consumer_pending",
            "Messages that wait for a handler.",
            lambda: self._of_consumers(lambda one: one.pending),
            "handler",
        )
        metrics.read_gauge(
            "consumer_unacked",
            "Messages delivered and not yet acknowledged.",
            lambda: self._of_consumers(lambda one: one.unacked),
            "handler",
        )

        metrics.read_counter(
            "commands_gone",
            "Accepted commands that waited when their stream was lost, at most.",
            lambda: {name: float(count) for name, count in self._losses.gone.items()},
            "handler",
        )

    def also(self, name: str, look: Look) -> None:
        """Look at one more thing that the service needs; readiness tells its trouble."""
        self._looks[name] = look
        self._troubles[name] = "not looked at yet"

    def probes(self) -> list[Probe]:
        """What was found, for readiness."""
        return [Probe(name, lambda name=name: self._troubles.get(name)) for name in self._looks]  # type: ignore[misc]

    async def start(self, nc: Client) -> None:
        """Begin to look."""
        self._nc = nc
        self._task = asyncio.create_task(self._run(), name="watch")

    async def stop(self) -> None:
        """Stop."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def look(self) -> None:
        """Look once at everything."""
        for name, look in self._looks.items():
            await self._look_at(name, look)
        try:
            self._backlog = await self._store.outbox_backlog()
            self._parked = len(await self._store.parked(PARKED_LIMIT))
        except StoreError as error:
            _log.info("watch: %s", error)

    # ---- inside ----------------------------------------------------------------------------

    async def _run(self) -> None:
        while True:
            await self.look()
            troubled = any(self._troubles.values())
            await asyncio.sleep((TROUBLED_INTERVAL if troubled else INTERVAL).total_seconds())

    async def _look_at(self, name: str, look: Look) -> None:
        try:
            self._troubles[name] = await look()
        except StoreError as error:
            # The database has a probe of its own; what was known here is still the best we know.
            _log.info("watch of %s: %s", name, error)

    async def _consumers(self) -> str | None:
        nc = self._nc
        if nc is None or not nc.is_connected:
            return None  # The bus has a probe of its own.
        found: list[str] = []
        for spec in self._handlers:
            stream = COMMANDS_STREAM if spec.commands else EVENTS_STREAM
            try:
                subject = f"{api_of(nc)}.CONSUMER.INFO.{stream}.{spec.durable}"
                answer = await api_request(nc, subject, timeout=PATIENCE)
            except ApiError as error:
                self._waiting.pop(spec.name, None)
                if error.status == NOT_FOUND:
                    found.append(f"{spec.durable} is missing from {stream}: run the provisioner")
                else:
                    found.append(f"{spec.durable}: {error.description}")
                continue
            self._waiting[spec.name] = _waiting(answer)
            if spec.commands:
                self._losses.look(spec.name, answer)
        return "; ".join(found) or None

    def _of_consumers(self, figure: Callable[[Waiting], int]) -> Mapping[str, float]:
        return {name: figure(waiting) for name, waiting in self._waiting.items()}

    def _outbox_age(self) -> float:
        oldest = self._backlog.oldest
        if oldest is None:
            return 0.0
        return max(0.0, (self._store.db_now() - oldest).total_seconds())


def _waiting(answer: Mapping[str, object]) -> Waiting:
    pending, unacked = answer.get("num_pending"), answer.get("num_ack_pending")
    return Waiting(
        pending if isinstance(pending, int) else 0, unacked if isinstance(unacked, int) else 0
    )
