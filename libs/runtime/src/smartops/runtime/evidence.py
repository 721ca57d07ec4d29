"""What policy was asked before a decision, recorded with what follows from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from smartops.contracts.deciding import Evidence
from smartops.contracts.wire import EventData
from smartops.runtime.decision import Decision

__all__ = ["with_evidence"]

_FIELD = "decisions"
"""What events that can tell of policy's answers have in common."""


def with_evidence(decision: Decision, evidence: Sequence[Evidence]) -> Decision:
    """The same decision, with what policy answered in its first event that can tell of it.

    Where nothing follows, nothing is recorded: the trigger had been decided before. The inputs
    go with the unit, so an answer never stands in the log without its question.
    """
    if not evidence:
        return decision
    told = tuple(one.decision for one in evidence)
    blobs = (*decision.blobs, *(one.input for one in evidence))
    if decision.refusal is not None:
        refusal = replace(decision.refusal, decisions=told)
        return replace(decision, refusal=refusal, blobs=blobs)
    events: list[EventData] = list(decision.events)
    for place, event in enumerate(events):
        if _FIELD in type(event).model_fields:
            events[place] = event.model_copy(update={_FIELD: told})
            return replace(decision, events=events, blobs=blobs)
    return decision
