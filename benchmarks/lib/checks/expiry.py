"""Nothing expires before its time, and nothing is granted or executed after it.

By the database's clock, whatever that showed. What was recorded within a moment after a jump may
have been decided by the clock before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from smartops.contracts.events import (
    CommandRefused,
    TaskApprovalExpired,
    TaskApprovalGranted,
    TaskApprovalRequired,
    ToolCallDispatched,
)
from smartops.contracts.wire import Purpose

from benchmarks.lib.clock_history import ClockHistory
from benchmarks.lib.log_tail import Said

__all__ = ["Expiries", "check_expiry"]

COMMIT = timedelta(seconds=2)
"""From a decision to its record, at most."""


@dataclass(slots=True)
class Expiries:
    """What was found, and how much was looked at."""

    early: list[str] = field(default_factory=list)
    late_grants: list[str] = field(default_factory=list)
    late_executions: list[str] = field(default_factory=list)
    expired: int = 0
    refused: int = 0
    """Votes that came too late, and were told so."""
    granted: int = 0
    dispatched: int = 0

    @property
    def violations(self) -> list[str]:
        """All of it."""
        return [*self.early, *self.late_grants, *self.late_executions]


def check_expiry(events: Iterable[Said], clock: ClockHistory) -> Expiries:
    """Walk through a log whose events bear the true time."""
    found = Expiries()
    approvals: dict[tuple[UUID | None, int], datetime] = {}
    grants: dict[tuple[UUID, int], datetime] = {}
    for said in events:
        readings, task = clock.readings(said.row.recorded_at), said.row.task
        where = f"position {said.row.position}, task {task}"
        match said.data:
            case TaskApprovalRequired():
                approvals[task, said.data.number] = said.data.expires_at
            case TaskApprovalExpired():
                found.expired += 1
                if max(readings) < approvals[task, said.data.number]:
                    found.early.append(f"{where}: the approval expired before its time")
            case CommandRefused() if said.data.code == "expired":
                found.refused += 1
                if max(readings) < _first(approvals, task):
                    found.early.append(f"{where}: a vote was called late before its time")
            case TaskApprovalGranted() if task is not None:
                found.granted += 1
                grants[task, said.data.grant] = said.data.expires_at
                due = approvals.get((task, said.data.number))
                if due is not None and min(readings) >= due + COMMIT:
                    found.late_grants.append(f"{where}: granted after the approval had expired")
            case ToolCallDispatched() if said.data.facts.purpose is Purpose.DO:
                found.dispatched += 1
                grant = grants.get((said.data.facts.task, said.data.facts.grant or 0))
                if grant is not None and min(readings) >= grant + COMMIT:
                    found.late_executions.append(f"{where}: dispatched after the grant had expired")
            case _:
                pass
    return found


def _first(approvals: Mapping[tuple[UUID | None, int], datetime], task: UUID | None) -> datetime:
    return min(due for (of, _), due in approvals.items() if of == task)
