"""Tasks: what was asked for, and what has become of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from smartops.audit.read_models.book import Book
from smartops.audit.read_models.model import ReadModel
from smartops.audit.read_models.status import ENDED, Status, next_status
from smartops.contracts.events import (
    TaskApprovalExpired,
    TaskApprovalGranted,
    TaskApprovalRejected,
    TaskApprovalRequired,
    TaskCancelled,
    TaskCompleted,
    TaskEscalated,
    TaskEvidenceAttached,
    TaskFailed,
    TaskGrantRevoked,
    TaskHalted,
    TaskPaused,
    TaskPlanEditAccepted,
    TaskPlanned,
    TaskPlanRefused,
    TaskPlanSuperseded,
    TaskResumed,
    TaskRollbackStarted,
    TaskRolledBack,
    TaskSpecified,
    TaskStarted,
    TaskStopping,
    TaskSubmitted,
    TaskWaiting,
)
from smartops.contracts.ids import read_principal
from smartops.contracts.wire import EventData
from smartops.eventstore.rows import StoredRow

__all__ = ["TASKS", "TaskRow", "stamp"]


class TaskRow(NamedTuple):
    """One task."""

    tenant: str
    task: UUID
    status: str
    intent: str
    environment: str
    agent: str | None
    task_type: str | None
    risk_level: str | None
    requester: str
    requester_name: str | None
    """The subject in the requester's principal: shown while no actor is mapped to it."""
    source: str
    tags: tuple[str, ...]
    plan_hash: str | None
    run: UUID | None
    error_code: str | None
    message: str | None
    submitted_at: datetime
    updated_at: datetime
    ended_at: datetime | None
    last_position: int


TASKS = ReadModel("tasks", TaskRow, key=2)

Changed = Sequence[TaskRow]


@TASKS.on(TaskSubmitted)
def submitted(book: Book, event: TaskSubmitted, at: StoredRow) -> Changed:
    """The task begins to exist."""
    if book.task is None:
        return ()
    return [
        TaskRow(
            tenant=at.tenant,
            task=book.task,
            status=Status.QUEUED.value,
            intent=event.intent,
            environment=event.environment.value,
            agent=event.context.agent,
            task_type=None,
            risk_level=None,
            requester=event.requester.principal,
            requester_name=_subject(event.requester.principal),
            source=event.source,
            tags=event.tags,
            plan_hash=None,
            run=None,
            error_code=None,
            message=None,
            submitted_at=at.recorded_at,
            updated_at=at.recorded_at,
            ended_at=None,
            last_position=at.position,
        )
    ]


@TASKS.on(TaskSpecified)
def specified(book: Book, event: TaskSpecified, at: StoredRow) -> Changed:
    """It was understood."""
    spec = event.spec
    return [
        row._replace(
            agent=spec.agent.name,
            task_type=spec.task_type,
            risk_level=spec.risk_level.value,
        )
        for row in _moved(book, event, at)
    ]


@TASKS.on(TaskPlanned)
def planned(book: Book, event: TaskPlanned, at: StoredRow) -> Changed:
    """A plan was written; unless the task has moved on, it is the one to look at."""
    return [row._replace(plan_hash=event.plan_hash) for row in _moved(book, event, at)]


@TASKS.on(TaskApprovalRequired)
def required(book: Book, event: TaskApprovalRequired, at: StoredRow) -> Changed:
    """Policy's own view of the risk replaces the planner's; what it came back for, stays told."""
    before = book.get(TASKS, book.task)
    message = before.message if before is not None and before.status == Status.PAUSED else None
    moved = _moved(book, event, at, message=message)
    return [row._replace(risk_level=event.risk_level.value) for row in moved]


@TASKS.on(TaskApprovalGranted)
def granted(book: Book, event: TaskApprovalGranted, at: StoredRow) -> Changed:
    """A run is allowed."""
    return [
        row._replace(run=event.run, plan_hash=event.plan_hash) for row in _moved(book, event, at)
    ]


@TASKS.on(TaskEvidenceAttached, TaskStarted, TaskResumed)
def went_on(
    book: Book, event: TaskEvidenceAttached | TaskStarted | TaskResumed, at: StoredRow
) -> Changed:
    """Nothing to explain."""
    return _moved(book, event, at)


@TASKS.on(TaskCompleted)
def completed(book: Book, event: TaskCompleted, at: StoredRow) -> Changed:
    """Done."""
    return _moved(book, event, at)


@TASKS.on(TaskWaiting)
def waits(book: Book, event: TaskWaiting, at: StoredRow) -> Changed:
    """It goes on by itself, but not now."""
    return _moved(book, event, at, message=event.reason)


@TASKS.on(TaskStopping, TaskPaused, TaskRollbackStarted)
def stopped(
    book: Book, event: TaskStopping | TaskPaused | TaskRollbackStarted, at: StoredRow
) -> Changed:
    """It no longer goes forward; says why."""
    return _moved(book, event, at, message=event.reason)


@TASKS.on(TaskGrantRevoked, TaskHalted)
def taken_back(book: Book, event: TaskGrantRevoked | TaskHalted, at: StoredRow) -> Changed:
    """A person stopped it."""
    return _moved(book, event, at, message=event.reason)


@TASKS.on(TaskRolledBack, TaskCancelled, TaskEscalated)
def ended(
    book: Book, event: TaskRolledBack | TaskCancelled | TaskEscalated, at: StoredRow
) -> Changed:
    """It ended otherwise than meant, or waits for a person."""
    return _moved(book, event, at, message=event.reason)


@TASKS.on(TaskFailed)
def failed(book: Book, event: TaskFailed, at: StoredRow) -> Changed:
    """It ended without success."""
    return _moved(book, event, at, message=event.message, error_code=event.error_code)


@TASKS.on(TaskPlanRefused)
def refused(book: Book, event: TaskPlanRefused, at: StoredRow) -> Changed:
    """No approval could have let this plan run."""
    first = event.problems[0]
    more = f" (and {len(event.problems) - 1} more)" if len(event.problems) > 1 else ""
    message = f"{first.rule}: {first.message}{more}"
    return _moved(book, event, at, message=message, error_code="plan_refused")


@TASKS.on(TaskApprovalRejected)
def rejected(book: Book, event: TaskApprovalRejected, at: StoredRow) -> Changed:
    """A person said no."""
    message = f"rejected by {event.by.actor_name}" + (f": {event.note}" if event.note else "")
    if event.then == "replan":
        return _moved(book, event, at, message=f"{message}; another plan is being written")
    ends = f"; {event.detail}" if event.detail else ""
    return _moved(book, event, at, message=f"{message}{ends}", error_code="rejected")


@TASKS.on(TaskPlanEditAccepted)
def edited(book: Book, event: TaskPlanEditAccepted, at: StoredRow) -> Changed:
    """A person changed the plan; the next one is being written."""
    return _moved(book, event, at, message=f"edited by {event.by.actor_name}: {event.reason}")


@TASKS.on(TaskPlanSuperseded)
def superseded(book: Book, event: TaskPlanSuperseded, at: StoredRow) -> Changed:
    """What a plan rests on has changed. Of an edit the one before told more."""
    if event.because == "edited":
        return ()
    return _moved(book, event, at, message=event.detail)


@TASKS.on(TaskApprovalExpired)
def expired(book: Book, event: TaskApprovalExpired, at: StoredRow) -> Changed:
    """Nobody decided."""
    message = "nobody decided before the approval expired"
    return _moved(book, event, at, message=message, error_code="approval_expired")


def stamp(row: TaskRow, at: StoredRow) -> TaskRow:
    """Note the newest event of the task, whatever it says."""
    return row._replace(updated_at=at.recorded_at, last_position=at.position)


def _moved(
    book: Book,
    event: EventData,
    at: StoredRow,
    *,
    message: str | None = None,
    error_code: str | None = None,
) -> list[TaskRow]:
    """The task's row with the status that follows; none if the event changes nothing there."""
    row = book.get(TASKS, book.task)
    if row is None:
        return []
    status = next_status(Status(row.status), event)
    if status is None:
        return []
    return [
        row._replace(
            status=status.value,
            message=message,
            error_code=error_code,
            ended_at=at.recorded_at if status in ENDED else None,
        )
    ]


def _subject(principal: str) -> str | None:
    try:
        return read_principal(principal)[1]
    except ValueError:  # Not made by us: nothing to show but the token itself.
        return None
