"""Track records: what became of agents' work, by tool and environment."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from smartops.audit.read_models.book import Book
from smartops.audit.read_models.model import ReadModel
from smartops.contracts.events import TrackNoted
from smartops.eventstore.rows import StoredRow

__all__ = ["TRACK", "TrackRow"]


class TrackRow(NamedTuple):
    """All outcomes of an agent's work with one tool, in one version and environment."""

    tenant: str
    agent: str
    agent_version: str
    environment: str
    tool: str
    runs: int
    succeeded: int
    rolled_back: int
    failed: int
    escalated: int
    rejected: int
    approved: int
    senior_approvals: int
    last_run_at: datetime | None
    last_approved_at: datetime | None


TRACK = ReadModel("track", TrackRow, key=5)


@TRACK.on(TrackNoted)
def noted(_book: Book, event: TrackNoted, at: StoredRow) -> Sequence[TrackRow]:
    """A note tells the totals it leads to. It is of no task, so they come in their order."""
    return [
        TrackRow(
            tenant=at.tenant,
            agent=event.agent,
            agent_version=event.agent_version,
            environment=event.environment.value,
            tool=totals.tool,
            runs=totals.runs,
            succeeded=totals.succeeded,
            rolled_back=totals.rolled_back,
            failed=totals.failed,
            escalated=totals.escalated,
            rejected=totals.rejected,
            approved=totals.approved,
            senior_approvals=totals.senior_approvals,
            last_run_at=totals.last_run_at,
            last_approved_at=totals.last_approved_at,
        )
        for totals in event.totals
    ]
