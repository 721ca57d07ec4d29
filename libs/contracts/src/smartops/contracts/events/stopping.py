"""What a person takes back or stops: a grant, a task, everything at once.

In `gate-<task>`, decided by policy.
"""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from pydantic import Field
from smartops.contracts.wire import EventData, LongText, ShortText

__all__ = [
    "TaskCancelRequested",
    "TaskGrantRevoked",
    "TaskHalted",
]


class _ByPerson(EventData):
    principal: ShortText
    actor: UUID | None = None
    reason: LongText


class TaskGrantRevoked(_ByPerson):
    """A grant was taken back: nothing more is dispatched under it."""

    topic: ClassVar[str] = "task.grant.revoked"

    grant: int = Field(ge=1)
    run: UUID


class TaskCancelRequested(_ByPerson):
    """The task is to end: stop dispatching, settle what is in flight, take back what can be."""

    topic: ClassVar[str] = "task.cancel.requested"

    keep_changes: bool = False
    run: UUID | None = None


class TaskHalted(_ByPerson):
    """Emergency stop: not even undo goes out any more. A person takes over."""

    topic: ClassVar[str] = "task.halted"

    run: UUID | None = None
