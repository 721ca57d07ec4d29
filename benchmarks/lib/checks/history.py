"""The log itself: gap-free, chained, each stream counted, each event said once."""

from __future__ import annotations

from collections.abc import Iterable

from smartops.eventstore import Head
from smartops.eventstore.chain import Verifier

from benchmarks.lib.checks.evidence import Evidence

__all__ = ["check_history"]


def check_history(evidence: Evidence, heads: Iterable[Head]) -> list[str]:
    """Positions 1 to the end, the hash chain to the heads, versions, and causes and effects."""
    rows = [said.row for said in evidence.events]
    verifier = Verifier()
    broken = verifier.feed(rows) or verifier.finish(heads)
    found = [] if broken is None else [f"position {broken.position}: {broken.why}"]
    versions: dict[str, int] = {}
    ids = set()
    for row in rows:
        due = versions.get(row.stream, 0) + 1
        if row.version != due:
            found.append(f"{row.stream} goes on with version {row.version}, not {due}")
        versions[row.stream] = row.version
        if row.event_id in ids:
            found.append(f"event {row.event_id} stands twice")
        ids.add(row.event_id)
    return found
