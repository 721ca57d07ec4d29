"""Phases: what shares a fate, and how healthy it was."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from pydantic_core import from_json, to_json
from smartops.audit.read_models.book import Book
from smartops.audit.read_models.model import ReadModel
from smartops.contracts.events import (
    TaskCancelled,
    TaskConditionChecked,
    TaskEscalated,
    TaskFailed,
    TaskHealthChecked,
    TaskPhaseCompleted,
    TaskPhaseStarted,
    TaskResumed,
    TaskRollbackStarted,
    TaskRolledBack,
)
from smartops.eventstore.rows import StoredRow

__all__ = ["PHASES", "PhaseRow"]


class PhaseRow(NamedTuple):
    """One phase of a run."""

    tenant: str
    run: UUID
    phase: int
    name: str
    status: str
    """executing, completed, rolling_back, rolled_back, failed, cancelled or escalated."""
    targets: tuple[str, ...]
    started_at: datetime
    completed_at: datetime | None
    health: str
    """JSON: the verdicts, in the order in which they came."""


PHASES = ReadModel("phases", PhaseRow, key=3, json=frozenset({"health"}))

Changed = Sequence[PhaseRow]


@PHASES.on(TaskPhaseStarted)
def started(_book: Book, event: TaskPhaseStarted, at: StoredRow) -> Changed:
    """A phase begins."""
    return [
        PhaseRow(
            tenant=at.tenant,
            run=event.run,
            phase=event.phase,
            name=event.name,
            status="executing",
            targets=event.targets,
            started_at=at.recorded_at,
            completed_at=None,
            health="[]",
        )
    ]


@PHASES.on(TaskHealthChecked, TaskConditionChecked)
def checked(book: Book, event: TaskHealthChecked | TaskConditionChecked, at: StoredRow) -> Changed:
    """A check came to its verdict, or the condition of the grant was measured."""
    row = book.get(PHASES, event.run, event.phase)
    if row is None:
        return ()
    verdict = event.model_dump(mode="json", exclude={"task", "run", "phase"})
    if isinstance(event, TaskConditionChecked):
        verdict["type"] = "grant"
    verdict["at"] = at.recorded_at.isoformat()
    verdicts = [*from_json(row.health), verdict]
    return [row._replace(health=to_json(verdicts).decode())]


@PHASES.on(TaskPhaseCompleted)
def completed(book: Book, event: TaskPhaseCompleted, at: StoredRow) -> Changed:
    """All steps applied, all targets healthy."""
    row = book.get(PHASES, event.run, event.phase)
    return () if row is None else [row._replace(status="completed", completed_at=at.recorded_at)]


@PHASES.on(TaskRollbackStarted)
def rolling_back(book: Book, event: TaskRollbackStarted, _at: StoredRow) -> Changed:
    """What the phases changed is taken back, last change first."""
    return [row._replace(status="rolling_back") for row in _of(book, event.run)]


@PHASES.on(TaskRolledBack)
def rolled_back(book: Book, event: TaskRolledBack, _at: StoredRow) -> Changed:
    """All of it was taken back."""
    return [row._replace(status="rolled_back") for row in _of(book, event.run)]


@PHASES.on(TaskCancelled)
def cancelled(book: Book, event: TaskCancelled, _at: StoredRow) -> Changed:
    """The run ended with what was taken back, and with what a person chose to keep."""
    end = {"rolling_back": "rolled_back", "executing": "cancelled"}
    return [
        row._replace(status=end[row.status]) for row in _of(book, event.run) if row.status in end
    ]


@PHASES.on(TaskResumed)
def taken_up(book: Book, event: TaskResumed, _at: StoredRow) -> Changed:
    """A person has cleared up what an escalated run waited for."""
    return [
        row._replace(status="executing")
        for row in _of(book, event.run)
        if row.status == "escalated"
    ]


@PHASES.on(TaskFailed, TaskEscalated)
def broken_off(book: Book, event: TaskFailed | TaskEscalated, _at: StoredRow) -> Changed:
    """The run stands where it stood."""
    status = "failed" if isinstance(event, TaskFailed) else "escalated"
    return [
        row._replace(status=status) for row in _of(book, event.run) if row.status != "completed"
    ]


def _of(book: Book, run: UUID | None) -> list[PhaseRow]:
    return [row for row in book.all(PHASES) if row.run == run]
