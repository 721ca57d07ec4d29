"""Phasing: a small canary first, then waves no larger than policy allows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from smartops.contracts.condition import read_condition
from smartops.contracts.maintenance import MaintenanceWindow, is_open
from smartops.contracts.plan import Step, UndoTemplate
from smartops.contracts.tools import ToolDescriptor
from smartops.contracts.wire import Check, Environment, JsonObject, RiskLevel
from smartops.contracts.written import WrittenCheck

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
    further: tuple[WrittenCheck, ...] = ()
    """Checks beside the usual ones."""
    rollback_if: str = "error_rate > 1%"
    maintenance: MaintenanceWindow | None = None
    """When steps may go out; None: at any time."""

    def check(self) -> None:
        """Refuse what no plan could hold.

        Raises:
            ValueError: a check is out of bounds.
            Malformed: the condition is none, or the time zone is not known.
        """
        checks_for(self.canary, self.interval, self.further)
        read_condition(self.rollback_if)
        if self.maintenance is not None:
            is_open(self.maintenance, datetime(1970, 1, 1, tzinfo=UTC))


def canary_and_waves(
    items: Sequence[T], total: int, most: int | None = None
) -> list[tuple[str, tuple[T, ...]]]:
    """Cut items into a canary and waves, measured against a fleet of `total`.

    Args:
        items: to be cut.
        total: size of the fleet.
        most: largest phase that is wanted; None leaves it to the shares.
    """
    if not items:
        return []
    canary = max(1, min(CANARY_MAX, math.floor(total * CANARY_SHARE), most or CANARY_MAX))
    wave = max(1, min(math.floor(total * WAVE_SHARE), most or total))
    phases = [("Canary", tuple(items[:canary]))]
    rest = items[canary:]
    phases += [
        (f"Wave {number}", tuple(rest[start : start + wave]))
        for number, start in enumerate(range(0, len(rest), wave), 1)
    ]
    return phases


def checks_for(
    window: timedelta, interval: timedelta, further: Sequence[WrittenCheck] = ()
) -> tuple[Check, ...]:
    """All targets answer 200 and stay below one per cent of errors for the whole window.

    Args:
        window: how long.
        interval: between two samples.
        further: checks beside these; what they do not say of time is as for these.
    """
    window_ms = int(window / timedelta(milliseconds=1))
    interval_ms = max(50, int(interval / timedelta(milliseconds=1)))
    return (
        Check(type="http_200", target="/health", window_ms=window_ms, interval_ms=interval_ms),
        Check(type="error_rate", threshold="< 1%", window_ms=window_ms, interval_ms=interval_ms),
        *(check.check(window_ms=window_ms, interval_ms=interval_ms) for check in further),
    )


def step_for(
    phase: str,
    number: int,
    tool: ToolDescriptor,
    target: str,
    arguments: JsonObject,
    undo_arguments: JsonObject | None = None,
    undo_version: str | None = None,
) -> Step:
    """A step pinned to the tool as it is registered now.

    Args:
        phase: its name.
        number: of the action on its target.
        tool: as registered.
        target: what it acts on.
        arguments: of the call.
        undo_arguments: of the call that takes it back; None leaves it without.
        undo_version: of the tool that takes it back; None says the same as the tool's own.
    """
    undo = None
    if tool.undo_tool is not None and undo_arguments is not None:
        undo = UndoTemplate(
            tool=tool.undo_tool, version=undo_version or tool.version, arguments=undo_arguments
        )
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
