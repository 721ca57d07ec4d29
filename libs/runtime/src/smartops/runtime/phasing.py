"""What a piece of work is for: making a plan, acting on it, or verifying what came of it."""

from __future__ import annotations

from collections.abc import Mapping

from smartops.contracts.catalogue import AUDIT, PLANNER, POLICY
from smartops.contracts.wire import Purpose
from smartops.runtime.cues import Cue
from smartops.telemetry.attributes import Phase

__all__ = ["phase_of_call", "phase_of_cue", "phase_of_service"]

_OF_SERVICE: Mapping[str, Phase] = {PLANNER: "plan", POLICY: "plan", AUDIT: "verify"}
_OF_PURPOSE: Mapping[Purpose, Phase] = {
    Purpose.EVIDENCE: "plan",
    Purpose.DO: "act",
    Purpose.UNDO: "act",
    Purpose.OBSERVE: "verify",
}


def phase_of_service(service: str) -> Phase:
    """What a service works for, where nothing says otherwise."""
    return _OF_SERVICE.get(service, "act")


def phase_of_call(purpose: Purpose) -> Phase:
    """What a tool call is for."""
    return _OF_PURPOSE[purpose]


def phase_of_cue(service: str, cue: Cue) -> Phase:
    """What the reaction to an event is for. Reads the event: ask only if anybody records."""
    usual = phase_of_service(service)
    if usual != "act" or not cue.topic.startswith("tool.call."):
        return usual
    event = cue.claimed()
    purpose = getattr(getattr(event, "facts", event), "purpose", None)
    return phase_of_call(purpose) if isinstance(purpose, Purpose) else usual
