"""Plans: what was proposed, and how it was judged."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from smartops.audit.read_models.book import Book
from smartops.audit.read_models.model import ReadModel
from smartops.audit.read_models.status import Status
from smartops.audit.read_models.tasks import TASKS
from smartops.contracts.events import (
    TaskApprovalExpired,
    TaskApprovalGranted,
    TaskApprovalRejected,
    TaskApprovalRequired,
    TaskCancelled,
    TaskCancelRequested,
    TaskGrantRevoked,
    TaskHalted,
    TaskPlanned,
    TaskPlanRefused,
    TaskPlanSuperseded,
    TaskPlanValidated,
)
from smartops.eventstore.rows import StoredRow

__all__ = ["PLANS", "PlanRow"]


class PlanRow(NamedTuple):
    """One plan of a task."""

    tenant: str
    task: UUID
    number: int
    plan_hash: str
    document_digest: str
    type: str
    summary: str
    environment: str
    targets: int
    steps: int
    state: str
    """draft, validated, awaiting_approval, approved, rejected, expired, refused, superseded,
    revoked or cancelled."""
    assessment_hash: str | None
    created_at: datetime
    updated_at: datetime


PLANS = ReadModel("plans", PlanRow, key=3)

Changed = Sequence[PlanRow]

_UNDECIDED = frozenset({"draft", "validated", "awaiting_approval"})


@PLANS.on(TaskPlanned)
def planned(book: Book, event: TaskPlanned, at: StoredRow) -> Changed:
    """A new plan. What becomes of an older one, the gate says."""
    if book.task is None:
        return ()
    task = book.get(TASKS, book.task)
    is_over = task is not None and task.status == Status.CANCELLED.value
    plan = PlanRow(
        tenant=at.tenant,
        task=book.task,
        number=event.number,
        plan_hash=event.plan_hash,
        document_digest=event.document,
        type=event.type,
        summary=event.summary,
        environment=event.environment.value,
        targets=event.targets,
        steps=event.steps,
        state="cancelled" if is_over else "draft",
        assessment_hash=None,
        created_at=at.recorded_at,
        updated_at=at.recorded_at,
    )
    return [plan]


@PLANS.on(TaskPlanValidated)
def validated(book: Book, event: TaskPlanValidated, at: StoredRow) -> Changed:
    """It may run, or may be asked for."""
    return [
        row._replace(assessment_hash=event.assessment_hash)
        for row in _became(book, event.number, "validated", at)
    ]


@PLANS.on(TaskPlanRefused)
def refused(book: Book, event: TaskPlanRefused, at: StoredRow) -> Changed:
    """It may not run."""
    return _became(book, event.number, "refused", at)


@PLANS.on(TaskApprovalRequired)
def required(book: Book, event: TaskApprovalRequired, at: StoredRow) -> Changed:
    """A person is waited for."""
    return _became(book, event.number, "awaiting_approval", at)


@PLANS.on(TaskApprovalGranted)
def granted(book: Book, event: TaskApprovalGranted, at: StoredRow) -> Changed:
    """It runs."""
    return _became(book, event.number, "approved", at)


@PLANS.on(TaskApprovalRejected)
def rejected(book: Book, event: TaskApprovalRejected, at: StoredRow) -> Changed:
    """A person said no."""
    return _became(book, event.number, "rejected", at)


@PLANS.on(TaskApprovalExpired)
def expired(book: Book, event: TaskApprovalExpired, at: StoredRow) -> Changed:
    """Nobody decided."""
    return _became(book, event.number, "expired", at)


@PLANS.on(TaskPlanSuperseded)
def superseded(book: Book, event: TaskPlanSuperseded, at: StoredRow) -> Changed:
    """It was edited, or rests on what has changed."""
    return _became(book, event.number, "superseded", at)


@PLANS.on(TaskGrantRevoked)
def revoked(book: Book, _event: TaskGrantRevoked, at: StoredRow) -> Changed:
    """The grant was taken back. A gate grants one plan at a time; that may be back from its run."""
    return [
        row._replace(state="revoked", updated_at=at.recorded_at)
        for row in book.all(PLANS)
        if row.state in ("approved", "awaiting_approval")
    ]


@PLANS.on(TaskCancelled)
def cancelled(book: Book, _event: TaskCancelled, at: StoredRow) -> Changed:
    """The task ended, and with it whatever had not run to its end."""
    return _closed(book, _UNDECIDED | {"approved"}, at)


@PLANS.on(TaskCancelRequested, TaskHalted)
def stopped(book: Book, _event: TaskCancelRequested | TaskHalted, at: StoredRow) -> Changed:
    """Nothing will be granted any more."""
    return _closed(book, _UNDECIDED, at)


def _became(book: Book, number: int, state: str, at: StoredRow) -> list[PlanRow]:
    row = book.get(PLANS, book.task, number)
    return [] if row is None else [row._replace(state=state, updated_at=at.recorded_at)]


def _closed(book: Book, states: frozenset[str], at: StoredRow) -> list[PlanRow]:
    return [
        row._replace(state="cancelled", updated_at=at.recorded_at)
        for row in book.all(PLANS)
        if row.state in states
    ]
