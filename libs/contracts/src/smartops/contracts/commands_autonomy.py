"""Commands about what agents may do by themselves."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field
from smartops.contracts.autonomy import (
    AgentName,
    EnvironmentOrAny,
    Level,
    ToolOrAny,
    VersionOrAny,
)
from smartops.contracts.wire import CommandData

__all__ = ["AutonomyLower", "AutonomyRaise"]


class _OfLevel(CommandData):
    agent: AgentName
    agent_version: VersionOrAny
    tool: ToolOrAny
    environment: EnvironmentOrAny
    level: Level
    """The level that is to hold."""
    reason: Annotated[str, Field(min_length=1, max_length=2000)]


class AutonomyRaise(_OfLevel):
    """Let an agent do more by itself, by one level."""

    name: ClassVar[str] = "autonomy.raise"


class AutonomyLower(_OfLevel):
    """Let an agent do less by itself, in all that the scope covers."""

    name: ClassVar[str] = "autonomy.lower"
