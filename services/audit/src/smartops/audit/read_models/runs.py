"""Runs: how far the work has come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from smartops.audit.read_models.book import Book
from smartops.audit.read_models.model import ReadModel
from smartops.contracts.events import (
    TaskApprovalGranted,
    TaskCancelled,
    TaskCompleted,
    TaskEscalated,
    TaskFailed,
    TaskGrantRevoked,
    TaskPaused,
    TaskPhaseCompleted,
    TaskPhaseStarted,
    TaskPreconditionsStale,
    TaskResumed,
    TaskRollbackStarted,
    TaskRolledBack,
    TaskStarted,
    TaskStepSettled,
    TaskStopping,
    TaskWaiting,
    ToolCallRequested,
)
from smartops.contracts.wire import EventData, Purpose
from smartops.eventstore.rows import StoredRow

__all__ = ["RUNS", "RunRow"]


class RunRow(NamedTuple):
    """One run."""

    tenant: str
    run: UUID
    task: UUID
    grant_number: int
    status: str
    """queued, executing, paused, rolling_back, completed, rolled_back, failed, cancelled,
    escalated, or stale: what its plan rests on had changed, and it did nothing."""
    phase_count: int | None
    phase: int | None
    """The phase begun last, from 0."""
    phase_name: str | None
    phases_completed: int
    steps_applied: int
    calls: int
    """Tool calls asked for, health samples and undos included."""
    reason: str | None
    what_to_do: str | None
    started_at: datetime | None
    ended_at: datetime | None
    updated_at: datetime


RUNS = ReadModel("runs", RunRow, key=2)

Changed = Sequence[RunRow]

_ALIVE = frozenset({"queued", "executing", "paused", "rolling_back", "escalated"})
_GOING = frozenset({"queued", "executing", "paused"})

_MOVES: Mapping[type[EventData], tuple[frozenset[str], str]] = {
    TaskStarted: (frozenset({"queued"}), "executing"),
    # A run that takes its changes back, or waits for a person, does so also while it stops.
    TaskStopping: (_GOING, "paused"),
    TaskPaused: (_GOING, "paused"),
    TaskWaiting: (_GOING, "paused"),
    TaskResumed: (_GOING | {"escalated"}, "executing"),
    TaskRollbackStarted: (_ALIVE, "rolling_back"),
    TaskCompleted: (_ALIVE, "completed"),
    TaskRolledBack: (_ALIVE, "rolled_back"),
    TaskCancelled: (_ALIVE, "cancelled"),
    TaskPreconditionsStale: (_ALIVE, "stale"),
    TaskFailed: (_ALIVE, "failed"),
    TaskEscalated: (_ALIVE, "escalated"),
}


@RUNS.on(TaskApprovalGranted)
def granted(book: Book, event: TaskApprovalGranted, at: StoredRow) -> Changed:
    """A grant allots the run; it waits for its targets. A later one lets it go on."""
    if book.task is None:
        return ()
    known = book.get(RUNS, event.run)
    if known is not None:
        return [known._replace(grant_number=event.grant, updated_at=at.recorded_at)]
    return [
        RunRow(
            tenant=at.tenant,
            run=event.run,
            task=book.task,
            grant_number=event.grant,
            status="queued",
            phase_count=None,
            phase=None,
            phase_name=None,
            phases_completed=0,
            steps_applied=0,
            calls=0,
            reason=None,
            what_to_do=None,
            started_at=None,
            ended_at=None,
            updated_at=at.recorded_at,
        )
    ]


@RUNS.on(TaskGrantRevoked)
def never_begins(book: Book, event: TaskGrantRevoked, at: StoredRow) -> Changed:
    """The grant of a run that had not begun was taken back: it never will, and has nothing to say.

    One that had begun comes to rest, and says so itself.
    """
    row = book.get(RUNS, event.run)
    if row is None or row.started_at is not None or row.status not in ("queued", "paused"):
        return []
    now = at.recorded_at
    return [row._replace(status="cancelled", reason=event.reason, ended_at=now, updated_at=now)]


@RUNS.on(TaskStarted)
def started(book: Book, event: TaskStarted, at: StoredRow) -> Changed:
    """It owns its targets."""
    return [
        row._replace(phase_count=len(event.phases), started_at=at.recorded_at)
        for row in _moved(book, event.run, event, at)
    ]


@RUNS.on(TaskPhaseStarted)
def phase_started(book: Book, event: TaskPhaseStarted, at: StoredRow) -> Changed:
    """The next phase."""
    return [
        row._replace(phase=event.phase, phase_name=event.name) for row in _seen(book, event.run, at)
    ]


@RUNS.on(TaskPhaseCompleted)
def phase_completed(book: Book, event: TaskPhaseCompleted, at: StoredRow) -> Changed:
    """One phase more."""
    return [row._replace(phases_completed=event.phase + 1) for row in _seen(book, event.run, at)]


@RUNS.on(TaskStepSettled)
def step_settled(book: Book, event: TaskStepSettled, at: StoredRow) -> Changed:
    """One step more, if it changed what it was meant to."""
    applied = event.purpose is Purpose.DO and event.outcome == "applied"
    return [
        row._replace(steps_applied=row.steps_applied + applied)
        for row in _seen(book, event.run, at)
    ]


@RUNS.on(ToolCallRequested)
def requested(book: Book, event: ToolCallRequested, at: StoredRow) -> Changed:
    """One call more; the planner's belong to no run."""
    if event.run is None:
        return ()
    return [row._replace(calls=row.calls + 1) for row in _seen(book, event.run, at)]


@RUNS.on(TaskResumed)
def resumed(book: Book, event: TaskResumed, at: StoredRow) -> Changed:
    """It goes on where it stood: one that had not begun waits for its targets."""
    return [
        row if row.started_at is not None else row._replace(status="queued")
        for row in _moved(book, event.run, event, at)
    ]


@RUNS.on(TaskCompleted)
def completed(book: Book, event: TaskCompleted, at: StoredRow) -> Changed:
    """Nothing to explain."""
    return _moved(book, event.run, event, at)


@RUNS.on(TaskWaiting)
def waits(book: Book, event: TaskWaiting, at: StoredRow) -> Changed:
    """It goes on by itself, but not now."""
    return _moved(book, event.run, event, at, reason=event.reason)


@RUNS.on(TaskStopping, TaskPaused, TaskRollbackStarted)
def stopped(
    book: Book, event: TaskStopping | TaskPaused | TaskRollbackStarted, at: StoredRow
) -> Changed:
    """It no longer goes forward."""
    return _moved(book, event.run, event, at, reason=event.reason)


@RUNS.on(TaskRolledBack, TaskEscalated)
def ended(book: Book, event: TaskRolledBack | TaskEscalated, at: StoredRow) -> Changed:
    """It ended otherwise than meant."""
    what_to_do = event.what_to_do if isinstance(event, TaskEscalated) else None
    return _moved(book, event.run, event, at, reason=event.reason, what_to_do=what_to_do)


@RUNS.on(TaskPreconditionsStale)
def never_began(book: Book, event: TaskPreconditionsStale, at: StoredRow) -> Changed:
    """What its plan rests on has changed: it ended before its first step."""
    changed = ", ".join(dict.fromkeys(f"{one.tool} on {one.target}" for one in event.stale))
    reason = f"changed since the plan was made: {changed}"
    return _moved(book, event.run, event, at, reason=reason[:4000])


@RUNS.on(TaskCancelled, TaskFailed)
def given_up(book: Book, event: TaskCancelled | TaskFailed, at: StoredRow) -> Changed:
    """Said by the gate or the planner when there is no run: then there is nothing to change."""
    if event.run is None:
        return ()
    reason = event.reason if isinstance(event, TaskCancelled) else event.message
    return _moved(book, event.run, event, at, reason=reason)


def _seen(book: Book, run: UUID, at: StoredRow) -> list[RunRow]:
    row = book.get(RUNS, run)
    return [] if row is None else [row._replace(updated_at=at.recorded_at)]


def _moved(
    book: Book,
    run: UUID,
    event: EventData,
    at: StoredRow,
    *,
    reason: str | None = None,
    what_to_do: str | None = None,
) -> list[RunRow]:
    row = book.get(RUNS, run)
    origins, to = _MOVES[type(event)]
    if row is None or row.status not in origins:
        return []
    return [
        row._replace(
            status=to,
            reason=reason,
            what_to_do=what_to_do,
            ended_at=None if to in _ALIVE else at.recorded_at,
            updated_at=at.recorded_at,
        )
    ]
