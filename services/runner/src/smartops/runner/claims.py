"""Outcomes as messages tell of them, before the log was asked."""

from __future__ import annotations

from smartops.contracts.folds import CallView, evolve_call
from smartops.contracts.streams import parse_stream
from smartops.runtime.cues import Cue

__all__ = ["claimed_outcome"]


def claimed_outcome(cue: Cue) -> CallView | None:
    """The call as its first event would leave it, if that is what the message claims to be.

    Whoever decides on it must cite it, and nothing may be acted on before the append: most calls
    of a run end with their first event, and need not be read from the log then.
    """
    event = cue.claimed() if cue.version == 1 else None
    if event is None:
        return None
    view = evolve_call(CallView(), event)
    try:
        ours = parse_stream(view.requester_stream)
        call = parse_stream(cue.stream)
    except ValueError:
        return None
    fits = (ours.tenant, ours.category, call.category) == (cue.tenant, "run", "call")
    return view if fits else None
