"""What the log says of a call is what happened; what it cannot know it calls uncertain."""

from __future__ import annotations

from benchmarks.lib.checks.evidence import Evidence

__all__ = ["check_honesty"]

_WRITES = frozenset({"apply_patch", "restart_server"})


def check_honesty(evidence: Evidence) -> list[str]:
    """Completed means applied; failed means not applied."""
    found = []
    applied_keys = {r.key for r in evidence.requests if r.outcome == "applied"}
    for call, done in evidence.completed.items():
        if done.facts.tool not in _WRITES:
            continue
        mine = evidence.requests_of(call)
        outcomes = {request.outcome for request in mine}
        replayed = "replayed" in outcomes and {r.key for r in mine} <= applied_keys
        if "applied" not in outcomes and not replayed:
            found.append(f"call {call} is completed, its requests are {outcomes or 'none'}")
    for call, failed in evidence.failed.items():
        if failed.facts.tool not in _WRITES:
            continue
        if any(request.outcome == "applied" for request in evidence.requests_of(call)):
            found.append(f"call {call} failed ({failed.error_code}), yet it was applied")
    return found
