"""What a told task is made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

__all__ = ["Attachment", "Line", "Mark", "Told"]


class Mark(StrEnum):
    """What kind of fact a line tells."""

    INFO = "info"
    GOOD = "good"
    WAIT = "wait"
    WARN = "warn"
    BAD = "bad"
    UNDO = "undo"


@dataclass(frozen=True, slots=True)
class Attachment:
    """Something to show below a line, read from the hashed bytes."""

    kind: Literal["plan", "card"]
    plan_hash: str


@dataclass(frozen=True, slots=True)
class Line:
    """One fact."""

    time: datetime
    mark: Mark
    word: str
    text: str
    attachment: Attachment | None = None


Told = Iterator[tuple[Mark, str, str]]
"""Lines in the making: mark, word and text."""
