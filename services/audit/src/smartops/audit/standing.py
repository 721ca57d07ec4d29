"""How things stand: what a process does right now, and what it has done so far."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Counters", "Part"]


class Part(StrEnum):
    """What a process does right now."""

    STOPPED = "stopped"
    CONNECTING = "connecting"
    STANDBY = "standby"
    """Another process projects; this one takes over when it ends."""
    PROJECTING = "projecting"


@dataclass(slots=True)
class Counters:
    """What happened since the start. `position` and `lag` tell how things stand."""

    position: int = 0
    """Verified and projected up to here."""
    events: int = 0
    batches: int = 0
    polls: int = 0
    lag: int = 0
    """Events that were in the log, and not projected, when it was last read."""
    sessions: int = 0
