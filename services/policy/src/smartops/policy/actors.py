"""Who is who: principals to actors, from the log, kept equal to the configured mapping."""

from __future__ import annotations

import json
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
from smartops.runtime.people import Known, People
from smartops.runtime.recording import Cause
from smartops.runtime.service import Service

__all__ = ["ActorEntry", "Directory", "PrincipalEntry", "read_actors"]


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
        self._people = People(service.store)

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

    async def find(self, tenant: str, token: str, *, fresh: bool) -> Known | None:
        """The actor that a principal is mapped to; None when it is mapped to nobody."""
        return await self._people.find(tenant, token, fresh=fresh)

    async def actor(self, tenant: str, actor: UUID, *, fresh: bool) -> Known | None:
        """An actor by its id; None when there is none."""
        return await self._people.actor(tenant, actor, fresh=fresh)
