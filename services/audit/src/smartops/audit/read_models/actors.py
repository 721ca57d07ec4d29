"""Actors: who is who."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from smartops.audit.read_models.book import Book
from smartops.audit.read_models.model import ReadModel
from smartops.contracts.events import ActorMapped
from smartops.eventstore.rows import StoredRow

__all__ = ["ACTORS", "ActorRow"]


class ActorRow(NamedTuple):
    """A person or machine account."""

    tenant: str
    actor: UUID
    name: str
    principals: tuple[str, ...]
    roles: tuple[str, ...]
    disabled: bool


ACTORS = ReadModel("actors", ActorRow, key=2)


@ACTORS.on(ActorMapped)
def mapped(_book: Book, event: ActorMapped, at: StoredRow) -> Sequence[ActorRow]:
    """The event holds the whole mapping: it replaces what was there."""
    return [
        ActorRow(at.tenant, event.actor, event.name, event.principals, event.roles, event.disabled)
    ]
