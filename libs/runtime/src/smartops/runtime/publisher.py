"""Telling the bus what was committed: at once, and again for what did not get through."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from datetime import timedelta

from smartops.bus.api import ApiError, BusClient
from smartops.bus.relay import DEFAULT_TIMEOUT, Outgoing, Relay
from smartops.contracts.subjects import Subjects
from smartops.eventstore.errors import StoreError
from smartops.eventstore.rows import OutboxRow
from smartops.eventstore.store import EventStore
from smartops.runtime.intake import Intake
from smartops.runtime.republishing import Republisher
from smartops.runtime.settings import ServiceSettings

__all__ = ["Publisher"]

_log = logging.getLogger(__name__)

_LEFTOVERS_AGE = timedelta(seconds=2)
"""Outbox rows this old were not acked in time; they are published again."""

_NOTE_EVERY_S = 30.0
"""Between two notes of how far the stream is, and two questions whether it is still the same."""

_LEFTOVERS_PAUSE_S = 1.0
_LEFTOVERS_LIMIT = 500
_PROBE_LIMIT = 1
"""Leftovers published at a time while the stream takes nothing: enough to hear when it does."""

_LAST_WORDS_S = 5.0
"""For publishes under way at a stop; what is late is published by the next process."""


class Publisher:
    """Publishes this service's events; the outbox is the truth about what is still owed."""

    def __init__(
        self, service: str, store: EventStore, settings: ServiceSettings, subjects: Subjects
    ) -> None:
        self._service = service
        self._store = store
        self._settings = settings
        self._subjects = subjects
        self._nc: BusClient | None = None
        self._relay: Relay | None = None
        self._republisher: Republisher | None = None
        self._intake = Intake(DEFAULT_TIMEOUT)
        self._looks = asyncio.Event()
        self._note_at = self._ask_at = 0.0
        self._under_way: set[asyncio.Task[None]] = set()
        self._leftovers: asyncio.Task[None] | None = None
        store.on_committed(self._committed)

    @property
    def trouble(self) -> str | None:
        """Why nothing can be published though the bus is there; None while it can."""
        return self._intake.trouble

    async def start(self, nc: BusClient) -> None:
        """Begin to publish on a connection."""
        self._nc = nc
        self._relay = Relay(nc, self._acked, on_failed=self._failed)
        await self._relay.start()
        self._republisher = Republisher(self._service, self._store, nc, self._relay, self._subjects)
        self._looks.set()
        self._leftovers = asyncio.create_task(self._publish_leftovers(), name="leftovers")

    async def reconnected(self) -> None:
        """The connection is back, perhaps to another server, or to one that has lost something."""
        self._intake.forget()
        self._looks.set()

    async def stop(self) -> None:
        """Finish what is under way, for a while."""
        if self._leftovers is not None:
            self._leftovers.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._leftovers
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=_LAST_WORDS_S)
        if self._relay is not None:
            await self._relay.stop()

    def _committed(self, rows: Sequence[OutboxRow]) -> None:
        if self._relay is None or not self._settings.events_enabled:
            return
        if self._intake.trouble is not None:
            return  # They are in the outbox, and go out from there once the stream takes some.
        if self._settings.events_mode == "logger":
            for row in rows:
                _log.info("event", extra={"subject": row.subject, "position": row.position})
        task = asyncio.create_task(self._publish(self._relay, rows))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    @staticmethod
    async def _publish(relay: Relay, rows: Sequence[OutboxRow]) -> None:
        await relay.publish(
            [Outgoing(row.subject, row.state, str(row.event_id), row.position) for row in rows]
        )

    def _acked(self, positions: list[int]) -> None:
        self._intake.acked(asyncio.get_running_loop().time())
        self._store.outbox_done(positions)

    def _failed(self, _positions: Sequence[int], why: str) -> None:
        """The stream may have gone, and may come back as another one."""
        if self._nc is not None and self._nc.is_connected:
            self._intake.failed(why, asyncio.get_running_loop().time())
        self._looks.set()

    async def _look_after_the_stream(self, republisher: Republisher) -> None:
        loop = asyncio.get_running_loop()
        if republisher.is_replaced():
            self._looks.set()
        try:
            if loop.time() >= self._ask_at:
                self._ask_at = loop.time() + _NOTE_EVERY_S
                if await republisher.is_anew():
                    self._looks.set()
            # A stream that takes nothing would be asked, and filled up, again each second.
            if self._looks.is_set() and self._intake.trouble is None:
                self._looks.clear()
                await republisher.look()
            if loop.time() >= self._note_at and await republisher.note():
                self._note_at = loop.time() + _NOTE_EVERY_S
        except (ApiError, StoreError) as error:
            _log.info("the event stream: %s", error)
            self._looks.set()

    async def _publish_leftovers(self) -> None:
        while True:
            await asyncio.sleep(_LEFTOVERS_PAUSE_S)
            if self._relay is None or self._nc is None or not self._nc.is_connected:
                continue
            if not self._settings.events_enabled:
                continue
            if self._republisher is not None:
                await self._look_after_the_stream(self._republisher)
            try:
                limit = _LEFTOVERS_LIMIT if self._intake.trouble is None else _PROBE_LIMIT
                rows = await self._store.outbox_pending(_LEFTOVERS_AGE, limit)
            except StoreError as error:
                _log.info("leftovers: %s", error)
                continue
            if rows:
                _log.info("publishing %d leftovers", len(rows))
                await self._publish(self._relay, rows)
