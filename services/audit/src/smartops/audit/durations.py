"""How long things took, by the times of events: measured where all of them pass by, in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from smartops.audit.folding import BookKey, book_key
from smartops.audit.read_models.approvals import APPROVALS
from smartops.audit.read_models.book import Book
from smartops.audit.read_models.runs import RUNS
from smartops.audit.read_models.tasks import TASKS
from smartops.audit.reading import Reading
from smartops.contracts.events import (
    TaskApprovalGranted,
    TaskApprovalRejected,
    TaskCancelled,
    TaskCompleted,
    TaskFailed,
    TaskPlanned,
    TaskRolledBack,
)
from smartops.telemetry.metrics import Metrics

__all__ = ["Durations"]


class Durations:
    """Observes what is projected as it happens: each event once, also over restarts.

    A rebuild makes its tables apart and is not measured: what happened then was measured then.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def measure(self, readings: Sequence[Reading], books: Mapping[BookKey, Book]) -> None:
        """Measure what has ended with these events, which have been folded into their books."""
        for reading in readings:
            if reading.event is not None:
                self._one(reading, books[book_key(reading.row)])

    def _one(self, reading: Reading, book: Book) -> None:
        match reading.event:
            case TaskPlanned(number=1):
                task = book.get(TASKS, book.task)
                if task is not None:
                    seconds = _between(task.submitted_at, reading.row.recorded_at)
                    self._metrics.agent_latency(task.agent or "", seconds)
            case TaskApprovalGranted() | TaskApprovalRejected() as decided:
                asked = book.get(APPROVALS, book.task, decided.number)
                if asked is not None and not asked.automatic and asked.requested_at is not None:
                    self._metrics.approval_wait(
                        _between(asked.requested_at, reading.row.recorded_at)
                    )
            case TaskCompleted() | TaskRolledBack() | TaskCancelled() | TaskFailed() as ended:
                run = None if ended.run is None else book.get(RUNS, ended.run)
                if run is not None and run.started_at is not None:
                    seconds = _between(run.started_at, reading.row.recorded_at)
                    self._metrics.execution_seconds(run.status, seconds)
            case _:
                pass


def _between(first: datetime, last: datetime) -> float:
    """Never negative: the database's clock may have been set back."""
    return max(0.0, (last - first).total_seconds())
