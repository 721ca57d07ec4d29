"""A stream's state as of one version."""

from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

__all__ = ["Folded"]

S = TypeVar("S")


@dataclass(frozen=True)
class Folded(Generic[S]):
    """A stream's state as of one version."""

    state: S
    version: int
    """0 for a stream that does not exist."""

    ids: tuple[UUID, ...]
    """Event ids; that of version v stands at v - 1."""

    topics: tuple[str, ...]
    """Topics, likewise."""
