"""What is known of actors, tools and bundles."""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import UUID

from smartops.contracts.events import (
    ActorDelegated,
    ActorDelegationEnded,
    ActorMapped,
    PolicyBundleActivated,
    ToolRegistered,
)
from smartops.contracts.tools import ToolDescriptor
from smartops.contracts.wire import EventData

__all__ = [
    "ActorView",
    "BundleView",
    "ToolView",
    "evolve_actor",
    "evolve_bundle",
    "evolve_tool",
]


@dataclass(frozen=True, slots=True)
class ActorView:
    """A person or machine account; None until mapped."""

    mapped: ActorMapped | None = None
    delegations: tuple[ActorDelegated, ...] = ()
    """Voices that it has handed over and not taken back; their time may be over."""
    ended: frozenset[UUID] = frozenset()
    """Those that it took back."""


@dataclass(frozen=True, slots=True)
class ToolView:
    """A tool's descriptor; None until registered."""

    descriptor: ToolDescriptor | None = None
    digest: str | None = None


@dataclass(frozen=True, slots=True)
class BundleView:
    """The bundle in force; None until one was activated."""

    digest: str | None = None
    document: str | None = None
    """Digest of the blob that holds it; None also where an older release put it in force."""


def evolve_actor(view: ActorView, event: EventData) -> ActorView:
    """Fold one event of `actor-<actor>`."""
    match event:
        case ActorMapped():
            return replace(view, mapped=event)
        case ActorDelegated():
            return replace(view, delegations=(*view.delegations, event))
        case ActorDelegationEnded():
            kept = tuple(d for d in view.delegations if d.delegation != event.delegation)
            return replace(view, delegations=kept, ended=view.ended | {event.delegation})
        case _:
            return view


def evolve_tool(view: ToolView, event: EventData) -> ToolView:
    """Fold one event of `_platform/tool-<name>`."""
    return ToolView(event.descriptor, event.digest) if isinstance(event, ToolRegistered) else view


def evolve_bundle(view: BundleView, event: EventData) -> BundleView:
    """Fold one event of `_platform/bundle-<name>`."""
    if isinstance(event, PolicyBundleActivated):
        return BundleView(event.digest, event.document)
    return view
