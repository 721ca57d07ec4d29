"""Answers to commands that change no stream of their own, in `cmd-<key>`, by who was addressed."""

from __future__ import annotations

from typing import ClassVar, Literal
from uuid import UUID

from smartops.contracts.wire import Digest, EventData, LongText, ShortText

__all__ = ["CommandRefused", "ParkedRetried"]


class CommandRefused(EventData):
    """The command changed nothing; says why and which field to mend."""

    topic: ClassVar[str] = "command.refused"

    command: UUID
    name: ShortText
    principal: ShortText
    code: ShortText
    """not_found, conflict, forbidden, malformed, ..."""
    field: ShortText | None = None
    message: LongText
    content: Digest


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
