"""What came of code that was run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from smartops.sandbox.levels import Level

__all__ = ["Failed", "Killed", "Outcome", "Ran", "TimedOut", "TooLarge", "Value"]


@dataclass(frozen=True, slots=True)
class Value:
    """It assigned a result that is JSON."""

    value: Any
    """As it came out of the child: it is somebody else's, and may hold anything."""


@dataclass(frozen=True, slots=True)
class Failed:
    """It raised, assigned nothing, or something that is no JSON."""

    error: str
    """The exception's class."""
    message: str
    """Its text, without secrets, at most 500 characters."""
    line: int | None = None
    """Of the code, from 1."""


@dataclass(frozen=True, slots=True)
class TimedOut:
    """It had not answered in time."""

    limit: timedelta


@dataclass(frozen=True, slots=True)
class Killed:
    """It ended without a word."""

    signal: str
    """As `SIGKILL`; `exit 3` if it ended by itself."""
    limit: str | None = None
    """The limit it ran into, if that can be told: `cpu`."""


@dataclass(frozen=True, slots=True)
class TooLarge:
    """Its result is longer than allowed."""

    limit_bytes: int


Outcome = Value | Failed | TimedOut | Killed | TooLarge


@dataclass(frozen=True, slots=True)
class Ran:
    """One run."""

    outcome: Outcome
    level: Level
    fences: tuple[str, ...]
    """What the child said of its fences before it looked at the code."""
    duration: timedelta
    """From before its start to after its end."""
