"""The call decided: go out, be denied, and what its answer, or its silence, means."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from pydantic import JsonValue
from smartops.contracts.canonical import canonical, digest
from smartops.contracts.events import (
    CallFacts,
    DenialReason,
    ToolCallCompleted,
    ToolCallDenied,
    ToolCallDispatched,
    ToolCallFailed,
    ToolCallRequested,
    ToolCallUncertain,
    UndoEntitlement,
)
from smartops.contracts.wire import Idempotence
from smartops.runtime.decision import NOTHING, CancelTimer, Decision, SetTimer
from smartops.tool_gateway.checks import Denial
from smartops.tool_gateway.ports import Answer, NotApplied, Unknown
from smartops.tool_gateway.state import Call

__all__ = [
    "DEADLINE_HANDLER",
    "INLINE_BYTES",
    "MAX_SENDS",
    "PROBE_HANDLER",
    "RETRY_HANDLER",
    "SETTLE",
    "WATCH_HANDLER",
    "Dispatch",
    "answer_lost",
    "conclude",
    "deny",
    "dispatch",
    "leave_to_person",
    "probe_timer",
    "record_read",
    "send_again",
    "sender_watched",
]

DEADLINE_HANDLER = "tool_gateway.deadline"
RETRY_HANDLER = "tool_gateway.retry"
PROBE_HANDLER = "tool_gateway.probe"
WATCH_HANDLER = "tool_gateway.watch"

INLINE_BYTES = 16 * 1024
"""Outputs up to this many canonical bytes travel in the event; larger ones as blobs only."""

MAX_SENDS = 4
"""Sends of one request before a person is asked."""

SETTLE = timedelta(seconds=1)
"""Before a lost write is read back for the first time: what is still on its way arrives first."""

MAX_REASONS = 100
"""Rules told of a denied call."""

_WATCH = timedelta(seconds=10)
"""Between two looks whether the sender of a long idempotent call still lives: nobody need wait
until the deadline for the answer to one that has ended. Others do: so long the tool may be at work.
"""

_GRACE = timedelta(seconds=1)
"""Time past the deadline for the sender itself to say that it got no answer."""

_PAUSES = (timedelta(milliseconds=200), timedelta(seconds=1), timedelta(seconds=3))
"""Before the second, third and fourth send."""


@dataclass(frozen=True, slots=True)
class Dispatch:
    """All that is recorded before a write's socket opens."""

    facts: CallFacts
    idempotence: Idempotence
    key: UUID
    incarnation: UUID
    timeout: timedelta
    before: JsonValue = None
    undo: UndoEntitlement | None = None


def deny(
    call: Call,
    request: ToolCallRequested,
    event: UUID,
    requester: str,
    requester_stream: str,
    denial: Denial,
    grant: int | None = None,
) -> Decision:
    """Say that the call does not go out, and why; `grant` is what the task had, if anything."""
    if not call.new:
        return NOTHING
    denied = ToolCallDenied(
        call=request.call,
        task=request.task,
        run=request.run,
        requester=requester,
        requester_stream=requester_stream,
        request=event,
        purpose=request.purpose,
        tool=request.tool,
        target=request.target,
        question=request.question,
        reason_code=denial.code,
        reasons=tuple(
            DenialReason(rule=rule, message=message[:4000])
            for rule, message in ((denial.rule, denial.message), *denial.further)
        )[:MAX_REASONS],
        policy=denial.policy,
        grant=grant,
    )
    return Decision([denied])


def dispatch(
    call: Call, ident: UUID, new: Dispatch, now: datetime, reads: tuple[tuple[str, int], ...]
) -> Decision:
    """Commit that the call may be on its way, before it is."""
    if not call.new:
        return NOTHING
    return _send(ident, new, now, 1, reads)


def send_again(
    call: Call,
    ident: UUID,
    incarnation: UUID,
    now: datetime,
    timeout: timedelta,
    reads: tuple[tuple[str, int], ...],
) -> Decision:
    """Send a request once more, with the same key and arguments, as its answer was lost.

    Whoever calls this knows that it cannot take effect twice: the tool dedupes by the key, or it
    was read back as not applied and changes nothing but what it expects to find.
    """
    sent, uncertain = call.dispatched, call.uncertain
    if call.ended is not None or sent is None or uncertain is None or uncertain.next == "human":
        return NOTHING
    again = Dispatch(
        sent.facts, sent.idempotence, sent.key, incarnation, timeout, sent.before, sent.undo
    )
    return _send(ident, again, now, call.sends + 1, reads)


def leave_to_person(call: Call, ident: UUID, reason: str) -> Decision:
    """An answer was lost and may not be asked for again: only a person can clear it up."""
    sent, uncertain = call.dispatched, call.uncertain
    if call.ended is not None or sent is None or uncertain is None or uncertain.next == "human":
        return NOTHING
    left = ToolCallUncertain(
        call=ident, facts=sent.facts, reason=reason[:4000], next="human", send=call.sends
    )
    return Decision([left])


def conclude(
    call: Call, ident: UUID, send: int, answer: Answer | NotApplied | Unknown, took_ms: float
) -> Decision:
    """Record what came back of a send. A late answer of an earlier send still settles the call."""
    sent = call.dispatched
    if sent is None or call.ended is not None:
        return NOTHING
    timers = [CancelTimer(_deadline(send))]
    match answer:
        case Answer():
            completed, blobs = _completed(ident, sent.facts, answer.output, took_ms)
            return Decision([completed], timers=timers, blobs=blobs)
        case NotApplied() if call.sends > 1 or _follows_a_doubt(sent):
            # Another send may have been applied, so the refusal of one proves nothing.
            if call.uncertain is not None or send < call.sends:
                return NOTHING
            return _uncertain(call, ident, f"{answer.code}: {answer.message}", timers)
        case NotApplied():
            failed = ToolCallFailed(
                call=ident,
                facts=sent.facts,
                error_code=answer.code,
                message=answer.message[:4000],
                retryable=answer.retryable,
                duration_ms=took_ms,
            )
            return Decision([failed], timers=timers)
        case Unknown():
            if call.uncertain is not None or send < call.sends:
                return NOTHING
            return _uncertain(call, ident, answer.reason, timers)


def answer_lost(call: Call, ident: UUID, timer: str) -> Decision:
    """The deadline passed and the sender has said nothing: it is unknown, and we say so."""
    sent = call.dispatched
    if sent is None or call.ended is not None or call.uncertain is not None:
        return NOTHING
    if timer != _deadline(call.sends):
        return NOTHING
    return _uncertain(call, ident, "no answer by the deadline; the sender is gone", [])


def sender_watched(call: Call, ident: UUID, timer: str, now: datetime, *, alive: bool) -> Decision:
    """It was looked whether the sender of a long call lives. If not, its answer comes to nobody."""
    sent = call.dispatched
    if sent is None or call.ended is not None or call.uncertain is not None:
        return NOTHING
    head, _, number = timer.rpartition("/")
    if head != f"watch/{call.sends}":
        return NOTHING
    if not alive:
        why = "no answer, and the process that waited for it has ended"
        return _uncertain(call, ident, why, [CancelTimer(_deadline(call.sends))])
    return Decision(timers=_watch(call.sends, int(number) + 1, sent.deadline - now))


def record_read(
    call: Call, ident: UUID, facts: CallFacts, answer: Answer | NotApplied | Unknown, took_ms: float
) -> Decision:
    """A read changes nothing, so it is recorded with its outcome alone."""
    if not call.new:
        return NOTHING
    match answer:
        case Answer():
            completed, blobs = _completed(ident, facts, answer.output, took_ms)
            return Decision([completed], blobs=blobs)
        case NotApplied():
            code, message, retryable = answer.code, answer.message, answer.retryable
        case Unknown():
            code, message, retryable = "no_answer", answer.reason, True
    failed = ToolCallFailed(
        call=ident,
        facts=facts,
        error_code=code,
        message=message[:4000],
        retryable=retryable,
        duration_ms=took_ms,
    )
    return Decision([failed])


def _send(
    ident: UUID, new: Dispatch, now: datetime, send: int, reads: tuple[tuple[str, int], ...]
) -> Decision:
    deadline = now + new.timeout
    sent = ToolCallDispatched(
        call=ident,
        facts=new.facts,
        idempotence=new.idempotence,
        key=new.key,
        send=send,
        incarnation=new.incarnation,
        deadline=deadline,
        before=new.before,
        undo=new.undo,
    )
    timer = SetTimer(_deadline(send), deadline + _GRACE, DEADLINE_HANDLER)
    watch = _watch(send, 1, new.timeout) if new.idempotence is Idempotence.IDEMPOTENT else []
    return Decision([sent], timers=[timer, *watch], reads=reads)


def _watch(send: int, number: int, left: timedelta) -> list[SetTimer]:
    """The next look whether the sender lives, unless the deadline comes first."""
    if left <= _WATCH:
        return []
    return [SetTimer(f"watch/{send}/{number}", _WATCH, WATCH_HANDLER)]


def _uncertain(call: Call, ident: UUID, reason: str, timers: list[CancelTimer]) -> Decision:
    sent = call.dispatched
    if sent is None:
        return NOTHING
    follow: list[SetTimer | CancelTimer] = [*timers]
    settles = "human"
    match sent.idempotence:
        case Idempotence.IDEMPOTENT if call.sends < MAX_SENDS:
            settles = "retry"
            pause = _PAUSES[min(call.sends, len(_PAUSES)) - 1]
            follow.append(SetTimer(f"retry/{call.sends}", pause, RETRY_HANDLER))
        case Idempotence.PROBEABLE:
            settles = "probe"
            follow.append(SetTimer(probe_timer(call.sends, 1), SETTLE, PROBE_HANDLER))
        case _:
            pass
    uncertain = ToolCallUncertain(
        call=ident, facts=sent.facts, reason=reason[:4000], next=settles, send=call.sends
    )
    return Decision([uncertain], timers=follow)


def _follows_a_doubt(sent: ToolCallDispatched) -> bool:
    """A probeable step attempted again: what refuses it may be the attempt before, come late.

    Then the change stands, and the refusal proves the contrary of what it says.
    """
    return sent.idempotence is Idempotence.PROBEABLE and sent.facts.attempt > 1


def _completed(
    ident: UUID, facts: CallFacts, output: JsonValue, took_ms: float
) -> tuple[ToolCallCompleted, list[bytes]]:
    stored = canonical(output)
    inline = len(stored) <= INLINE_BYTES
    completed = ToolCallCompleted(
        call=ident,
        facts=facts,
        output=output if inline else None,
        output_digest=digest(stored),
        duration_ms=took_ms,
    )
    return completed, [] if inline else [stored]


def probe_timer(send: int, number: int) -> str:
    """Name of the timer of the n-th reading back of a send."""
    return f"probe/{send}/{number}"


def _deadline(send: int) -> str:
    return f"deadline/{send}"
