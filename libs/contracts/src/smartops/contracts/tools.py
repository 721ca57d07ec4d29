"""What a tool promises: the descriptor that the gateway registers and everybody else reads."""

from __future__ import annotations

from functools import cached_property

from pydantic import Field
from smartops.contracts.canonical import digest_of
from smartops.contracts.wire import (
    Category,
    Idempotence,
    JsonObject,
    LongText,
    Risk,
    Scope,
    ShortText,
    ToolName,
    Wire,
)

__all__ = ["ToolDescriptor"]


class ToolDescriptor(Wire):
    """A tool as the log knows it."""

    name: ToolName
    version: ShortText
    description: LongText
    category: Category
    risk: Risk
    scope: Scope
    idempotence: Idempotence
    timeout_ms: int = Field(ge=1, le=3_600_000)
    """How long the gateway waits for an answer."""
    undo_tool: ToolName | None = None
    before: ToolName | None = None
    """The read whose output is recorded as before-state ahead of each write."""
    input_schema: JsonObject
    output_schema: JsonObject
    sensitive_fields: tuple[str, ...] = ()
    """Output fields that are never stored."""

    def digest(self) -> str:
        """What a plan's steps pin: any change of the tool changes it."""
        return self._digest

    @cached_property
    def _digest(self) -> str:
        return digest_of(self.model_dump(mode="json"))
