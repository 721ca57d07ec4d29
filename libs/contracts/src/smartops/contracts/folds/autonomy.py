"""What an agent may do by itself, as its events say: the levels, and which of them holds.

A level is said of a *scope*: an agent's version, a tool and an environment, each one of them or
all. One named in all three is *exact*; the others are *caps*. What holds for one version, tool and
environment, in this order:

1. its exact level, if one was said;
2. otherwise the default of the environment, but no more than the caps on it. A cap counts unless a
   narrower one lies within it; of those that are left the lowest holds.

So a cap never gives more than the default, and only what a person raised by name lies above it.
Whoever lowers a scope also lowers what lies within it, by events of its own (`covered`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from smartops.contracts.autonomy import ANY
from smartops.contracts.events.autonomy import AutonomyChanged, AutonomyDefaultSet
from smartops.contracts.wire import Environment, EventData

__all__ = [
    "AutonomyDefault",
    "AutonomyScope",
    "AutonomyView",
    "effective_level",
    "evolve_autonomy",
    "evolve_autonomy_default",
    "holding",
    "plan_level",
]


class AutonomyScope(NamedTuple):
    """What a level is said of."""

    version: str
    tool: str
    environment: str

    @property
    def exact(self) -> bool:
        """Whether it names all three."""
        return ANY not in self

    def covers(self, other: AutonomyScope) -> bool:
        """Whether `other` lies within this scope, or is it."""
        return all(own in (ANY, its) for own, its in zip(self, other, strict=True))

    def crosses(self, other: AutonomyScope) -> bool:
        """Whether the two share something, and neither lies within the other."""
        meet = all(ANY in (own, its) or own == its for own, its in zip(self, other, strict=True))
        return meet and not self.covers(other) and not other.covers(self)


@dataclass(frozen=True, slots=True)
class AutonomyDefault:
    """The level of agents that no event names, by environment."""

    production: int = 1
    elsewhere: int = 2
    said: bool = False
    """False: no event has said so yet, and these are the product's own."""

    def of(self, environment: str) -> int:
        """The level in an environment; of all of them (`*`), the highest."""
        if environment == ANY:
            return max(self.production, self.elsewhere)
        return self.production if environment == Environment.PRODUCTION else self.elsewhere


@dataclass(frozen=True, slots=True)
class AutonomyView:
    """What was said last of each scope."""

    said: Mapping[AutonomyScope, AutonomyChanged] = field(default_factory=dict)

    def within(self, scope: AutonomyScope) -> Iterator[tuple[AutonomyScope, AutonomyChanged]]:
        """What was said of scopes that lie within this one, itself included."""
        return ((one, event) for one, event in self.said.items() if scope.covers(one))

    def caps(self, scope: AutonomyScope) -> list[AutonomyChanged]:
        """The caps on a scope that no narrower one within them replaces."""
        over = [one for one in self.said if not one.exact and one.covers(scope)]
        return [
            self.said[one]
            for one in over
            if not any(other != one and one.covers(other) for other in over)
        ]


def scope_of(event: AutonomyChanged) -> AutonomyScope:
    """What the event is about."""
    return AutonomyScope(event.agent_version, event.tool, event.environment)


def evolve_autonomy(view: AutonomyView, event: EventData) -> AutonomyView:
    """Fold one event of `autonomy-<agent>`."""
    if not isinstance(event, AutonomyChanged):
        return view
    return replace(view, said={**view.said, scope_of(event): event})


def evolve_autonomy_default(default: AutonomyDefault, event: EventData) -> AutonomyDefault:
    """Fold one event of `_platform/autonomy-default`."""
    if not isinstance(event, AutonomyDefaultSet):
        return default
    return AutonomyDefault(event.production, event.elsewhere, said=True)


def holding(view: AutonomyView, scope: AutonomyScope) -> AutonomyChanged | None:
    """The event whose level holds for a scope; None where only the default does.

    Of a scope with `*` in it: the cap on all of it.
    """
    if scope.exact and scope in view.said:
        return view.said[scope]
    return min(view.caps(scope), key=lambda event: event.level, default=None)


def effective_level(view: AutonomyView, default: AutonomyDefault, scope: AutonomyScope) -> int:
    """The level that holds for a scope; of one with `*`, for what nothing narrower speaks of."""
    event = holding(view, scope)
    if event is None:
        return default.of(scope.environment)
    if scope.exact and scope_of(event) == scope:
        return event.level
    return min(event.level, default.of(scope.environment))


def plan_level(
    view: AutonomyView,
    default: AutonomyDefault,
    version: str,
    tools: Iterable[str],
    environment: str,
) -> int:
    """The level of a plan: the lowest over its write tools, or the agent's own if it writes not."""
    levels = [
        effective_level(view, default, AutonomyScope(version, tool, environment)) for tool in tools
    ]
    return min(
        levels, default=effective_level(view, default, AutonomyScope(version, ANY, environment))
    )
