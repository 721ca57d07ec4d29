"""Answers to commands that change no stream of their own, in `cmd-<key>`, by who was addressed."""

from __future__ import annotations

from typing import ClassVar, Literal
from uuid import UUID

from smartops.contracts.deciding import Decisions
from smartops.contracts.wire import Digest, EventData, LongText, ShortText

__all__ = ["CommandAnswered", "CommandRefused", "CommandRefusedV1", "ParkedRetried"]


class _Refused(EventData):
    command: UUID
    name: ShortText
    principal: ShortText
    code: ShortText
    """not_found, conflict, forbidden, malformed, ..."""
    field: ShortText | None = None
    message: LongText
    content: Digest


class CommandRefused(_Refused):
    """The command changed nothing; says why and which field to mend."""

    topic: ClassVar[str] = "command.refused"
    schema_version: ClassVar[int] = 2

    decisions: Decisions = ()
    """What policy answered, where it was asked."""


# What policy had decided on was not kept.
class CommandRefusedV1(_Refused):
    """The command changed nothing; says why and which field to mend."""

    topic: ClassVar[str] = "command.refused"


class ParkedRetried(EventData):
    """A parked trigger had one more try, because a person asked for it; says how that ended."""

    topic: ClassVar[str] = "parked.retried"

    command: UUID
    principal: ShortText
    handler: ShortText
    trigger: UUID
    """The event's id, or the command's key, that was parked."""
    was: LongText
    """Why it had been parked."""
    outcome: Literal["handled", "parked"]
    """handled: it was digested, as what follows from it shows; parked: it lies parked again."""
    reason: LongText = ""
    """Why it was parked again."""
    note: LongText
    """What the person gave as a reason."""


class CommandAnswered(EventData):
    """A command changed nothing because what it asks for was so already. In `cmd-<key>`."""

    topic: ClassVar[str] = "command.answered"

    command: UUID
    name: ShortText
    principal: ShortText
    outcome: ShortText
    """What was so already: `granted`, `rejected`, `recorded`, ..."""
    message: LongText
