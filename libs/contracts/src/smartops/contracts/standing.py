"""Which plans a person agrees to beforehand."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from smartops.contracts.wire import Environment, RiskLevel, ShortText, ToolName, Wire

__all__ = ["StandingClass"]


class StandingClass(Wire):
    """A class of plans: each of these must hold."""

    agent: ShortText
    tools: Annotated[tuple[ToolName, ...], Field(min_length=1, max_length=50)]
    """The plan uses no others."""
    environments: Annotated[tuple[Environment, ...], Field(min_length=1)]
    """Each named: none is meant by leaving it out."""
    max_targets: Annotated[int, Field(ge=1, le=5000)]
    """Targets that are changed."""
    max_risk_level: RiskLevel
