"""Writers that contend for the log, and what must hold of what they were told."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from smartops.eventstore import (
    Already,
    Citation,
    Committed,
    Conflict,
    EventStore,
    NewEvent,
    ReadCondition,
    StoredRow,
    Trigger,
    Unit,
    Write,
)
from smartops.eventstore.errors import StoreError
from smartops.eventstore.results import AppendResult

__all__ = ["HANDLER", "Rivals", "Stored", "check_stored"]

HANDLER = "rivals.handler"
_TENANT = "acme"


class Stored(NamedTuple):
    """One committed unit."""

    first: int
    """Position of its first event."""
    reads: tuple[tuple[str, int], ...]
    """(stream, version) that it rests on."""


@dataclass(slots=True)
class Rivals:
    """What writers over connections of their own did, side by side.

    Attributes:
        stored: committed units.
        wrong: answers that must not be.
        answers: how often which answer was given.
    """

    seed: int
    stored: list[Stored] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)

    async def write(self, store: EventStore, category: str, number: int, units: int) -> None:
        """Be one of the writers: mostly sound units, and in between such as must be refused.

        Args:
            store: on connections that nobody else has.
            category: that its role may write.
            number: of this writer; all of a category share one stream.
            units: to be offered.
        """
        chance = random.Random(f"{self.seed}/{category}/{number}")
        own, shared = f"{_TENANT}/{category}-own{number}", f"{_TENANT}/{category}-shared"
        settled: list[UUID] = []
        for _ in range(units):
            rows, theirs = await asyncio.gather(
                store.read_stream(own, 0), store.read_stream(shared, 0)
            )
            mine = len(rows)
            cause = UUID(int=chance.getrandbits(128))
            act = chance.choice(_ACTS)
            await asyncio.sleep(chance.random() * 0.002)  # So that others come between.
            match act:
                case "rest":
                    result = await self._try(
                        store, _unit(chance, cause, [(own, mine)], [(shared, len(theirs))])
                    )
                    if result and not isinstance(result, Committed | Conflict):
                        self.wrong.append(f"a new unit of {own} was answered {result}")
                case "contend":
                    result = await self._try(store, _unit(chance, cause, [(shared, len(theirs))]))
                case "stale" | "ahead":
                    version = mine + 5 if act == "ahead" else mine - 1
                    if version < 0:
                        continue
                    result = await self._try(store, _unit(chance, cause, [(own, version)]))
                    if result and not isinstance(result, Conflict):
                        said = f"{own} was at {mine}; a unit on {version} was answered {result}"
                        self.wrong.append(said)
                case "again":
                    if not settled:
                        continue
                    cause = chance.choice(settled)
                    result = await self._try(store, _unit(chance, cause, [(own, mine)]))
                    if result and not isinstance(result, Already):
                        self.wrong.append(f"a settled trigger was answered {result}")
                case _:
                    if not rows:
                        continue
                    lie = Citation(own, mine, hashlib.sha256(b"a lie").digest())
                    unit = _unit(chance, cause, [(own, mine)], cites=[lie])
                    result = await self._try(store, unit)
                    if result and not isinstance(result, Conflict):
                        self.wrong.append(f"a false citation was answered {result}")
            if isinstance(result, Committed):
                settled.append(cause)

    async def _try(self, store: EventStore, unit: Unit) -> AppendResult | None:
        try:
            result = await store.append(unit)
        except StoreError as error:
            self.answers["error"] += 1
            self.wrong.append(f"an append failed: {error}")
            return None
        self.answers[type(result).__name__.lower()] += 1
        if isinstance(result, Committed):
            reads = tuple((read.stream, read.version) for read in unit.reads)
            self.stored.append(Stored(result.positions[0], reads))
        return result


_ACTS = (*("rest",) * 6, *("contend",) * 5, "stale", "ahead", "again", "again", "lie")


def check_stored(rows: Sequence[StoredRow], stored: Sequence[Stored]) -> list[str]:
    """Hold committed units against the whole log.

    Each trigger is in the log once, and what a unit rested on was so when it was stored.
    """
    found = []
    versions: dict[str, int] = {}
    rests = {unit.first: unit.reads for unit in stored}
    units: dict[UUID, set[int]] = {}
    previous: StoredRow | None = None
    for row in rows:
        for stream, version in rests.pop(row.position, ()):
            if versions.get(stream, 0) != version:
                found.append(
                    f"position {row.position} rests on {stream} at {version}, "
                    f"it was at {versions.get(stream, 0)}"
                )
        versions[row.stream] = row.version
        if row.cause is not None:
            goes_on = previous is not None and previous.cause == row.cause
            if not goes_on:
                units.setdefault(row.cause, set()).add(row.position)
        previous = row
    found += [f"position {lost} was answered as committed and is not there" for lost in rests]
    found += [
        f"trigger {cause} was handled {len(at)} times" for cause, at in units.items() if len(at) > 1
    ]
    return found


def _unit(
    chance: random.Random,
    cause: UUID,
    writes: Sequence[tuple[str, int]],
    reads: Sequence[tuple[str, int]] = (),
    cites: Sequence[Citation] = (),
) -> Unit:
    return Unit(
        triggers=[Trigger(HANDLER, cause)],
        writes=[
            Write(stream, version, [_event(chance, cause) for _ in range(chance.randint(1, 3))])
            for stream, version in writes
        ],
        reads=[ReadCondition(stream, version) for stream, version in reads],
        cites=cites,
    )


def _event(chance: random.Random, cause: UUID) -> NewEvent:
    # An id of its own each time: it is the trigger's row that must settle a repeat.
    ident = UUID(int=chance.getrandbits(128))
    state = chance.randbytes(chance.randint(20, 400))
    return NewEvent(ident, "task.note.v1", None, cause, "-", state, None)
