"""Who is who, as policy has said: from the principal of a command to the actor behind it."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from smartops.contracts.events import ActorMapped
from smartops.eventstore.store import EventStore
from smartops.runtime.reactor import decode

__all__ = ["Known", "People"]

_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Known:
    """An actor as of one version of its stream."""

    stream: str
    version: int
    mapped: ActorMapped


class People:
    """Actors by tenant and principal, read from the log as far as it has come.

    A stale answer is safe: whoever decides on it names the version of the actor's stream, and both
    to disable an actor and to move a principal away from it changes that stream.
    """

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self._known: dict[tuple[str, UUID], Known] = {}
        self._seen = 0

    async def find(self, tenant: str, principal: str, *, fresh: bool) -> Known | None:
        """The actor that a principal is mapped to; None when it is mapped to nobody."""
        found = None if fresh else self._find(tenant, principal)
        if found is None:
            await self._read_on()
            found = self._find(tenant, principal)
        return found

    async def _read_on(self) -> None:
        head = max((head.position for head in await self._store.heads()), default=0)
        while self._seen < head:
            rows = await self._store.read_log(self._seen, _PAGE, topics=[ActorMapped.type_key()])
            for row in rows:
                event = decode(row)
                if isinstance(event, ActorMapped):
                    self._known[row.tenant, event.actor] = Known(row.stream, row.version, event)
            self._seen = head if len(rows) < _PAGE else rows[-1].position

    def _find(self, tenant: str, principal: str) -> Known | None:
        for (where, _), known in self._known.items():
            if where == tenant and principal in known.mapped.principals:
                return known
        return None
