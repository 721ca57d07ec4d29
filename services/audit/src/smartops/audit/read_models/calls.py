"""Tool calls: what was asked of a tool, under which authority, and what came back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from pydantic_core import to_json
from smartops.audit.read_models.book import Book
from smartops.audit.read_models.model import ReadModel
from smartops.contracts.events import (
    CallFacts,
    ToolCallCompleted,
    ToolCallDenied,
    ToolCallDispatched,
    ToolCallFailed,
    ToolCallRequested,
    ToolCallSettled,
    ToolCallUncertain,
)
from smartops.eventstore.rows import StoredRow

__all__ = ["CALLS", "OPEN", "CallRow"]

OPEN = frozenset({"requested", "dispatched", "uncertain"})
"""More is to come."""


class CallRow(NamedTuple):
    """One tool call."""

    tenant: str
    call: UUID
    task: UUID
    run: UUID | None
    purpose: str
    tool: str
    version: str | None
    target: str
    question: str
    attempt: int | None
    phase: int | None
    status: str
    """requested (not shown), denied, dispatched, succeeded, failed, uncertain or settled."""
    requester: str
    arguments: str | None
    """JSON, as stored and hashed: secrets stand as references."""
    output: str | None
    """JSON, redacted."""
    output_digest: str | None
    error_code: str | None
    """`not_applied` for an uncertain call that was settled as such."""
    message: str | None
    grant_number: int | None
    rules: tuple[str, ...]
    bundle: str | None
    send: int | None
    """How often the request has been sent."""
    duration_ms: float | None
    requested_at: datetime | None
    dispatched_at: datetime | None
    ended_at: datetime | None
    settles_by: str | None
    """For uncertain calls: retry, probe or human."""
    incarnation: UUID | None
    """The gateway process that sent it last."""
    deadline: datetime | None
    """After this the answer to the last send counts as lost."""
    settled_by: str | None
    """For settled calls: `probe`, or the person."""
    accept_double: bool | None
    """For settled calls: the person accepted that it may happen twice."""


CALLS = ReadModel("tool_calls", CallRow, key=2, json=frozenset({"arguments", "output"}))

Changed = Sequence[CallRow]


@CALLS.on(ToolCallRequested)
def requested(book: Book, event: ToolCallRequested, at: StoredRow) -> Changed:
    """Asked for; the gateway has yet to decide."""
    return [
        _row(book, event.call, event, at)._replace(
            version=event.version,
            attempt=event.attempt,
            phase=event.phase,
            requester=at.party,
            arguments=None if event.arguments is None else _json(event.arguments),
            requested_at=at.recorded_at,
        )
    ]


@CALLS.on(ToolCallDenied)
def denied(book: Book, event: ToolCallDenied, at: StoredRow) -> Changed:
    """It did not go out."""
    return [
        _row(book, event.call, event, at)._replace(
            status="denied",
            requester=event.requester,
            rules=event.rules,
            bundle=None if event.policy is None else event.policy.bundle,
            grant_number=event.grant,
            error_code=event.reason_code,
            message=event.message,
            ended_at=at.recorded_at,
        )
    ]


@CALLS.on(ToolCallDispatched)
def dispatched(book: Book, event: ToolCallDispatched, at: StoredRow) -> Changed:
    """It may be on its way; sent again, it keeps the time of the first sending."""
    row = _with_facts(book, event.call, event.facts, at)
    return [
        row._replace(
            status="dispatched",
            send=event.send,
            message=None,
            dispatched_at=row.dispatched_at or at.recorded_at,
            settles_by=None,
            incarnation=event.incarnation,
            deadline=event.deadline,
        )
    ]


@CALLS.on(ToolCallCompleted)
def completed(book: Book, event: ToolCallCompleted, at: StoredRow) -> Changed:
    """Applied."""
    return [
        _with_facts(book, event.call, event.facts, at)._replace(
            status="succeeded",
            output=None if event.output is None else _json(event.output),
            output_digest=event.output_digest,
            message=None,
            duration_ms=event.duration_ms,
            ended_at=at.recorded_at,
            settles_by=None,
        )
    ]


@CALLS.on(ToolCallFailed)
def failed(book: Book, event: ToolCallFailed, at: StoredRow) -> Changed:
    """Definitely not applied."""
    return [
        _with_facts(book, event.call, event.facts, at)._replace(
            status="failed",
            error_code=event.error_code,
            message=event.message,
            duration_ms=event.duration_ms,
            ended_at=at.recorded_at,
            settles_by=None,
        )
    ]


@CALLS.on(ToolCallUncertain)
def uncertain(book: Book, event: ToolCallUncertain, at: StoredRow) -> Changed:
    """Not known; `ended_at` stays open."""
    return [
        _with_facts(book, event.call, event.facts, at)._replace(
            status="uncertain",
            message=event.reason,
            send=event.send,
            settles_by=event.next,
        )
    ]


@CALLS.on(ToolCallSettled)
def settled(book: Book, event: ToolCallSettled, at: StoredRow) -> Changed:
    """An uncertain call was cleared up."""
    row = book.get(CALLS, event.call)
    if row is None:
        return ()
    return [
        row._replace(
            status="settled",
            error_code=None if event.applied else "not_applied",
            message=f"settled by {event.by}" + (f": {event.note}" if event.note else ""),
            output=row.output if event.output is None else _json(event.output),
            output_digest=event.output_digest,
            ended_at=at.recorded_at,
            settles_by=None,
            settled_by=event.by,
            accept_double=event.accept_double,
        )
    ]


def _with_facts(book: Book, call: UUID, facts: CallFacts, at: StoredRow) -> CallRow:
    """The call's row with what the gateway says it was; it knows arguments and authority."""
    return _row(book, call, facts, at)._replace(
        requester=facts.requester,
        version=facts.version,
        attempt=facts.attempt,
        phase=facts.phase,
        arguments=_json(facts.arguments),
        grant_number=facts.grant,
        rules=facts.policy.rules,
        bundle=facts.policy.bundle,
    )


def _row(
    book: Book, call: UUID, asked: ToolCallRequested | ToolCallDenied | CallFacts, at: StoredRow
) -> CallRow:
    """The call's row as it stands, or a bare one."""
    row = book.get(CALLS, call)
    if row is not None:
        return row
    return CallRow(
        tenant=at.tenant,
        call=call,
        task=asked.task,
        run=asked.run,
        purpose=asked.purpose.value,
        tool=asked.tool,
        version=None,
        target=asked.target,
        question=asked.question,
        attempt=None,
        phase=None,
        status="requested",
        requester=at.party,
        arguments=None,
        output=None,
        output_digest=None,
        error_code=None,
        message=None,
        grant_number=None,
        rules=(),
        bundle=None,
        send=None,
        duration_ms=None,
        requested_at=None,
        dispatched_at=None,
        ended_at=None,
        settles_by=None,
        incarnation=None,
        deadline=None,
        settled_by=None,
        accept_double=None,
    )


def _json(value: Any) -> str:
    # NaN and infinities are no JSON, and the column would refuse them.
    return to_json(value, inf_nan_mode="null").decode()
