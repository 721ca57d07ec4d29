"""What an append answers. None of these is an error."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

__all__ = ["Already", "AppendResult", "Committed", "Conflict"]


@dataclass(frozen=True, slots=True)
class Committed:
    """The unit is on disk."""

    positions: Sequence[int]
    """Of its events, in the order of the unit's writes; consecutive; empty without events."""


@dataclass(frozen=True, slots=True)
class Already:
    """Nothing was stored: at least one trigger is settled.

    Drop these causes, acknowledge them, and decide again on the rest, if there is a rest.
    """

    causes: Sequence[UUID]
    """Of the settled triggers; for a unit without triggers the ids of those events that exist."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """Nothing was stored: a stream has moved on, or does not hold what was cited.

    Reload it and decide again.
    """

    stream: str
    """The first mismatch in the order of writes, then reads; else of what was cited."""

    expected: int
    actual: int


AppendResult = Committed | Already | Conflict
