"""A phase's calls go out while it is the one under way, and behind all that came before it."""

from __future__ import annotations

from uuid import UUID

from smartops.contracts.events import TaskPhaseCompleted, TaskPhaseStarted
from smartops.contracts.wire import Purpose

from benchmarks.lib.checks.evidence import Evidence

__all__ = ["check_order"]


def check_order(evidence: Evidence) -> list[str]:
    """Where each dispatch stands in the log, its phase had begun, and the one before had ended."""
    begun: dict[tuple[UUID, int], int] = {}
    ended: dict[tuple[UUID, int], int] = {}
    for said in evidence.events:
        match said.data:
            case TaskPhaseStarted():
                begun.setdefault((said.data.run, said.data.phase), said.row.position)
            case TaskPhaseCompleted():
                ended.setdefault((said.data.run, said.data.phase), said.row.position)
            case _:
                pass
    found = []
    for call, sends in evidence.dispatched.items():
        facts, at = sends[0].data.facts, sends[0].said.row.position
        if facts.purpose is not Purpose.DO or facts.run is None or facts.phase is None:
            continue
        never = at + 1
        if begun.get((facts.run, facts.phase), never) > at:
            found.append(f"call {call} went out before phase {facts.phase} of its run")
        if facts.phase and ended.get((facts.run, facts.phase - 1), never) > at:
            found.append(f"call {call} went out before phase {facts.phase - 1} had ended")
    return found
