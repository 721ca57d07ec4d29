"""How much goes without a person, where, and how far: autonomy modes and limits, as settings.

One file for the installation; what it does not say is as shipped (ADR 32). It is read once, at the
start: a field that is none, a mode that nobody knows or a time zone that does not exist ends the
service with the field's name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, model_validator
from smartops.contracts.maintenance import TimeOfDay
from smartops.contracts.plan import MAX_STEPS
from smartops.contracts.wire import Environment, ToolName, Wire
from smartops.policy_engine import AutonomyMode

__all__ = ["SHIPPED", "Autonomy", "AutonomyFile", "BlockedWindow", "ToolAutonomy", "read_autonomy"]

MODES: tuple[AutonomyMode, ...] = get_args(AutonomyMode)
"""From the strictest to the loosest."""

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_DAYS: tuple[Day, ...] = get_args(Day)


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError, ValueError) as error:
        raise ValueError(f"there is no time zone {name!r}") from error
    return name


Zone = Annotated[str, Field(max_length=64), AfterValidator(_known_zone)]
"""Its name in the IANA database: `Europe/Berlin`, `UTC`."""


class BlockedWindow(Wire):
    """Hours of some days in which nothing goes by itself; over midnight if `end` is not after."""

    days: Annotated[tuple[Day, ...], Field(min_length=1)] = _DAYS
    """On which it begins."""
    start: TimeOfDay
    end: TimeOfDay

    def holds(self, local: datetime) -> bool:
        """Whether a moment, by the clock on the wall there, lies in it."""
        at, overnight = f"{local:%H:%M}", self.end <= self.start
        today, yesterday = _DAYS[local.weekday()], _DAYS[(local.weekday() - 1) % 7]
        if overnight and yesterday in self.days and at < self.end:
            return True
        return today in self.days and self.start <= at and (overnight or at < self.end)


class Autonomy(Wire):
    """What holds in one environment."""

    mode: AutonomyMode
    require_two_approvers: bool = False
    """What is critical needs a second person, with the role `senior-approver`."""
    risk_threshold: int = Field(default=30, ge=0, le=100)
    """Highest risk score that goes without a person, in the mode `risk_based`."""
    max_assets: int = Field(default=100, ge=1, le=MAX_STEPS)
    """Most assets that one plan may change."""
    max_critical_assets: int = Field(default=5, ge=0, le=MAX_STEPS)
    """Most critical assets among them."""
    cooldown: Annotated[timedelta, Field(ge=timedelta())] = timedelta(minutes=5)
    """Rest between two runs of an agent here that nobody approved. ISO 8601."""
    blocked: Annotated[tuple[BlockedWindow, ...], Field(max_length=50)] = ()
    """Windows in which nothing goes without a person: `days`, `start`, `end`."""
    timezone: Zone = "UTC"
    """Of the blocked windows, and of what counts as night and weekend in the risk score."""
    critical_assets: Annotated[tuple[str, ...], Field(max_length=1000)] = ()
    """Names or patterns (`db-*`) of assets that much depends on. Where any is given, assets that
    match none are known not to be critical."""

    def local(self, now: datetime) -> datetime:
        """A moment by the clock on the wall there."""
        return now.astimezone(ZoneInfo(self.timezone))

    def blocks(self, now: datetime) -> bool:
        """Whether a window is open in which nothing goes by itself."""
        local = self.local(now)
        return any(window.holds(local) for window in self.blocked)

    def critical(self, asset: str) -> bool | None:
        """Whether settings mark an asset as critical; None if they say nothing of any."""
        if not self.critical_assets:
            return None
        return any(fnmatchcase(asset, pattern) for pattern in self.critical_assets)


SHIPPED: Mapping[Environment, Mapping[str, Any]] = {
    Environment.PRODUCTION: {"mode": "approve_all", "require_two_approvers": True},
    Environment.STAGING: {"mode": "canary_only"},
    Environment.DEVELOPMENT: {"mode": "full_auto"},
    Environment.SANDBOX: {"mode": "full_auto"},
}
"""What holds where the file says nothing: see ADR 32."""


class ToolAutonomy(Wire):
    """A tool that is let do less than its environment is."""

    mode: AutonomyMode
    environments: tuple[Environment, ...] = ()
    """Where; empty: everywhere."""


class AutonomyFile(Wire):
    """The whole of it."""

    environments: dict[Environment, Autonomy] = Field(default_factory=dict)
    tools: dict[ToolName, ToolAutonomy] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _as_shipped(cls, given: Any) -> Any:
        """What is not said of an environment is as shipped."""
        if not isinstance(given, dict):
            return given
        told = given.get("environments", {})
        if not isinstance(told, dict) or not all(isinstance(one, dict) for one in told.values()):
            return given
        merged = {name: dict(shipped) for name, shipped in SHIPPED.items()}
        return {
            **given,
            "environments": {
                **merged,
                **{name: {**merged.get(name, {}), **one} for name, one in told.items()},
            },
        }

    def mode_of(self, tool: str, environment: Environment) -> AutonomyMode:
        """The stricter of what holds for the environment and for the tool there."""
        mode = self.environments[environment].mode
        found = self.tools.get(tool)
        if found is None or (found.environments and environment not in found.environments):
            return mode
        return min(mode, found.mode, key=MODES.index)


def read_autonomy(path: Path | None) -> AutonomyFile:
    """Read the file; None: all as shipped.

    Raises:
        ValueError: not the shape; the message names the field.
        OSError: it cannot be read.
    """
    if path is None:
        return AutonomyFile()
    try:
        return AutonomyFile.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
