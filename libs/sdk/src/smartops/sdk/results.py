"""What became of a command."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from smartops.contracts.ids import CommandKey, TaskId
from smartops.sdk.event import Event

__all__ = ["Decided", "Done", "Mandated", "Retried", "Submitted"]


@dataclass(frozen=True, slots=True)
class Submitted:
    """A command for a new task."""

    task: TaskId
    key: CommandKey
    id: str
    """Submitting the same intent under this id again makes no second task."""
    event: Event | None
    """`task.submitted`; None when it was not waited for."""


@dataclass(frozen=True, slots=True)
class Decided:
    """What became of one's voice."""

    task: UUID
    outcome: Literal["granted", "rejected", "recorded"]
    """`recorded`: more voices are needed."""
    event: Event
    already: bool = False
    """It was so before: one's own voice changed nothing."""
    message: str = ""
    """Whose word it is, where it was so before."""


@dataclass(frozen=True, slots=True)
class Mandated:
    """A word given beforehand, or taken back."""

    mandate: UUID
    """The delegation or the standing word."""
    event: Event
    already: bool


@dataclass(frozen=True, slots=True)
class Done:
    """The visible effect of a control."""

    task: UUID
    event: Event
    already: bool
    """It held before; somebody else, or an earlier command, brought it about."""


@dataclass(frozen=True, slots=True)
class Retried:
    """How another try at a parked trigger ended."""

    handler: str
    cause: UUID
    outcome: Literal["handled", "parked"]
    """`parked`: it failed again, and lies there as before."""
    reason: str
    """Why it was parked again; empty when it was handled."""
    event: Event
