"""One step's calls against a world that loses, delays and kills, without bus or database.

The decider is the real one. Requests may leave a process as long as it lives, however late; they
may arrive long after their sender has given up, answers may be lost, processes die. The world
counts what really happened.

Two things are taken for granted, as by the gateway itself: what a process that has ended had on the
wire arrives before anybody looks, or never (`SETTLE`), and a person says what is true.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid5

from pydantic import JsonValue
from smartops.contracts.commands import CallSettle
from smartops.contracts.events import ActorMapped
from smartops.contracts.wire import EventData, Idempotence, JsonObject
from smartops.runtime.decision import CancelTimer, Decision, SetTimer
from smartops.tool_gateway import domain, settling
from smartops.tool_gateway.ports import Answer, NotApplied, Unknown
from smartops.tool_gateway.settling import Again, Found, Settler
from smartops.tool_gateway.state import Call, evolve
from support.call_facts import facts_of

__all__ = ["KINDS", "CallWorld", "Kind", "Sending"]

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
TIMEOUT = timedelta(seconds=5)
_NAMES = UUID("66666666-6666-5666-8666-666666666666")
_KEY = uuid5(_NAMES, "key")
_ANNA = ActorMapped(
    actor=uuid5(_NAMES, "anna"), name="anna", principals=("p-anna",), roles=("approver",)
)


@dataclass(frozen=True)
class Kind:
    """A kind of tool."""

    idempotence: Idempotence
    compare_and_set: bool = False


KINDS = (
    Kind(Idempotence.IDEMPOTENT),
    Kind(Idempotence.PROBEABLE),
    Kind(Idempotence.PROBEABLE, compare_and_set=True),
    Kind(Idempotence.OPAQUE),
)


@dataclass
class Sending:
    """One send on its way."""

    attempt: int
    send: int
    incarnation: UUID
    left: bool = False
    """It is on the wire."""
    landed: bool = False
    answer: Answer | NotApplied | Unknown | None = None
    """What is on its way back."""


@dataclass
class CallWorld:
    """The calls of one step, and what they did.

    Attributes:
        effects: how often the step took effect.
        accepted: a person accepted a double.
    """

    kind: Kind
    calls: list[Call] = field(default_factory=list)
    said: list[EventData] = field(default_factory=list)
    timers: set[tuple[int, str]] = field(default_factory=set)
    sendings: list[Sending] = field(default_factory=list)
    ghosts: list[Sending] = field(default_factory=list)
    """Requests that nobody waits for any more, and that may arrive all the same."""
    processes: list[UUID] = field(default_factory=list)
    dead: set[UUID] = field(default_factory=set)
    stop: str | None = None
    value: str = "a"
    revision: int = 1
    keys: set[UUID] = field(default_factory=set)
    effects: int = 0
    accepted: bool = False

    def __post_init__(self) -> None:
        self.start_process()

    # ---- the gateway -----------------------------------------------------------------------

    @property
    def process(self) -> UUID:
        """Who sends now."""
        return self.processes[-1]

    def start_process(self) -> None:
        """Another process, beside those that live."""
        self.processes.append(uuid5(_NAMES, f"process {len(self.processes)}"))

    def end_process(self, which: UUID) -> None:
        """A process is gone, with all that it had not sent yet and all that it waited for."""
        self.dead.add(which)
        own = [s for s in self.sendings if s.incarnation == which]
        self.ghosts += [s for s in own if s.left and s.answer is None]
        self.sendings = [s for s in self.sendings if s.incarnation != which]
        if which == self.process:
            self.start_process()

    @property
    def arguments(self) -> JsonObject:
        """Of the write."""
        wanted: JsonObject = {"asset": "key-1", "value": "wanted"}
        return {**wanted, "expected_revision": 1} if self.kind.compare_and_set else wanted

    def attempt(self) -> None:
        """The step is attempted, for the first time or once more."""
        number = len(self.calls) + 1
        new = domain.Dispatch(
            facts=facts_of("set", "key-1", self.arguments, request=_KEY, attempt=number),
            idempotence=self.kind.idempotence,
            key=_KEY,
            incarnation=self.process,
            timeout=TIMEOUT,
            before={"key": "key-1", "value": "a", "revision": 1},
        )
        self.calls.append(Call())
        self.decide(number, lambda call: domain.dispatch(call, _ident(number), new, NOW, ()))

    def decide(self, attempt: int, decide: Callable[[Call], Decision]) -> Decision:
        """Decide, fold, keep timers; a repeat must say nothing."""
        decision = decide(self.calls[attempt - 1])
        for event in decision.events:
            before = self.calls[attempt - 1].sends
            self.calls[attempt - 1] = evolve(self.calls[attempt - 1], event)
            self.said.append(event)
            call = self.calls[attempt - 1]
            if call.sends > before and call.dispatched is not None:
                incarnation = call.dispatched.incarnation
                self.sendings.append(Sending(attempt, call.sends, incarnation))
        for timer in decision.timers:
            match timer:
                case SetTimer():
                    self.timers.add((attempt, timer.name))
                case CancelTimer():
                    self.timers.discard((attempt, timer.name))
        if decision.events:
            assert not decide(self.calls[attempt - 1]).events, "a repeat says something"
        return decision

    def fire(self, attempt: int, name: str, *, readable: bool) -> None:
        """A timer fires."""
        self.timers.discard((attempt, name))
        ident = _ident(attempt)
        if name.startswith("deadline/"):
            self.decide(attempt, lambda call: domain.answer_lost(call, ident, name))
        elif name.startswith("retry/"):
            self.decide(attempt, lambda call: self._retry(call, ident))
        else:
            self._read_back(attempt, name, readable=readable)

    def _retry(self, call: Call, ident: UUID) -> Decision:
        if call.uncertain is None or call.uncertain.next != "retry":
            return Decision()
        if self.stop is not None:
            return domain.leave_to_person(call, ident, self.stop)
        return domain.send_again(call, ident, self.process, NOW, TIMEOUT, ())

    def _read_back(self, attempt: int, name: str, *, readable: bool) -> None:
        alive = self.alive(attempt)
        self.settle_down()
        output: JsonValue = {"key": "key-1", "value": self.value, "revision": self.revision}
        found = (
            settling.judge(
                self.arguments,
                {"asset": "key-1"},
                {"key": "key-1", "value": "a", "revision": 1},
                output,
            )
            if readable
            else Found("unclear", "it cannot be read back")
        )
        again = Again(
            incarnation=self.process,
            now=NOW + TIMEOUT,
            timeout=TIMEOUT,
            stop=self.stop,
            compare_and_set=self.kind.compare_and_set,
            alive=alive,
        )
        self.decide(
            attempt, lambda call: settling.read_back(call, _ident(attempt), name, found, again)
        )

    def alive(self, attempt: int) -> bool:
        """Whether a process that sent a call lives."""
        return bool(self.calls[attempt - 1].senders - self.dead)

    # ---- the world -------------------------------------------------------------------------

    def land(self, sending: Sending) -> None:
        """The request arrives at the tool, which does what it was made for."""
        sending.left = sending.landed = True
        match self.kind.idempotence:
            case Idempotence.IDEMPOTENT if _KEY in self.keys:
                sending.answer = Answer({"value": "wanted"})
                return
            case Idempotence.PROBEABLE if self.kind.compare_and_set and self.revision != 1:
                sending.answer = NotApplied("precondition_failed", "412", retryable=False)
                return
            case _:
                pass
        self.keys.add(_KEY)
        self.effects += 1
        self.value, self.revision = "wanted", self.revision + 1
        sending.answer = Answer({"value": "wanted"})

    def refuse(self, sending: Sending) -> None:
        """Not a byte leaves: refused connections, fuses that are burnt."""
        sending.answer = NotApplied("unreachable", "refused", retryable=True)

    def leave(self, sending: Sending) -> None:
        """It is on the wire from now on; whoever sent it may die."""
        sending.left = True

    def give_up(self, sending: Sending) -> None:
        """The sender waits no longer: the request or its answer is lost, or only late."""
        sending.answer = Unknown("the connection broke")
        if not sending.landed:
            self.ghosts.append(replace(sending, left=True, answer=None))

    def settle_down(self) -> None:
        """What those that have ended had on the wire has arrived by now, or never will."""
        self.ghosts = [s for s in self.ghosts if s.incarnation not in self.dead]

    def hear(self, sending: Sending) -> None:
        """The sender records what came back."""
        self.sendings.remove(sending)
        answer = sending.answer
        if answer is None:
            return
        self.decide(
            sending.attempt,
            lambda call: domain.conclude(call, _ident(sending.attempt), sending.send, answer, 1.0),
        )

    def somebody_else(self) -> None:
        """Another hand changes the same thing."""
        self.value, self.revision = f"other {self.revision}", self.revision + 1

    # ---- people and runs -------------------------------------------------------------------

    def settle(self, attempt: int, *, retry: bool, accept_double: bool) -> Decision:
        """A person says what is true."""
        self.settle_down()
        applied = self.effects > 0
        retry = retry and not applied
        accept = retry and accept_double
        command = CallSettle(
            call=_ident(attempt),
            outcome="applied" if applied else "not_applied",
            retry=retry,
            accept_double=accept,
            note="looked",
        )
        who = Settler(
            principal="p-anna",
            actor=_ANNA,
            compare_and_set=self.kind.compare_and_set,
            alive=self.alive(attempt),
            now=NOW + TIMEOUT,
        )
        decision = self.decide(
            attempt, lambda call: settling.settle(call, _ident(attempt), command, who)
        )
        settled = self.calls[attempt - 1].settled
        self.accepted = self.accepted or (settled is not None and settled.accept_double)
        return decision

    def may_attempt_again(self) -> bool:
        """The run may attempt a step again only after a definite not-applied."""
        if self.stop is not None or not self.calls:
            return False
        last = self.calls[-1]
        if last.settled is not None:
            return not last.settled.applied and last.settled.retry
        return last.ended == "failed" and self._retryable()

    def _retryable(self) -> bool:
        return bool(getattr(self.said[-1], "retryable", False))


def _ident(attempt: int) -> UUID:
    return uuid5(_NAMES, f"call {attempt}")
