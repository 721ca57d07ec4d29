"""How well a child is fenced in."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Level"]


class Level(StrEnum):
    """From weak to strong; each holds all that the one before it holds."""

    PROCESS = "process"
    """A child with limits, without environment, sockets or other descriptors. The network is NOT
    cut off, and what our user may read, it may read."""
    LANDLOCK = "landlock"
    """It can make no socket, process, signal or change to a file, and reads the standard library
    and system libraries only. Of other files it can still learn that they exist."""
    BUBBLEWRAP = "bubblewrap"
    """All of that, in a file system in which nothing else is there, and a network that has no
    devices."""

    def at_least(self, other: Level) -> bool:
        """Whether this is as strong as the other, or stronger."""
        order = list(Level)
        return order.index(self) >= order.index(other)
