"""Words that events and commands about autonomy share."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from smartops.contracts.wire import ToolName

__all__ = [
    "ANY",
    "AgentName",
    "AgentVersion",
    "EnvironmentOrAny",
    "Level",
    "ToolOrAny",
    "VersionOrAny",
]

ANY = "*"
"""In place of a version, tool or environment: all of them."""

Level = Annotated[int, Field(ge=0, le=4)]
"""L0 observes, L1 suggests, L2 does what is reversible by itself, L3 also what is not, with
approval; L4 is switched off."""

AgentName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
AgentVersion = Annotated[str, Field(pattern=r"^[0-9A-Za-z.+-]{1,40}$")]
"""As in the plan's `agent`."""

VersionOrAny = Annotated[str, Field(pattern=r"^(\*|[0-9A-Za-z.+-]{1,40})$")]
ToolOrAny = Annotated[str, Field(pattern=r"^\*$")] | ToolName
EnvironmentOrAny = Annotated[str, Field(pattern=r"^(\*|production|staging|development|sandbox)$")]
