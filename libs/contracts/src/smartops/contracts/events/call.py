"""Events of a tool call, decided by the tool gateway, in `call-<call>`.

A write is recorded as dispatched before its socket opens; a read may be recorded with its outcome
alone.
"""

from __future__ import annotations

from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import AwareDatetime, Field, JsonValue
from smartops.contracts.deciding import Decisions
from smartops.contracts.wire import (
    LONGEST_TEXT,
    Digest,
    EventData,
    Idempotence,
    JsonObject,
    LongText,
    Purpose,
    ShortText,
    TargetName,
    ToolName,
    Wire,
)

__all__ = [
    "CallFacts",
    "Decided",
    "DenialReason",
    "PolicyInForce",
    "ToolCallCompleted",
    "ToolCallCompletedV1",
    "ToolCallDenied",
    "ToolCallDeniedV1",
    "ToolCallDeniedV2",
    "ToolCallDispatched",
    "ToolCallDispatchedV1",
    "ToolCallFailed",
    "ToolCallFailedV1",
    "ToolCallSettled",
    "ToolCallSettledV1",
    "ToolCallUncertain",
    "UndoEntitlement",
]


class Decided(Wire):
    """The policy decision under which a call went out, in short: as it travels with the call."""

    allow: bool
    rules: tuple[ShortText, ...]
    bundle: Digest
    engine: ShortText


class CallFacts(Wire):
    """What was called, for whom, under which authority: the record that every call leaves."""

    task: UUID
    run: UUID | None = None
    requester: ShortText
    """The requesting service: the party that the outcome wakes."""
    requester_stream: ShortText
    request: UUID
    """The event that asked."""
    purpose: Purpose
    tool: ToolName
    version: ShortText
    schema_digest: Digest
    target: TargetName
    question: ShortText
    attempt: int
    phase: int | None = None
    step: Digest | None = None
    undoes: UUID | None = None
    arguments: JsonObject
    """As stored and hashed: secrets stand as references."""
    plan_hash: Digest | None = None
    grant: int | None = None
    approvers: tuple[UUID, ...] = ()
    policy: Decided


class UndoEntitlement(Wire):
    """The right to take a write back; it outlives expiry, revocation and bundle changes."""

    tool: ToolName
    version: ShortText
    arguments: JsonObject
    """Already bound to the recorded before-state."""


class _OfCall(EventData):
    call: UUID


class DenialReason(Wire):
    """One rule that said no."""

    rule: ShortText
    message: LongText


class PolicyInForce(Wire):
    """What policy was asked by: the same bundle and engine decide the same again."""

    bundle: Digest
    engine: ShortText


class _Denied(_OfCall):
    task: UUID
    run: UUID | None = None
    requester: ShortText
    requester_stream: ShortText
    request: UUID
    purpose: Purpose
    tool: ToolName
    target: TargetName
    question: ShortText
    reason_code: ShortText
    reasons: Annotated[tuple[DenialReason, ...], Field(min_length=1, max_length=100)]
    """The gateway's own rule, which is then the only one; or all rules of policy that deny."""
    policy: PolicyInForce | None = None
    """None: the gateway's own checks came before policy, or version 1, which did not say."""
    grant: int | None = None
    """The grant that the task had, if any."""

    @property
    def rules(self) -> tuple[str, ...]:
        """The rules that said no."""
        return tuple(reason.rule for reason in self.reasons)

    @property
    def message(self) -> str:
        """All that was said, for people."""
        return "; ".join(reason.message for reason in self.reasons)[:LONGEST_TEXT]


class ToolCallDenied(_Denied):
    """The call did not go out: every rule that said no, and the policy and grant it met."""

    topic: ClassVar[str] = "tool.call.denied"
    schema_version: ClassVar[int] = 3

    decisions: Decisions = ()
    """What policy answered, and on what; none where the gateway's own checks said no before."""


# What policy had decided on was not kept.
class ToolCallDeniedV2(_Denied):
    """The call did not go out: every rule that said no, and the policy and grant it met."""

    topic: ClassVar[str] = "tool.call.denied"
    schema_version: ClassVar[int] = 2


# It told one rule of perhaps many, and not under which policy: read as what came after it.
class ToolCallDeniedV1(_OfCall):
    """The call did not go out."""

    topic: ClassVar[str] = "tool.call.denied"

    task: UUID
    run: UUID | None = None
    requester: ShortText
    requester_stream: ShortText
    request: UUID
    purpose: Purpose
    tool: ToolName
    target: TargetName
    question: ShortText
    reason_code: ShortText
    rule: ShortText
    message: LongText


class _Dispatched(_OfCall):
    facts: CallFacts
    idempotence: Idempotence
    key: UUID
    """The attempt-free idempotency key sent to the tool."""
    send: int = Field(ge=1)
    """How often the request has been sent, this time included."""
    incarnation: UUID
    """The gateway process that sends. While it lives it may still send late."""
    deadline: AwareDatetime
    """After this the answer counts as lost."""
    before: JsonValue = None
    undo: UndoEntitlement | None = None


class ToolCallDispatched(_Dispatched):
    """The call may be on its way from this moment on."""

    topic: ClassVar[str] = "tool.call.dispatched"
    schema_version: ClassVar[int] = 2

    decisions: Decisions = ()
    """What let it go; none where it is sent again, on the decision of the first time."""


# What policy had decided on was not kept.
class ToolCallDispatchedV1(_Dispatched):
    """The call may be on its way from this moment on."""

    topic: ClassVar[str] = "tool.call.dispatched"


class _Completed(_OfCall):
    facts: CallFacts
    output: JsonValue
    """Redacted; None when it was too large and only the blob holds it."""
    output_digest: Digest
    duration_ms: Annotated[float, Field(ge=0)]


class ToolCallCompleted(_Completed):
    """The tool answered: applied."""

    topic: ClassVar[str] = "tool.call.completed"
    schema_version: ClassVar[int] = 2

    decisions: Decisions = ()
    """What let a read go, which leaves no other event."""


# What policy had decided on was not kept.
class ToolCallCompletedV1(_Completed):
    """The tool answered: applied."""

    topic: ClassVar[str] = "tool.call.completed"


class _Failed(_OfCall):
    facts: CallFacts
    error_code: ShortText
    message: LongText
    retryable: bool
    duration_ms: Annotated[float, Field(ge=0)]


class ToolCallFailed(_Failed):
    """Definitely not applied."""

    topic: ClassVar[str] = "tool.call.failed"
    schema_version: ClassVar[int] = 2

    decisions: Decisions = ()
    """What let a read go, which leaves no other event."""


# What policy had decided on was not kept.
class ToolCallFailedV1(_Failed):
    """Definitely not applied."""

    topic: ClassVar[str] = "tool.call.failed"


class ToolCallUncertain(_OfCall):
    """It is not known whether the call was applied, and we say so."""

    topic: ClassVar[str] = "tool.call.uncertain"

    facts: CallFacts
    reason: LongText
    next: Annotated[str, Field(pattern=r"^(retry|probe|human)$")]
    """What settles it."""
    send: int


class _Settled(_OfCall):
    task: UUID
    run: UUID | None = None
    requester: ShortText
    requester_stream: ShortText
    applied: bool
    by: ShortText
    note: LongText = ""


class ToolCallSettled(_Settled):
    """An uncertain call was cleared up: by reading back, or by a person who looked."""

    topic: ClassVar[str] = "tool.call.settled"
    schema_version: ClassVar[int] = 2

    by: ShortText
    """`probe`, or the name of the person."""
    retry: bool = False
    """Not applied, and the step may be attempted again."""
    principal: ShortText | None = None
    """Who said so; None when it was read back."""
    actor: UUID | None = None
    incarnation: UUID | None = None
    """The gateway process that had sent it last; None in version 1."""
    accept_double: bool = False
    """That process might yet send it late, and the person accepted that with the retry."""
    output: JsonValue = None
    """What was read back, redacted; None when it is large, or a person looked."""
    output_digest: Digest | None = None


# It told neither who settled the call nor on what grounds it may be attempted again.
class ToolCallSettledV1(_Settled):
    """An uncertain call was cleared up."""

    topic: ClassVar[str] = "tool.call.settled"
