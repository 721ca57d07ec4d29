"""Facts about the platform itself: who acts, and which tools exist."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from smartops.contracts.tools import ToolDescriptor, ToolDescriptorV1
from smartops.contracts.wire import Digest, EventData, ShortText

__all__ = [
    "ActorMapped",
    "ToolRegistered",
    "ToolRegisteredV1",
]


class ActorMapped(EventData):
    """Who is who: the whole mapping of one actor. In `actor-<actor>`, decided by policy."""

    topic: ClassVar[str] = "actor.mapped"

    actor: UUID
    name: ShortText
    principals: tuple[ShortText, ...]
    roles: tuple[ShortText, ...]
    disabled: bool = False


class ToolRegistered(EventData):
    """A tool exists in this form. In `_platform/tool-<name>`, decided by the gateway."""

    topic: ClassVar[str] = "tool.registered"
    schema_version: ClassVar[int] = 2

    descriptor: ToolDescriptor
    digest: Digest
    """The descriptor's; of one registered in version 1 the same as then."""


# It told less of a tool: read as what came after it, with nothing more declared.
class ToolRegisteredV1(EventData):
    """A tool exists in this form."""

    topic: ClassVar[str] = "tool.registered"

    descriptor: ToolDescriptorV1
    digest: Digest
