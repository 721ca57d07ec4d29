"""What others know of a tool call."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from uuid import UUID

from pydantic import JsonValue
from smartops.contracts.events import (
    CallFacts,
    ToolCallCompleted,
    ToolCallDenied,
    ToolCallDispatched,
    ToolCallFailed,
    ToolCallSettled,
    ToolCallUncertain,
    UndoEntitlement,
)
from smartops.contracts.wire import EventData, Purpose

__all__ = ["BY_POLICY", "CallStatus", "CallView", "evolve_call"]


BY_POLICY = "policy"
"""Reason code of a call that policy itself denied; all others are the gateway's own."""


class CallStatus(StrEnum):
    """Where a call stands."""

    DENIED = "denied"
    DISPATCHED = "dispatched"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNCERTAIN = "uncertain"
    APPLIED = "applied"
    """Was uncertain, is known to have been applied."""
    NOT_APPLIED = "not_applied"
    """Was uncertain, is known not to have been applied."""


@dataclass(frozen=True, slots=True)
class CallView:
    """The outcome of a call, for its requester."""

    call: UUID | None = None
    status: CallStatus | None = None
    requester_stream: str = ""
    facts: CallFacts | None = None
    """Of a sample that has succeeded: what was carried out, and for whom."""
    output: JsonValue = None
    output_digest: str | None = None
    error_code: str = ""
    message: str = ""
    grant: int | None = None
    """For denied calls: the grant that the task had."""
    retryable: bool = False
    settles_by: str = ""
    """For uncertain calls: retry, probe or human."""
    settled_by: str = ""
    """For calls that were uncertain: `probe`, or the principal of who settled them."""
    undo: UndoEntitlement | None = None
    before: JsonValue = None
    """For writes: what was there before, as far as a tool could tell."""


def evolve_call(view: CallView, event: EventData) -> CallView:
    """Fold one event of `call-<call>`."""
    match event:
        case ToolCallDenied():
            return replace(
                view,
                call=event.call,
                status=CallStatus.DENIED,
                requester_stream=event.requester_stream,
                error_code=event.reason_code,
                message=event.message,
                grant=event.grant,
            )
        case ToolCallDispatched():
            return replace(
                view,
                call=event.call,
                status=CallStatus.DISPATCHED,
                requester_stream=event.facts.requester_stream,
                undo=event.undo,
                before=event.before,
            )
        case ToolCallCompleted():
            return replace(
                view,
                call=event.call,
                status=CallStatus.SUCCEEDED,
                requester_stream=event.facts.requester_stream,
                facts=event.facts if event.facts.purpose is Purpose.OBSERVE else None,
                output=event.output,
                output_digest=event.output_digest,
            )
        case ToolCallFailed():
            return replace(
                view,
                call=event.call,
                status=CallStatus.FAILED,
                requester_stream=event.facts.requester_stream,
                error_code=event.error_code,
                message=event.message,
                retryable=event.retryable,
            )
        case ToolCallUncertain():
            return replace(
                view,
                status=CallStatus.UNCERTAIN,
                message=event.reason,
                settles_by=event.next,
            )
        case ToolCallSettled():
            return replace(
                view,
                status=CallStatus.APPLIED if event.applied else CallStatus.NOT_APPLIED,
                output=event.output,
                output_digest=event.output_digest,
                error_code="" if event.applied else "not_applied",
                message=event.note,
                retryable=event.retry,
                settled_by=event.principal or event.by,
            )
        case _:
            return view
