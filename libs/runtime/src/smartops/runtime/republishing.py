"""Telling outsiders again what the event stream has lost.

Services lose nothing with it: they sweep the log. But who follows the stream alone would miss
events for ever when the stream was made anew, was restored from an old copy, or lost what its
server had acknowledged and not yet flushed (the event stream is written behind).

So each service notes now and then how far its own events were acknowledged, and the place of one of
them in the stream: the witness. A stream that still has the witness there has all that came before
it. Whenever the service meets a server, it looks for its newest witness that still stands, and
publishes what came after it once more, oldest first, under the same message ids. Within its
duplicate window the stream drops what it has after all.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from pydantic_core import from_json
from smartops.bus.api import NO_ANSWER, ApiError, BusClient, message_id_at, stream_state
from smartops.bus.relay import Acknowledged, Outgoing, Relay
from smartops.bus.topology import EVENTS_STREAM
from smartops.contracts.catalogue import EVENTS
from smartops.contracts.streams import parse_stream
from smartops.contracts.subjects import Subjects
from smartops.eventstore.rows import Publication, StoredRow
from smartops.eventstore.store import EventStore

__all__ = ["KEEP", "Republisher"]

_log = logging.getLogger(__name__)

KEEP = timedelta(days=7)
"""How long the stream keeps events, and so how far back anything is published again."""

PAGE = 500
"""Events read, and published, at a time."""


class Republisher:
    """Compares what one service has published with what the stream holds.

    Args:
        service: whose events; others are looked after by their own services.
        store: connected as that service's role.
        nc: a connection that may ask for the event stream's state.
        relay: publishes on it.
        subjects: below which prefix.
    """

    def __init__(
        self, service: str, store: EventStore, nc: BusClient, relay: Relay, subjects: Subjects
    ) -> None:
        self._store = store
        self._nc = nc
        self._relay = relay
        self._subjects = subjects
        self._categories = {
            topic: category
            for topic, spec in EVENTS.items()
            if spec.published and (category := spec.decided_by.get(service)) is not None
        }
        self._server = ""
        self._medium = ""
        self._noted = 0
        self._last: Acknowledged | None = None

    async def look(self) -> int:
        """Publish again what the stream has lost; to be called on each connection.

        Returns:
            How many events were published again; those that the stream had after all, too.

        Raises:
            ApiError: the stream does not answer, is not there, or did not take all: look again
                later. Nothing else remembers what was to be published again.
        """
        state = await stream_state(self._nc, EVENTS_STREAM)
        notes = await self._store.publications()
        standing = await self._standing(notes, state)
        server = self._nc.server_id
        self._medium, self._last = state["created"], None
        if notes and standing is notes[0] and server == self._server:
            return 0
        if notes and standing is not notes[0]:
            _log.warning("the event stream is not the one it was: %s", notes[0].medium)
        # Without any note the stream may have been lost before the first one was made.
        count = await self._publish_from(standing.position if standing is not None else 0)
        self._server = server
        return count

    def is_replaced(self) -> bool:
        """Whether the stream seems to be another one than at the last look; asks nobody.

        A stream may be deleted and made anew while nothing is published: then no publish fails, and
        the connection holds. But its places begin at 1 again. A false alarm costs a look.
        """
        newest, last = self._relay.newest, self._last
        if newest is None:
            return False
        self._last = newest
        return (
            last is not None
            and newest.position > last.position
            and newest.sequence <= last.sequence
        )

    async def is_anew(self) -> bool:
        """The same, by asking: for who has nothing to publish; to be called now and then.

        Raises:
            ApiError: the stream does not answer.
        """
        state = await stream_state(self._nc, EVENTS_STREAM)
        return bool(state["created"] != self._medium)

    async def note(self) -> bool:
        """Remember how far this service is; to be called now and then.

        Returns:
            Whether there was anything new to remember.

        Raises:
            ApiError: the stream does not answer, or is another one than at the last look: look
                again.
        """
        newest = self._relay.newest
        if newest is None or newest.position <= self._noted:
            return False
        state = await stream_state(self._nc, EVENTS_STREAM)
        if state["created"] != self._medium:
            # What was published before is not in it: no witness must say that it is.
            raise ApiError(EVENTS_STREAM, NO_ANSWER, 0, "the stream was made anew")
        await self._store.note_published(
            newest.position, state["created"], newest.sequence, UUID(newest.msg_id), 2 * KEEP
        )
        self._noted = newest.position
        return True

    async def _standing(
        self, notes: Sequence[Publication], state: Mapping[str, Any]
    ) -> Publication | None:
        """The newest note that holds; None when none does."""
        while notes:
            for note in notes:
                if note.medium != state["created"] or note.place > state["last_seq"]:
                    continue
                if note.place < state["first_seq"]:
                    return note  # Its witness was discarded by age, and with it all before.
                if await message_id_at(self._nc, EVENTS_STREAM, note.place) == str(note.witness):
                    return note
            notes = await self._store.publications(notes[-1].noted_at)
        return None

    async def _publish_from(self, after: int) -> int:
        oldest = self._store.db_now() - KEEP
        count = 0
        while rows := await self._store.read_log(after, PAGE, list(self._categories)):
            after = rows[-1].position
            lost = self._outgoing([row for row in rows if row.recorded_at >= oldest])
            if lost and count == 0:
                _log.warning("publishing again, from position %d on", lost[0].position)
            failed = self._relay.counters.failed
            count += await self._relay.publish(lost)
            await self._relay.settled()
            if self._relay.counters.failed > failed:
                raise ApiError(EVENTS_STREAM, NO_ANSWER, 0, "it did not take all again")
        if count:
            _log.warning("published %d events again", count)
        return count

    def _outgoing(self, rows: Sequence[StoredRow]) -> list[Outgoing]:
        return [
            Outgoing(self._subject(row), row.state, str(row.event_id), row.position)
            for row in rows
            if parse_stream(row.stream).category == self._categories[row.topic]
        ]

    def _subject(self, row: StoredRow) -> str:
        data = EVENTS[row.topic].data
        entity = from_json(row.state)["subject"]
        return self._subjects.event(row.tenant, data.topic, data.schema_version, row.party, entity)
