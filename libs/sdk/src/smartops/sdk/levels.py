"""What agents may do by themselves, as of a time: folded from the log, with the reasons."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from smartops.contracts.autonomy import ANY
from smartops.contracts.events import AutonomyChanged
from smartops.contracts.folds import (
    AutonomyDefault,
    AutonomyScope,
    AutonomyView,
    effective_level,
    evolve_autonomy,
    evolve_autonomy_default,
)
from smartops.contracts.folds.autonomy import holding, scope_of
from smartops.contracts.wire import Environment
from smartops.sdk.event import Event

__all__ = ["Held", "Levels", "levels_at"]


@dataclass(frozen=True, slots=True)
class Held:
    """The level of one version, tool and environment, and what it rests on."""

    scope: AutonomyScope
    level: int
    rests_on: Event | None
    """The event whose level holds; None: the default does."""
    default_lower: bool
    """That event is a cap above the default, so it is the default that holds."""
    chain: tuple[Event, ...]
    """All that was ever said of what this lies within, the oldest first."""


@dataclass(frozen=True, slots=True)
class Levels:
    """An agent's levels as of a time."""

    view: AutonomyView
    default: AutonomyDefault
    history: tuple[Event, ...]

    def held(self, scope: AutonomyScope) -> Held:
        """What holds for a scope, and why."""
        level = effective_level(self.view, self.default, scope)
        held = holding(self.view, scope)
        rests_on = next((e for e in reversed(self.history) if e.data is held), None)
        return Held(
            scope,
            level,
            rests_on,
            held is not None and held.level > level,
            tuple(e for e in self.history if _concerns(e, scope)),
        )

    def scopes(self, worked: Iterable[tuple[str, str, str]]) -> list[AutonomyScope]:
        """What there is to tell: what was said, and what the agent has worked with.

        With nothing of either, each environment.

        Args:
            worked: version, tool and environment of its record.
        """
        found = {*self.view.said, *(AutonomyScope(*one) for one in worked)}
        if not found:
            found = {AutonomyScope(ANY, ANY, place.value) for place in Environment}
        return sorted(found)


def levels_at(own: list[Event], default: list[Event], at: datetime | None = None) -> Levels:
    """Fold an agent's levels up to a time.

    Args:
        own: of the agent's stream, in order.
        default: of the platform's, in order.
        at: only what had been said by then; None: all.
    """
    view, fallback = AutonomyView(), AutonomyDefault()
    known = [event for event in own if _by(event, at)]
    for event in known:
        if event.data is not None:
            view = evolve_autonomy(view, event.data)
    for event in default:
        if event.data is not None and _by(event, at):
            fallback = evolve_autonomy_default(fallback, event.data)
    return Levels(view, fallback, tuple(known))


def _by(event: Event, at: datetime | None) -> bool:
    return at is None or event.time <= at


def _concerns(event: Event, scope: AutonomyScope) -> bool:
    return isinstance(event.data, AutonomyChanged) and scope_of(event.data).covers(scope)
