"""A request in the making: what a mutation changes, and what the gateway may answer then."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from smartops.contracts.events import ToolCallRequested
from smartops.contracts.ids import call_id

from benchmarks.lib.hostile.scenes import Scene

__all__ = ["Case", "Draft", "Mutation"]


@dataclass(slots=True)
class Draft:
    """Fields of a request; it begins as an honest one, and as what would be carried out.

    Attributes:
        scene: the run that it is about.
        fields: of the request, all but `call`, which is made of them unless it is there.
        random: the case's own.
        others: other runs that are just as real.
        victim: a server that nobody has business with.
        stream: where it will stand.
    """

    scene: Scene
    fields: dict[str, Any]
    random: random.Random
    others: tuple[Scene, ...]
    victim: str
    stream: str

    def request(self) -> ToolCallRequested:
        """The request as it is by now."""
        named = self.fields
        ident = call_id(self.stream, named["question"], named["purpose"], named["attempt"])
        return ToolCallRequested.model_validate({"call": ident, **named})

    def uuid(self) -> UUID:
        """A seeded id."""
        return UUID(int=self.random.getrandbits(128), version=4)

    def digest(self) -> str:
        """A seeded digest of nothing."""
        return f"sha256:{self.random.getrandbits(256):064x}"

    def other(self) -> Scene:
        """Another run."""
        return self.random.choice(self.others)


@dataclass(frozen=True, slots=True)
class Mutation:
    """One thing that is wrong.

    Attributes:
        name: for the figures.
        touches: what it changes; mutations that share none may be composed.
        codes: reasons any of which is a right answer to it.
        apply: changes a draft; false where it has nothing to change here.
    """

    name: str
    touches: frozenset[str]
    codes: frozenset[str]
    apply: Callable[[Draft], bool]


@dataclass(slots=True)
class Case:
    """One hostile call, and what became of it.

    Attributes:
        kinds: all that is wrong with it, by name.
        codes: reasons any of which is a right answer; empty: a repeat, which nothing may follow.
        request: what is asked for.
        stream: where.
        event: the request's event, once it is in the log.
        answer: the reason of its denial.
    """

    kinds: tuple[str, ...]
    codes: frozenset[str]
    request: ToolCallRequested
    stream: str
    event: UUID | None = None
    answer: str | None = None
    also_parked: bool = field(default=False)
    """Whether being set aside as unreadable is a right answer, too."""
