"""Phasing: a small canary first, then waves no larger than policy allows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from smartops.contracts.plan import Step, UndoTemplate
from smartops.contracts.tools import ToolDescriptor
from smartops.contracts.wire import Check, Environment, JsonObject, RiskLevel

__all__ = ["Windows", "canary_and_waves", "checks_for", "risk_of", "step_for"]

T = TypeVar("T")

CANARY_SHARE = 0.10
CANARY_MAX = 5
"""A canary is at most a tenth of the fleet and at most five assets (and at least one)."""

WAVE_SHARE = 0.20
"""No later phase is larger than a fifth of the fleet."""


@dataclass(frozen=True, slots=True)
class Windows:
    """How long targets are watched after a change."""

    canary: timedelta
    wave: timedelta
    interval: timedelta


def canary_and_waves(items: Sequence[T], total: int) -> list[tuple[str, tuple[T, ...]]]:
    """Cut items into a canary and waves, measured against a fleet of `total`."""
    if not items:
        return []
    canary = max(1, min(CANARY_MAX, math.floor(total * CANARY_SHARE)))
    wave = max(1, math.floor(total * WAVE_SHARE))
    phases = [("Canary", tuple(items[:canary]))]
    rest = items[canary:]
    phases += [
        (f"Wave {number}", tuple(rest[start : start + wave]))
        for number, start in enumerate(range(0, len(rest), wave), 1)
    ]
    return phases


def checks_for(window: timedelta, interval: timedelta) -> tuple[Check, ...]:
    """All targets answer 200 and stay below one per cent of errors for the whole window."""
    window_ms = int(window / timedelta(milliseconds=1))
    interval_ms = max(50, int(interval / timedelta(milliseconds=1)))
    return (
        Check(type="http_200", target="/health", window_ms=window_ms, interval_ms=interval_ms),
        Check(type="error_rate", threshold="< 1%", window_ms=window_ms, interval_ms=interval_ms),
    )


def step_for(
    phase: str,
    number: int,
    tool: ToolDescriptor,
    target: str,
    arguments: JsonObject,
    undo_arguments: JsonObject | None = None,
) -> Step:
    """A step pinned to the tool as it is registered now."""
    undo = None
    if tool.undo_tool is not None and undo_arguments is not None:
        undo = UndoTemplate(tool=tool.undo_tool, version=tool.version, arguments=undo_arguments)
    slug = phase.lower().replace(" ", "-")
    return Step(
        id=f"{slug}/{number}-{tool.name}/{target}",
        tool=tool.name,
        version=tool.version,
        schema_digest=tool.digest(),
        category=tool.category,
        target=target,
        arguments=arguments,
        undo=undo,
    )


def risk_of(environment: Environment) -> RiskLevel:
    """Production is high risk at least; elsewhere a phased change is medium."""
    return RiskLevel.HIGH if environment is Environment.PRODUCTION else RiskLevel.MEDIUM
