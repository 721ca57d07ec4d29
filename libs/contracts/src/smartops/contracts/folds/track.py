"""An agent's track record in one version and environment, as its newest notes tell it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from smartops.contracts.events.track import TrackNoted, TrackTotals
from smartops.contracts.streams import stream
from smartops.contracts.wire import Environment, EventData

__all__ = ["COMPLETE_EVERY", "MOST_REQUESTERS", "TrackView", "evolve_track", "track_stream"]

COMPLETE_EVERY = 50
"""Every so many notes one is complete, the first included: so the newest `COMPLETE_EVERY` notes
tell all, however many there are."""

MOST_REQUESTERS = 20
"""Different requesters remembered."""


@dataclass(frozen=True, slots=True)
class TrackView:
    """What became of the work so far."""

    notes: int = 0
    totals: Mapping[str, TrackTotals] = field(default_factory=dict)
    """By tool; `*` for all work."""
    recent: str = ""
    """The last ends of runs, newest last: `+` succeeded, `-` did not."""
    requesters: tuple[str, ...] = ()
    """In whose names the work was done lately, newest last."""


def evolve_track(view: TrackView, event: EventData) -> TrackView:
    """Fold one note; right from any complete note on."""
    if not isinstance(event, TrackNoted):
        return view
    told = {totals.tool: totals for totals in event.totals}
    if event.complete:
        return TrackView(event.number, told, event.recent, event.requesters)
    return TrackView(
        event.number,
        {**view.totals, **told},
        event.recent,
        lately(view.requesters, event.requester),
    )


def lately(requesters: tuple[str, ...], newest: str) -> tuple[str, ...]:
    """The requesters with one more, who goes to the end."""
    others = tuple(one for one in requesters if one != newest)
    return (*others, newest)[-MOST_REQUESTERS:]


def track_stream(tenant: str, agent: str, version: str, environment: Environment) -> str:
    """Where an agent's notes are.

    A `+`, which no stream's name may hold, becomes a `_`, which no version may.
    """
    return stream(tenant, "track", f"{agent}/{version.replace('+', '_')}/{environment.value}")
