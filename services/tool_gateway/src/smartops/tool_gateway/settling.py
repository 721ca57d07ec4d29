"""The uncertain call decided: read back by the gateway, or settled by a person who looked.

Whether a call may go out once more turns on one question: can a send that is still on its way take
effect after it? A tool that dedupes by key, or that changes nothing but what it expects to find,
answers it by itself. For all others every process that sent the call must have ended.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from pydantic import JsonValue
from smartops.contracts.canonical import canonical, digest
from smartops.contracts.commands import CallSettle
from smartops.contracts.events import ActorMapped, ToolCallDispatched, ToolCallSettled
from smartops.contracts.wire import LONGEST_TEXT, Idempotence, JsonObject
from smartops.runtime.decision import NOTHING, Decision, Refusal, SetTimer
from smartops.tool_gateway import domain
from smartops.tool_gateway.domain import INLINE_BYTES, MAX_SENDS, PROBE_HANDLER, probe_timer
from smartops.tool_gateway.state import Call

__all__ = ["MAX_PROBES", "SETTLERS", "Again", "Found", "Settler", "judge", "read_back", "settle"]

_PAUSES = (
    timedelta(seconds=2),
    timedelta(seconds=5),
    timedelta(seconds=15),
    timedelta(seconds=45),
)
"""Before the second, third, fourth and fifth reading back."""

MAX_PROBES = len(_PAUSES) + 1
"""Readings back of one send before a person is asked."""

SETTLERS = frozenset({"approver", "operator"})
"""Roles that may say whether a call was applied."""

_ACCEPTS_DOUBLE = "approver"
"""Accepting that something may happen twice goes beyond what was approved."""

_EXPECTED = "expected_"
"""How arguments begin that say what a tool must find (see `ToolDescriptor.compare_and_set`)."""


@dataclass(frozen=True, slots=True)
class Found:
    """What reading back a lost write showed."""

    verdict: Literal["applied", "not_applied", "unclear"]
    reason: str
    output: JsonValue = None


@dataclass(frozen=True, slots=True)
class Again:
    """Under which terms a call that was not applied would go out once more.

    Attributes:
        incarnation: who would send it.
        now: the database's clock.
        timeout: until the answer counts as lost.
        stop: why it must not go out again, if so: see `may_not_go_again`.
        out_of_turn: why not now, if so: see `out_of_turn`. Another attempt waits for its turn.
        compare_and_set: the tool changes nothing but what it was told to find.
        alive: an incarnation that sent the call lives, or nobody knows.
        reads: versions that this rests on.
    """

    incarnation: UUID
    now: datetime
    timeout: timedelta
    stop: str | None
    compare_and_set: bool
    alive: bool
    reads: tuple[tuple[str, int], ...] = ()
    out_of_turn: str | None = None


@dataclass(frozen=True, slots=True)
class Settler:
    """Who settles a call, and the tool as this process knows it."""

    principal: str
    actor: ActorMapped | None
    compare_and_set: bool
    alive: bool
    """An incarnation that sent the call lives, or nobody knows."""
    now: datetime
    """By the database's clock."""
    reads: tuple[tuple[str, int], ...] = ()


def judge(arguments: JsonObject, asked: JsonObject, before: JsonValue, output: JsonValue) -> Found:
    """Compare what was read back with what was wanted, and with what was there before.

    Somebody else may have changed it as well: then nothing is clear.

    Args:
        arguments: of the write.
        asked: arguments of the read: what it is about, and so no sign of a change.
        before: what the read before the write showed; None if there was none.
        output: what it shows now.
    """
    if not isinstance(output, dict):
        return Found("unclear", "what was read back is no object", output)
    if before is not None and _same(output, before):
        return Found("not_applied", "it is as it was before", output)
    then = before if isinstance(before, dict) else {}
    wanted = {
        name: value
        for name, value in arguments.items()
        if name in output and name not in asked and not _same(then.get(name), value)
    }
    expected = {
        name.removeprefix(_EXPECTED): value
        for name, value in arguments.items()
        if name.startswith(_EXPECTED) and value is not None
    }
    if wanted and all(_same(output[name], value) for name, value in wanted.items()):
        return Found("applied", f"{', '.join(sorted(wanted))} as wanted", output)
    if expected and all(
        name in output and _same(output[name], value) for name, value in expected.items()
    ):
        return Found("not_applied", f"{', '.join(sorted(expected))} as before", output)
    return Found("unclear", "it is neither as it was before nor as wanted", output)


def read_back(call: Call, ident: UUID, timer: str, found: Found, again: Again) -> Decision:
    """Decide on what a reading back showed; a late timer changes nothing."""
    sent, uncertain = call.dispatched, call.uncertain
    if call.ended is not None or sent is None or uncertain is None or uncertain.next != "probe":
        return NOTHING
    number = _number(timer, call.sends)
    if number is None:
        return NOTHING
    if found.verdict == "applied":
        return _settled_by_probe(call, ident, sent, found, retry=False)
    if found.verdict == "unclear":
        return _later(call, ident, number, found.reason, again)
    free = again.stop is None and again.out_of_turn is None
    if free and again.compare_and_set and call.sends < MAX_SENDS:
        return domain.send_again(
            call, ident, again.incarnation, again.now, again.timeout, again.reads
        )
    if again.alive or again.now < sent.deadline:
        # So long the tool itself may be at work on it. And:
        # (1) Its sender stands still before the socket opens, (2) we read back that nothing has
        # changed, (3) the step is called not applied, (4) the sender goes on, and it is applied.
        return _later(call, ident, number, f"{found.reason}; it may yet come", again)
    return _settled_by_probe(call, ident, sent, found, retry=again.stop is None, reads=again.reads)


def settle(call: Call, ident: UUID, command: CallSettle, who: Settler) -> Decision:
    """A person says whether the call was applied. The first word counts."""
    refusal = _may_not_settle(who, command) or _nothing_to_settle(call, command)
    if refusal is not None:
        return Decision(refusal=refusal, reads=who.reads)
    sent = call.dispatched
    if sent is None or call.ended is not None:
        return Decision(reads=who.reads)
    if command.retry and not command.accept_double and may_still_send(sent, who):
        return Decision(
            refusal=Refusal(
                "may_still_send",
                "the process that sent it lives and may yet send it, or the time is not over that "
                "its tool has for it; wait until both have ended, settle without a retry, or "
                "accept that it may happen twice",
                "retry",
            ),
            reads=who.reads,
        )
    actor = who.actor
    settled = ToolCallSettled(
        call=ident,
        task=sent.facts.task,
        run=sent.facts.run,
        requester=sent.facts.requester,
        requester_stream=sent.facts.requester_stream,
        applied=command.outcome == "applied",
        retry=command.retry,
        by=actor.name if actor is not None else who.principal,
        principal=who.principal,
        actor=actor.actor if actor is not None else None,
        incarnation=sent.incarnation,
        accept_double=command.accept_double and may_still_send(sent, who),
        note=command.note,
    )
    return Decision([settled], reads=who.reads)


def may_still_send(sent: ToolCallDispatched, who: Settler) -> bool:
    """Whether a send that is not over yet could take effect beside another attempt."""
    if sent.idempotence is Idempotence.IDEMPOTENT:
        return False
    open_ = who.alive or who.now < sent.deadline
    return open_ and not (sent.idempotence is Idempotence.PROBEABLE and who.compare_and_set)


def _may_not_settle(who: Settler, command: CallSettle) -> Refusal | None:
    actor = who.actor
    if actor is None:
        return Refusal("unmapped", "this principal is mapped to no actor, so it may not settle")
    if actor.disabled:
        return Refusal("forbidden", f"{actor.name} is disabled")
    if not SETTLERS & set(actor.roles):
        needed = " or ".join(sorted(SETTLERS))
        return Refusal("forbidden", f"{actor.name} is no {needed}")
    if command.outcome == "applied" and command.retry:
        return Refusal("contradiction", "what was applied is not attempted again", "retry")
    if command.accept_double and not command.retry:
        return Refusal("contradiction", "without a retry nothing can happen twice", "accept_double")
    if command.accept_double and _ACCEPTS_DOUBLE not in actor.roles:
        return Refusal(
            "forbidden", f"only an {_ACCEPTS_DOUBLE} may accept a double", "accept_double"
        )
    return None


def _nothing_to_settle(call: Call, command: CallSettle) -> Refusal | None:
    if call.new:
        return Refusal("not_found", "there is no such call", "call")
    if (settled := call.settled) is not None:
        said = "applied" if settled.applied else "not_applied"
        if (said, settled.retry) == (command.outcome, command.retry):
            return None
        told = f"{said}, with a retry" if settled.retry else said
        return Refusal("settled", f"{settled.by} has already settled it as {told}", "outcome")
    if call.ended is not None:
        return Refusal("not_uncertain", f"its outcome is known: it {call.ended}", "call")
    if call.uncertain is None:
        return Refusal("in_flight", "its answer is still awaited", "call")
    if call.uncertain.next != "human":
        return Refusal(
            "being_settled", f"the gateway is about to {call.uncertain.next} it by itself", "call"
        )
    return None


def _settled_by_probe(
    call: Call,
    ident: UUID,
    sent: ToolCallDispatched,
    found: Found,
    *,
    retry: bool,
    reads: tuple[tuple[str, int], ...] = (),
) -> Decision:
    stored = canonical(found.output)
    inline = len(stored) <= INLINE_BYTES
    settled = ToolCallSettled(
        call=ident,
        task=sent.facts.task,
        run=sent.facts.run,
        requester=sent.facts.requester,
        requester_stream=sent.facts.requester_stream,
        applied=found.verdict == "applied",
        retry=retry,
        by="probe",
        incarnation=sent.incarnation,
        note=f"read back after send {call.sends}: {found.reason}"[:LONGEST_TEXT],
        output=found.output if inline else None,
        output_digest=digest(stored),
    )
    return Decision([settled], blobs=[] if inline else [stored], reads=reads)


def _later(call: Call, ident: UUID, number: int, reason: str, again: Again) -> Decision:
    """Read back once more after a longer pause; in the end a person is asked."""
    if number < MAX_PROBES:
        timer = SetTimer(probe_timer(call.sends, number + 1), _PAUSES[number - 1], PROBE_HANDLER)
        return Decision(timers=[timer])
    why = call.uncertain.reason if call.uncertain is not None else ""
    left = domain.leave_to_person(call, ident, f"{why}; read back {number} times: {reason}")
    return Decision(left.events, reads=again.reads)


def _number(timer: str, send: int) -> int | None:
    """Which reading back of this send a timer is; None for one of another send."""
    head, _, number = timer.rpartition("/")
    return int(number) if number.isdecimal() and head == f"probe/{send}" else None


def _same(one: JsonValue, other: JsonValue) -> bool:
    return canonical(one) == canonical(other)
