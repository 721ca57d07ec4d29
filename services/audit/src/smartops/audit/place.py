"""A place in the log."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Place"]


class Place(NamedTuple):
    """How far the log has been verified and folded into a set of tables."""

    position: int
    """0 before the first event."""
    hash: bytes | None
    """Chain value of the event there: what must be met again when the next one is read."""
    projector: int
    """Which projector made the rows."""
