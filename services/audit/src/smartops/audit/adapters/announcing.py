"""Saying on the bus what was verified and projected."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from smartops.audit.projector import Stretch
from smartops.bus.relay import Outgoing
from smartops.contracts.envelope import EventMeta, encode
from smartops.contracts.events import AuditAppended
from smartops.contracts.ids import event_id
from smartops.contracts.streams import stream
from smartops.contracts.subjects import NO_PARTY, Subjects

__all__ = ["Announcer", "Publish", "announcement"]

_log = logging.getLogger(__name__)

Publish = Callable[[Sequence[Outgoing]], Awaitable[int]]
"""Hands messages to the bus and tells how many were sent; `Relay.publish` is one."""

MAX_UNDER_WAY = 32
"""Batches being told at once. The bus being slower than the log, later ones are left out."""


def announcement(subjects: Subjects, stretch: Stretch) -> Outgoing:
    """`audit.appended` for what one batch added to one tenant.

    Made of the batch alone: the same batch, projected again after a crash, gives the same id and
    the same bytes.
    """
    first, last = stretch.first.position, stretch.last.position
    tenant = stretch.last.tenant
    entity = f"{first}-{last}"
    name = stream(tenant, "audit", entity)
    data = AuditAppended(
        first=first, last=last, count=stretch.events, head=stretch.end.verified_hash.hex()
    )
    meta = EventMeta(
        id=event_id(stretch.last.event_id, name, 0),
        tenant=tenant,
        stream=name,
        version=1,
        entity=entity,
        task=None,
        cause=stretch.last.event_id,
        party=NO_PARTY,
        time=stretch.last.recorded_at,
    )
    return Outgoing(
        subject=subjects.event(tenant, data.topic, data.schema_version, NO_PARTY, entity),
        payload=encode(meta, data),
        msg_id=str(meta.id),
        position=last,
    )


class Announcer:
    """Tells of each batch, in the background: projecting never waits for the bus.

    Nothing is promised: what is told is in the log and in the read models already.
    """

    def __init__(self, publish: Publish, subjects: Subjects) -> None:
        self._publish = publish
        self._subjects = subjects
        self._under_way: set[asyncio.Task[None]] = set()
        self.left_out = 0
        """Messages that were not sent, because the bus was slow or away."""

    def tell(self, stretches: Sequence[Stretch]) -> None:
        """Tell of a batch that was stored."""
        if len(self._under_way) >= MAX_UNDER_WAY:
            self.left_out += len(stretches)
            return
        messages = [announcement(self._subjects, stretch) for stretch in stretches]
        task = asyncio.get_running_loop().create_task(self._send(messages), name="announce")
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def stop(self, grace: float) -> None:
        """Let what is under way end; at most `grace` seconds."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=grace)
        for task in self._under_way:
            task.cancel()

    async def _send(self, messages: Sequence[Outgoing]) -> None:
        sent = 0
        try:
            sent = await self._publish(messages)
        except Exception as error:  # noqa: BLE001 - whatever a bus may raise: counted and told.
            _log.info("not announced: %s", error)
        self.left_out += len(messages) - sent
