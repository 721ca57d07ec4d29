"""Who is who: principals to actors, from the log, kept equal to the configured mapping."""

from __future__ import annotations

import json
import logging
import unicodedata
from collections.abc import Iterator
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

_log = logging.getLogger(__name__)


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
        ValueError: not the shape, one principal on two actors of a tenant, two names there that
            people take for one, or a name in letters that do not belong together.
    """
    entries = TypeAdapter(list[ActorEntry]).validate_python(
        json.loads(path.read_text(encoding="utf-8"))
    )
    seen: dict[tuple[str, str], str] = {}
    names: dict[tuple[str, str], str] = {}
    for entry in entries:
        if len(alphabets := _alphabets(entry.name)) > 1:
            mixed = " and ".join(sorted(alphabets))
            raise ValueError(f"{entry.name!r} mixes alphabets ({mixed}) in {path}")
        look = (entry.tenant, _looks_like(entry.name))
        if look in names:
            raise ValueError(f"{names[look]!r} and {entry.name!r} look like one name in {path}")
        names[look] = entry.name
        for token in entry.mapped().principals:
            other = seen.setdefault((entry.tenant, token), entry.name)
            if other != entry.name:
                raise ValueError(f"{other} and {entry.name} share a principal in {path}")
    return entries


def _looks_like(name: str) -> str:
    """What names share that are the same on a card: without case, width and marks of spelling."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def _alphabets(name: str) -> set[str]:
    """Those of a name that have letters in common to the eye, though not to a machine."""
    scripts = {unicodedata.name(char, "").partition(" ")[0] for char in name if char.isalpha()}
    return scripts & {"LATIN", "CYRILLIC", "GREEK"}


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
        """Say by event what the configured mapping says and the log does not.

        A credential that has come to another name leaves the one it had before, and that is said
        first: while two actors had it, one person would have two voices.
        """
        for tenant in sorted({entry.tenant for entry in entries}):
            wanted = [entry.mapped() for entry in entries if entry.tenant == tenant]
            known = [one.mapped for one in await self._people.everybody(tenant)]
            parting = list(_parting(known, wanted))
            await self._map(tenant, [*parting, *wanted])
            told = {one.actor for one in (*parting, *wanted)}
            if left := {one.name for one in known if not (one.disabled or one.actor in told)}:
                _log.warning(
                    "%s of %s are not in the configured mapping; they keep their roles until they"
                    ' stand there with "disabled": true',
                    ", ".join(sorted(left)),
                    tenant,
                )

    async def _map(self, tenant: str, actors: list[ActorMapped]) -> None:
        for wanted in actors:
            name = stream(tenant, "actor", wanted.actor)
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


def _parting(known: list[ActorMapped], wanted: list[ActorMapped]) -> Iterator[ActorMapped]:
    """Actors that lose a credential to another one, as they are without it.

    Who is not in the mapping any more, and whose credential has another name now, is that other
    one: nothing is left of the old name, neither credentials nor words that it gave beforehand.
    """
    named = {one.actor for one in wanted}
    owner = {token: one.actor for one in wanted for token in one.principals}
    for before in known:
        kept = tuple(t for t in before.principals if owner.get(t, before.actor) == before.actor)
        if kept != before.principals:
            off = before.disabled or before.actor not in named
            yield before.model_copy(update={"principals": kept, "disabled": off})
