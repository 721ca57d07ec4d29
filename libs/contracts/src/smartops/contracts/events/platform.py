"""Facts about the platform itself: who acts, which tools exist, which policy is in force."""

from __future__ import annotations

from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field
from smartops.contracts.tools import ToolDescriptor, ToolDescriptorV1
from smartops.contracts.wire import Digest, EventData, LongText, ShortText

__all__ = [
    "ActorMapped",
    "AutonomyChanged",
    "PolicyBundleActivated",
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


class PolicyBundleActivated(EventData):
    """A policy bundle is in force. In `_platform/bundle-<name>`, decided by policy."""

    topic: ClassVar[str] = "policy.bundle.activated"

    name: ShortText
    digest: Digest
    engine: ShortText
    engine_version: ShortText


class AutonomyChanged(EventData):
    """What an agent may do by itself changed. In `autonomy-<agent>`, decided by policy."""

    topic: ClassVar[str] = "autonomy.changed"

    agent: ShortText
    level: Annotated[int, Field(ge=0, le=4)]
    reason: LongText
    principal: ShortText | None = None
