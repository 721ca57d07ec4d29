"""Accepted work is never lost: it ends, once, or a person has been told why not."""

from __future__ import annotations

from benchmarks.lib.checks.evidence import Evidence

__all__ = ["check_acceptance"]


def check_acceptance(evidence: Evidence) -> list[str]:
    """Every acknowledged intent became one task, and every task of the log came to rest."""
    found = []
    for task, (runbook, _) in evidence.accepted.items():
        times = len(evidence.fates[task].submitted)
        if times != 1:
            found.append(f"intent {runbook.ident} was acknowledged and submitted {times} times")
    for task, fate in evidence.fates:
        if task not in evidence.accepted:
            found.append(f"task {task} was never asked for")
        if not fate.at_rest:
            found.append(f"task {task} is neither ended nor with a human: {fate.state}")
        elif fate.state in {"paused", "escalated"} and not fate.reason:
            found.append(f"task {task} is with a human, who is not told why")
        if len(fate.ends) > 1:
            found.append(f"task {task} ended {len(fate.ends)} times: {', '.join(fate.ends)}")
    return found
