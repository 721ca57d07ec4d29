"""What a target's stream tells: which run owns it."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from smartops.contracts.events import TargetClaimed, TargetReleased
from smartops.contracts.wire import EventData

__all__ = ["TargetView", "evolve_target"]


@dataclass(frozen=True, slots=True)
class TargetView:
    """The claim on a target."""

    run: UUID | None = None
    """The run that owns it; None when it is free."""


def evolve_target(view: TargetView, event: EventData) -> TargetView:
    """Fold one event of `target-<environment>/<target>`."""
    match event:
        case TargetClaimed():
            return TargetView(event.run)
        case TargetReleased():
            return TargetView()
        case _:
            return view
