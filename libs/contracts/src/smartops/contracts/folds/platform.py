"""What is known of actors, tools, bundles and autonomy."""

from __future__ import annotations

from dataclasses import dataclass

from smartops.contracts.events import (
    ActorMapped,
    AutonomyChanged,
    PolicyBundleActivated,
    ToolRegistered,
)
from smartops.contracts.tools import ToolDescriptor
from smartops.contracts.wire import EventData

__all__ = [
    "ActorView",
    "AutonomyView",
    "BundleView",
    "ToolView",
    "evolve_actor",
    "evolve_autonomy",
    "evolve_bundle",
    "evolve_tool",
]


@dataclass(frozen=True, slots=True)
class ActorView:
    """A person or machine account; None until mapped."""

    mapped: ActorMapped | None = None


@dataclass(frozen=True, slots=True)
class ToolView:
    """A tool's descriptor; None until registered."""

    descriptor: ToolDescriptor | None = None
    digest: str | None = None


@dataclass(frozen=True, slots=True)
class BundleView:
    """The bundle in force; None until one was activated."""

    digest: str | None = None


@dataclass(frozen=True, slots=True)
class AutonomyView:
    """An agent's level, and why; None until it was ever changed."""

    level: int | None = None
    reason: str = ""


def evolve_actor(view: ActorView, event: EventData) -> ActorView:
    """Fold one event of `actor-<actor>`."""
    return ActorView(event) if isinstance(event, ActorMapped) else view


def evolve_tool(view: ToolView, event: EventData) -> ToolView:
    """Fold one event of `_platform/tool-<name>`."""
    return ToolView(event.descriptor, event.digest) if isinstance(event, ToolRegistered) else view


def evolve_bundle(view: BundleView, event: EventData) -> BundleView:
    """Fold one event of `_platform/bundle-<name>`."""
    return BundleView(event.digest) if isinstance(event, PolicyBundleActivated) else view


def evolve_autonomy(view: AutonomyView, event: EventData) -> AutonomyView:
    """Fold one event of `autonomy-<agent>`."""
    return AutonomyView(event.level, event.reason) if isinstance(event, AutonomyChanged) else view
