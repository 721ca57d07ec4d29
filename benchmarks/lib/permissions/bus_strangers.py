"""Those without a user: each try on a connection of its own, sent together with the greeting."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from smartops.bus.nkey import new_user_key, public_key_of

from benchmarks.lib.permissions.bus_door import Door, Try
from benchmarks.lib.permissions.bus_facts import OPERATOR
from benchmarks.lib.permissions.bus_wire import Refused, Wire
from benchmarks.lib.permissions.cells import ALLOWED, DENIED, Cell

__all__ = ["STRANGERS", "at_the_door"]

STRANGERS = ("unknown key", "no key", "another's public key")
_AT_ONCE = 16
"""At the door at a time."""


async def at_the_door(door: Door, kind: str, tries: Sequence[Try]) -> list[Cell]:
    """One kind of stranger tries all of it."""
    places = asyncio.Semaphore(_AT_ONCE)

    async def one(attempt: Try) -> Cell:
        async with places:
            measured = await _knock(door, kind, attempt)
        return Cell(kind, attempt.what(), DENIED, measured, "Nobody enters without a key.")

    return list(await asyncio.gather(*(one(attempt) for attempt in tries)))


async def _knock(door: Door, kind: str, attempt: Try) -> str:
    action, text, queue = attempt.key
    first = (action, text, attempt.subject.body, queue)
    seed = None if kind == "no key" else new_user_key().seed
    claims = public_key_of(door.seeds[OPERATOR]) if kind == "another's public key" else None
    try:
        wire = await Wire.open(door.port, seed=seed, claims=claims, first=first)
    except Refused:
        return DENIED
    await wire.close()
    return ALLOWED
