"""What was done with personal data, decided by the tool gateway, in `cmd-<key>`. Never a value."""

from __future__ import annotations

from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field
from smartops.contracts.commands import PiiToken
from smartops.contracts.wire import EventData, LongText, ShortText

__all__ = ["PiiErased", "PiiRevealed"]


class _Deed(EventData):
    command: UUID
    principal: ShortText
    actor: UUID
    reason: LongText


class PiiRevealed(_Deed):
    """A person was shown what stands behind tokens; on disk before they could see it."""

    topic: ClassVar[str] = "pii.revealed"

    tokens: Annotated[tuple[PiiToken, ...], Field(max_length=100)]
    """Those whose values were there."""
    missing: Annotated[tuple[PiiToken, ...], Field(max_length=100)] = ()
    """Those that were erased, or never known."""
    task: UUID | None = None
    call: UUID | None = None
    recipient: ShortText
    """The public key that the answer was sealed to."""


class PiiErased(_Deed):
    """Values are gone from the vault; on disk after they were."""

    topic: ClassVar[str] = "pii.erased"

    token: PiiToken | None = None
    task: UUID | None = None
    values: int = Field(ge=0)
    """How many values of that description are gone: a value counts once per task that knew it."""
