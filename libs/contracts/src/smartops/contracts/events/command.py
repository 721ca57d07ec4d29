"""The answer to a command that was not obeyed, in `cmd-<key>`, by the service addressed."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from smartops.contracts.wire import Digest, EventData, LongText, ShortText

__all__ = ["CommandRefused"]


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
