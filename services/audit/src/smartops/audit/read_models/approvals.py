"""Approvals: who was asked, and what they said."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from smartops.audit.read_models.book import Book
from smartops.audit.read_models.model import ReadModel
from smartops.audit.read_models.plans import PLANS
from smartops.audit.read_models.tasks import TASKS
from smartops.contracts.events import (
    ApprovalV1,
    TaskApprovalEscalated,
    TaskApprovalExpired,
    TaskApprovalGranted,
    TaskApprovalRecorded,
    TaskApprovalRejected,
    TaskApprovalReminded,
    TaskApprovalRequired,
    TaskCancelled,
    TaskCancelRequested,
    TaskGrantRevoked,
    TaskHalted,
    TaskPlanSuperseded,
)
from smartops.eventstore.rows import StoredRow

__all__ = ["APPROVALS", "ApprovalRow"]


class ApprovalRow(NamedTuple):
    """The decision on one plan."""

    tenant: str
    task: UUID
    number: int
    plan_hash: str
    assessment_hash: str
    status: str
    """pending, approved, rejected, expired, superseded, revoked or cancelled."""
    environment: str
    summary: str
    risk_level: str | None
    role: str | None
    quorum: int | None
    requester: str | None
    reasons: tuple[str, ...]
    automatic: bool
    grant_number: int | None
    run: UUID | None
    decided_by: tuple[UUID, ...]
    decided_by_names: tuple[str, ...]
    note: str | None
    requested_at: datetime | None
    decided_at: datetime | None
    expires_at: datetime | None
    roles: tuple[str, ...] = ()
    """Each must be held by one of the voices."""
    escalated: tuple[str, ...] = ()
    """Roles that may decide, too, since nobody did."""
    voices: str = "[]"
    """JSON: who said what, for whom, under which roles and within which limits, and when; in the
    order it was heard."""
    reminders: int = 0
    prompted_at: datetime | None = None
    """When people were asked last."""
    standing: UUID | None = None
    break_glass: bool = False


APPROVALS = ReadModel("approvals", ApprovalRow, key=3, json=frozenset({"voices"}))

Changed = Sequence[ApprovalRow]


@APPROVALS.on(TaskApprovalRequired)
def required(book: Book, event: TaskApprovalRequired, at: StoredRow) -> Changed:
    """A person is asked."""
    if book.task is None:
        return ()
    return [
        ApprovalRow(
            tenant=at.tenant,
            task=book.task,
            number=event.number,
            plan_hash=event.plan_hash,
            assessment_hash=event.assessment_hash,
            status="pending",
            environment=event.environment.value,
            summary=event.summary,
            risk_level=event.risk_level.value,
            role=event.role,
            quorum=event.quorum,
            requester=event.requester,
            reasons=event.reasons,
            automatic=False,
            grant_number=None,
            run=None,
            decided_by=(),
            decided_by_names=(),
            note=None,
            requested_at=at.recorded_at,
            decided_at=None,
            expires_at=event.expires_at,
            roles=event.roles,
        )
    ]


@APPROVALS.on(TaskApprovalRecorded)
def recorded(book: Book, event: TaskApprovalRecorded, at: StoredRow) -> Changed:
    """One voice; whether it decides, the gate says apart."""
    row = book.get(APPROVALS, book.task, event.number)
    if row is None:
        return ()
    heard = {
        "actor": str(event.by.actor),
        "name": event.by.actor_name,
        "for_actor": None if event.by.for_actor is None else str(event.by.for_actor),
        "for_name": event.by.for_name,
        "roles": list(event.by.roles),
        "decision": event.decision,
        "note": event.note,
        "limits": event.limits.model_dump(mode="json", exclude_none=True),
        "at": at.recorded_at.isoformat(),
    }
    voices = json.dumps([*json.loads(row.voices), heard])
    row = _voiced(row, event.by, event.note)._replace(voices=voices)
    if event.decision == "reject":  # Of a plan that came back from its run, nothing else tells it.
        row = row._replace(status="rejected", decided_at=at.recorded_at)
    return [row]


@APPROVALS.on(TaskApprovalReminded)
def reminded(book: Book, event: TaskApprovalReminded, at: StoredRow) -> Changed:
    """The same people were asked again."""
    row = book.get(APPROVALS, book.task, event.number)
    if row is None:
        return ()
    return [row._replace(reminders=row.reminders + 1, prompted_at=at.recorded_at)]


@APPROVALS.on(TaskApprovalEscalated)
def escalated(book: Book, event: TaskApprovalEscalated, at: StoredRow) -> Changed:
    """Others may decide, too."""
    row = book.get(APPROVALS, book.task, event.number)
    if row is None:
        return ()
    return [row._replace(escalated=(*row.escalated, event.role), prompted_at=at.recorded_at)]


@APPROVALS.on(TaskApprovalGranted)
def granted(book: Book, event: TaskApprovalGranted, at: StoredRow) -> Changed:
    """Approved, by people or, where policy asks nobody, by policy itself."""
    row = book.get(APPROVALS, book.task, event.number) or _unasked(book, event, at)
    if row is None:
        return ()
    return [
        row._replace(
            status="approved",
            automatic=event.automatic,
            grant_number=event.grant,
            run=event.run,
            decided_by=tuple(voice.actor for voice in event.approvals),
            decided_by_names=tuple(voice.actor_name for voice in event.approvals),
            decided_at=at.recorded_at,
            expires_at=event.expires_at,
            standing=event.standing,
            break_glass=event.break_glass,
        )
    ]


@APPROVALS.on(TaskApprovalRejected)
def rejected(book: Book, event: TaskApprovalRejected, at: StoredRow) -> Changed:
    """One no is enough."""
    row = book.get(APPROVALS, book.task, event.number)
    if row is None:
        return ()
    voiced = _voiced(row, event.by, event.note)
    return [voiced._replace(status="rejected", decided_at=at.recorded_at)]


@APPROVALS.on(TaskApprovalExpired)
def expired(book: Book, event: TaskApprovalExpired, at: StoredRow) -> Changed:
    """Nobody decided."""
    row = book.get(APPROVALS, book.task, event.number)
    return () if row is None else [row._replace(status="expired", decided_at=at.recorded_at)]


@APPROVALS.on(TaskPlanSuperseded)
def superseded(book: Book, event: TaskPlanSuperseded, at: StoredRow) -> Changed:
    """Nobody can decide on that plan any more, and what was decided holds no more."""
    row = book.get(APPROVALS, book.task, event.number)
    if row is None:
        return ()
    return [
        row._replace(
            status="superseded", note=event.detail, decided_at=row.decided_at or at.recorded_at
        )
    ]


@APPROVALS.on(TaskGrantRevoked)
def revoked(book: Book, event: TaskGrantRevoked, at: StoredRow) -> Changed:
    """The word was taken back."""
    return [
        row._replace(
            status="revoked", note=event.reason, decided_at=row.decided_at or at.recorded_at
        )
        for row in book.all(APPROVALS)
        # Pending beside a grant is only what came back from its run.
        if row.run == event.run or row.status == "pending"
    ]


@APPROVALS.on(TaskCancelRequested, TaskCancelled, TaskHalted)
def closed(
    book: Book, event: TaskCancelRequested | TaskCancelled | TaskHalted, at: StoredRow
) -> Changed:
    """Nobody needs to decide any more; a decision that was made stays what it was.

    From the request on: where a run has changes to take back, its end may be long in coming.
    """
    return [
        row._replace(status="cancelled", note=event.reason, decided_at=at.recorded_at)
        for row in book.all(APPROVALS)
        if row.status == "pending"
    ]


def _voiced(row: ApprovalRow, by: ApprovalV1, note: str) -> ApprovalRow:
    if by.actor not in row.decided_by:
        row = row._replace(
            decided_by=(*row.decided_by, by.actor),
            decided_by_names=(*row.decided_by_names, by.actor_name),
        )
    return row._replace(note=note or row.note)


def _unasked(book: Book, event: TaskApprovalGranted, at: StoredRow) -> ApprovalRow | None:
    """The row of a grant that needed nobody: summary and risk are those of plan and task."""
    task = book.get(TASKS, book.task)
    plan = book.get(PLANS, book.task, event.number)
    if task is None or plan is None:
        return None
    return ApprovalRow(
        tenant=at.tenant,
        task=task.task,
        number=event.number,
        plan_hash=event.plan_hash,
        assessment_hash=event.assessment_hash,
        status="approved",
        environment=event.environment.value,
        summary=plan.summary,
        risk_level=task.risk_level,
        role=None,
        quorum=None,
        requester=task.requester,
        reasons=(),
        automatic=event.automatic,
        grant_number=event.grant,
        run=event.run,
        decided_by=(),
        decided_by_names=(),
        note=None,
        requested_at=None,
        decided_at=at.recorded_at,
        expires_at=event.expires_at,
    )
