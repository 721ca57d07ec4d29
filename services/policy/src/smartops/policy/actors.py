"""Who is who: principals to actors, from the log, kept equal to the configured mapping."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from uuid import UUID

from pydantic import Field, TypeAdapter
from smartops.contracts.canonical import digest_of
from smartops.contracts.events import ActorMapped
from smartops.contracts.folds import ActorView, evolve_actor
from smartops.contracts.ids import actor_id, named_id, principal
from smartops.contracts.streams import stream
from smartops.contracts.wire import ShortText, Wire
from smartops.eventstore.units import Trigger
from smartops.runtime.decision import NOTHING, Decision
from smartops.runtime.reactor import decode
from smartops.runtime.recording import Cause
from smartops.runtime.service import Service

__all__ = ["ActorEntry", "Directory", "Known", "PrincipalEntry", "read_actors"]

_PAGE = 1000


class PrincipalEntry(Wire):
    """One credential: who vouches for it, and the name it goes by there."""

    issuer: ShortText
    """`local` for NKEY files of one machine, the issuer's URL for OIDC."""
    subject: ShortText


class ActorEntry(Wire):
    """One person or machine account, with all its credentials."""

    tenant: ShortText
    name: ShortText
    roles: tuple[ShortText, ...] = ()
    principals: Annotated[tuple[PrincipalEntry, ...], Field(max_length=100)] = ()
    disabled: bool = False

    def mapped(self) -> ActorMapped:
        """The event that says so."""
        return ActorMapped(
            actor=actor_id(self.tenant, self.name),
            name=self.name,
            principals=tuple(sorted(principal(p.issuer, p.subject) for p in self.principals)),
            roles=tuple(sorted(self.roles)),
            disabled=self.disabled,
        )


@dataclass(frozen=True, slots=True)
class Known:
    """An actor as of one version of its stream."""

    stream: str
    version: int
    mapped: ActorMapped


def read_actors(path: Path) -> list[ActorEntry]:
    """Read the mapping.

    Raises:
        ValueError: not the shape, or one principal on two actors of a tenant.
    """
    entries = TypeAdapter(list[ActorEntry]).validate_python(
        json.loads(path.read_text(encoding="utf-8"))
    )
    seen: dict[tuple[str, str], str] = {}
    for entry in entries:
        for token in entry.mapped().principals:
            other = seen.setdefault((entry.tenant, token), entry.name)
            if other != entry.name:
                raise ValueError(f"{other} and {entry.name} share a principal in {path}")
    return entries


class Directory:
    """Finds the actor behind a principal."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._actors = service.reactor(ActorView(), evolve_actor)
        self._known: dict[tuple[str, UUID], Known] = {}
        self._seen = 0

    async def _say(self, name: str, cause: Cause, wanted: ActorMapped) -> None:
        async def decide(view: ActorView, _fresh: bool) -> Decision:  # noqa: FBT001
            return NOTHING if view.mapped == wanted else Decision([wanted])

        await self._actors.react(name, cause, decide)

    async def reconcile(self, entries: list[ActorEntry]) -> None:
        """Say by event what the configured mapping says and the log does not."""
        for entry in entries:
            wanted = entry.mapped()
            name = stream(entry.tenant, "actor", wanted.actor)
            version = (await self._actors.folds.load(name, fresh=True)).version
            # The version is part of the cause: a mapping may return to what it once was.
            ident = named_id("actor", name, version, digest_of(wanted.model_dump(mode="json")))
            await self._say(name, Cause(Trigger("policy.directory", ident), None), wanted)
        await self.refresh()

    async def refresh(self) -> None:
        """Read the mappings that were said since the last look."""
        head = max((head.position for head in await self._service.store.heads()), default=0)
        while self._seen < head:
            rows = await self._service.store.read_log(
                self._seen, _PAGE, topics=[ActorMapped.type_key()]
            )
            for row in rows:
                event = decode(row)
                if isinstance(event, ActorMapped):
                    self._known[row.tenant, event.actor] = Known(row.stream, row.version, event)
            self._seen = head if len(rows) < _PAGE else rows[-1].position

    async def find(self, tenant: str, token: str, *, fresh: bool) -> Known | None:
        """The actor that a principal is mapped to; None when it is mapped to nobody.

        A stale answer is safe: the vote names the version of the actor's stream, and moving a
        principal to another actor changes the stream of the one who loses it.
        """
        found = None if fresh else self._find(tenant, token)
        if found is None:
            await self.refresh()
            found = self._find(tenant, token)
        return found

    def _find(self, tenant: str, token: str) -> Known | None:
        for (where, _), known in self._known.items():
            if where == tenant and token in known.mapped.principals:
                return known
        return None
