"""What agents may do by themselves: every change of a level, with its reason.

`autonomy-<agent>` of a tenant holds the agent's levels, `_platform/autonomy-default` the level of
agents that no event names. Decided by policy.
"""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from smartops.contracts.autonomy import EnvironmentOrAny, Level, ToolOrAny, VersionOrAny
from smartops.contracts.wire import Digest, EventData, LongText, ShortText

__all__ = ["AutonomyChanged", "AutonomyChangedV1", "AutonomyDefaultSet"]


class AutonomyChanged(EventData):
    """What an agent may do by itself changed. In `autonomy-<agent>`, decided by policy."""

    topic: ClassVar[str] = "autonomy.changed"
    schema_version: ClassVar[int] = 2

    agent: ShortText
    agent_version: VersionOrAny
    tool: ToolOrAny
    environment: EnvironmentOrAny
    level: Level
    before: Level | None
    """What held there until now; None: version 1, which did not say."""
    rule: ShortText
    """Why it changed: rollback, rejection, anomaly, breach, drift, raised, lowered; covered, where
    a wider change took it along; unknown in version 1."""
    reason: LongText
    """For people."""
    event: UUID | None = None
    """What happened; None: a person said so, or a tool had changed."""
    task: UUID | None = None
    """In which task."""
    command: UUID | None = None
    """By which a person said so."""
    principal: ShortText | None = None
    """Who said so; None: policy itself."""
    actor: UUID | None = None
    tool_digest: Digest | None = None
    """Of a level above the default: the tool as it was when the level was raised. It was earned
    with that tool, and falls when the tool has become another."""


# It was the agent's in every version, with every tool, everywhere.
class AutonomyChangedV1(EventData):
    """What an agent may do by itself changed."""

    topic: ClassVar[str] = "autonomy.changed"

    agent: ShortText
    level: Level
    reason: LongText
    principal: ShortText | None = None


class AutonomyDefaultSet(EventData):
    """The level of agents that no event names. In `_platform/autonomy-default`, by policy."""

    topic: ClassVar[str] = "autonomy.default.set"

    production: Level
    elsewhere: Level
