"""Who is who, as policy has said: from the principal of a command to the actor behind it."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from smartops.contracts.events import ActorDelegated, ActorDelegationEnded, ActorMapped
from smartops.contracts.folds import ActorView, evolve_actor
from smartops.contracts.streams import parse_stream
from smartops.contracts.wire import EventData
from smartops.eventstore.store import EventStore
from smartops.runtime.reactor import decode

__all__ = ["Known", "People"]

_PAGE = 1000
_SAID: tuple[type[EventData], ...] = (ActorMapped, ActorDelegated, ActorDelegationEnded)
"""All that actors' streams hold: their versions are conditions, so none may be passed over."""


@dataclass(frozen=True, slots=True)
class Known:
    """An actor as of one version of its stream."""

    stream: str
    version: int
    mapped: ActorMapped
    delegations: tuple[ActorDelegated, ...] = ()
    """Voices that the actor has handed over and not taken back; their time may be over."""


class People:
    """Actors by tenant and principal, read from the log as far as it has come.

    A stale answer is safe: whoever decides on it names the version of the actor's stream, and both
    to disable an actor and to move a principal away from it changes that stream.
    """

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self._views: dict[tuple[str, UUID], tuple[ActorView, int]] = {}
        self._known: dict[tuple[str, UUID], Known] = {}
        self._seen = 0

    async def find(self, tenant: str, principal: str, *, fresh: bool) -> Known | None:
        """The actor that a principal is mapped to; None when it is mapped to nobody."""
        found = None if fresh else self._find(tenant, principal)
        if found is None:
            await self._read_on()
            found = self._find(tenant, principal)
        return found

    async def actor(self, tenant: str, actor: UUID, *, fresh: bool) -> Known | None:
        """An actor by its id; None when there is none."""
        if fresh or (tenant, actor) not in self._known:
            await self._read_on()
        return self._known.get((tenant, actor))

    async def everybody(self, tenant: str) -> tuple[Known, ...]:
        """All actors of a tenant, as of now."""
        await self._read_on()
        return tuple(known for (where, _), known in self._known.items() if where == tenant)

    async def _read_on(self) -> None:
        head = max((head.position for head in await self._store.heads()), default=0)
        while self._seen < head:
            topics = [event.type_key() for event in _SAID]
            rows = await self._store.read_log(self._seen, _PAGE, topics=topics)
            for row in rows:
                key = (row.tenant, UUID(parse_stream(row.stream).id))
                view, version = self._views.get(key, (ActorView(), 0))
                if row.version <= version:
                    continue  # Another reader, on its way at the same time, brought it.
                view = evolve_actor(view, decode(row))
                self._views[key] = view, row.version
                if view.mapped is not None:
                    self._known[key] = Known(row.stream, row.version, view.mapped, view.delegations)
            self._seen = head if len(rows) < _PAGE else rows[-1].position

    def _find(self, tenant: str, principal: str) -> Known | None:
        for (where, _), known in self._known.items():
            if where == tenant and principal in known.mapped.principals:
                return known
        return None
