"""What a tool promises: the descriptor that the gateway registers and everybody else reads."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated

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

__all__ = ["HostName", "Rate", "ToolDescriptor", "ToolDescriptorV1"]

HostName = Annotated[str, Field(pattern=r"^[0-9a-z][0-9a-z.:-]{0,252}$")]
"""A host by name or address, in lower case and without a port."""


class Rate(Wire):
    """How often a tool may be called."""

    calls: int = Field(ge=1, le=1_000_000)
    """Calls that may begin within one window."""
    window_ms: int = Field(ge=1, le=86_400_000)


class ToolDescriptorV1(Wire):
    """A tool as version 1 of `tool.registered` told of it."""

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
    """Output fields that are never stored: dotted paths, through lists as they come; `*` stands
    for any name."""


class ToolDescriptor(ToolDescriptorV1):
    """A tool as the log knows it.

    What a tool does not declare is not part of its digest. So a kind of declaration that a later
    release adds changes no tool by itself, and one that was registered before it keeps the digest
    that plans pin; a tool that begins to declare something is another tool.
    """

    probe: ToolName | None = None
    """The read that tells whether a write of which no answer came was applied."""
    compare_and_set: bool = False
    """It is told what to find, in an argument `expected_...`, and changes nothing else."""
    simulate: ToolName | None = None
    """The rehearsal that must have succeeded, with the same arguments, before this goes out."""
    reason_code: bool = False
    """Its argument `reason_code` says why, out of those that its input schema lists."""
    blast_radius: int | None = Field(default=None, ge=0, le=1_000_000)
    """Most assets that one call can change; None: none, as it reads, or version 1, which did not
    ask."""
    rate: Rate | None = None
    """None: as often as there is work."""
    concurrency: int | None = Field(default=None, ge=1, le=10_000)
    """Most calls at once, in all gateways together; None: as many as there are."""
    max_output_bytes: int | None = Field(default=None, ge=1, le=100_000_000)
    """Longest answer read; None: as the gateway is set."""
    egress: tuple[HostName, ...] = ()
    """Hosts that it talks to, and no others."""

    def digest(self) -> str:
        """What a plan's steps pin: any change of what the tool declares changes it."""
        return self._digest

    @cached_property
    def _digest(self) -> str:
        told = self.model_dump(mode="json")
        for name, declared in type(self).model_fields.items():
            if (
                name not in ToolDescriptorV1.model_fields
                and getattr(self, name) == declared.default
            ):
                del told[name]
        return digest_of(told)
