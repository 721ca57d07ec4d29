"""The gateway's part of the modelled line: real checks and deciders, on a network that is played.

The world counts what really happened to it, so that what is claimed of a call can be held to it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from pydantic import JsonValue
from smartops.contracts.events import (
    TaskApprovalGranted,
    ToolCallCompleted,
    ToolCallDenied,
    ToolCallDispatched,
    ToolCallFailed,
    ToolCallRequested,
    ToolCallSettled,
)
from smartops.contracts.folds import CallView, GateView, RunView, evolve_call
from smartops.contracts.ids import tool_key
from smartops.contracts.plan import Plan
from smartops.contracts.wire import Category, EventData, Purpose
from smartops.policy import domain as gates
from smartops.runtime.decision import CancelTimer, Decision, SetTimer
from smartops.tool_gateway import domain as calls
from smartops.tool_gateway.checks import (
    Denial,
    Permit,
    bind_undo,
    check_going,
    check_read,
    check_step,
    check_undo,
    may_not_go_again,
    out_of_turn,
)
from smartops.tool_gateway.conditions import check_condition
from smartops.tool_gateway.ports import Answer, NotApplied, Unknown
from smartops.tool_gateway.reach import check_reach
from smartops.tool_gateway.state import Call
from smartops.tool_gateway.state import evolve as evolve_own
from support.line_gate import GateRecord, fold
from support.line_tools import PROBES, TOOLS, Choose, facts_of, sample_of
from support.line_world import World
from support.plans import TASK

__all__ = ["SENDS", "GatewaySide"]

SENDS = ("done",) * 8 + ("refused", "busy", "busy", "lost", "lost", "died")

_GATEWAY = UUID("55555555-5555-4555-8555-555555555555")
_NAMES = UUID("66666666-6666-5666-8666-666666666666")
_TIMEOUT = timedelta(seconds=5)


class GatewaySide:
    """The calls of one run.

    Attributes:
        sent: what was dispatched, each time, with the time and how long the gate's record was.
    """

    def __init__(self, made: Plan, grant: TaskApprovalGranted, record: GateRecord) -> None:
        self.plan, self.grant, self.record = made, grant, record
        self.run_view = RunView()
        self.requests: dict[UUID, ToolCallRequested] = {}
        self.call_events: dict[UUID, list[EventData]] = {}
        # Messages that may be delivered; grants and the gate's words once, others any time.
        self.cues: list[Callable[[], object]] = []
        self.timers: set[tuple[UUID | None, str]] = set()
        # Nobody waits for these: they are bound to come only where nothing else does.
        self.deadlines: set[str] = set()
        self.opens: dict[str, datetime] = {}
        self.spent: set[tuple[UUID | None, str]] = set()
        self.flying: list[ToolCallDispatched] = []
        self.sent: list[tuple[ToolCallDispatched, datetime, int]] = []
        self.world = World()

    @property
    def now(self) -> datetime:
        """The time, for everybody."""
        return self.record.now

    @property
    def gate(self) -> GateView:
        """The gate, as the gateway knows it."""
        return self.record.look(self.record.view)

    def call(self, ident: UUID) -> Call:
        """A call, as the gateway knows it."""
        return fold(Call(), evolve_own, self.call_events.get(ident, []))

    def view(self, ident: UUID) -> CallView:
        """A call, as its requester knows it."""
        return fold(CallView(), evolve_call, self.call_events.get(ident, []))

    # ---- asked for, and sent ---------------------------------------------------------------

    def _handle(self, request: ToolCallRequested, sample: str) -> None:
        ident = request.call
        known = {**TOOLS, **PROBES}.get(request.tool)
        found = self._may(request)
        if isinstance(found, Denial) or known is None:
            denial = found if isinstance(found, Denial) else Denial("x", "x", "no such tool")
            self._to_call(
                ident, lambda c: calls.deny(c, request, _NAMES, "runner", "acme/run-1", denial)
            )
            return
        facts = facts_of(request, found.arguments, self.gate.grant)
        if known.category is Category.READ:
            answer = sample_of(request, sample, self.world.standing)
            self._to_call(ident, lambda c: calls.record_read(c, ident, facts, answer, 1.0))
            return
        before: JsonValue = {"version": "old"}
        undo = bind_undo(found.step, before)
        assert not isinstance(undo, Denial)
        new = calls.Dispatch(
            facts=facts,
            idempotence=known.idempotence,
            key=tool_key(request.run or TASK, request.question, request.purpose),
            incarnation=_GATEWAY,
            timeout=_TIMEOUT,
            before=before,
            undo=undo,
        )
        self._send(self._to_call(ident, lambda c: calls.dispatch(c, ident, new, self.now, ())))

    def _may(self, request: ToolCallRequested) -> Permit | Denial:
        known = {**TOOLS, **PROBES}.get(request.tool)
        found: Permit | Denial
        match request.purpose:
            case Purpose.DO:
                found = check_step(request, known, self.run_view, self.gate, self.plan, self.now)
                if isinstance(found, Permit) and found.step is not None:
                    envelope = self.grant.envelope
                    assert envelope is not None
                    reach = check_reach(request, found.step, self.run_view, self.plan, envelope)
                    found = reach or self._held(envelope.condition) or found
            case Purpose.UNDO:
                done = self.view(request.undoes or request.call)
                found = check_undo(request, known, self.run_view, self.gate, done)
            case _:
                found = check_read(request, known)
        return found if isinstance(found, Denial) else check_going(self.run_view) or found

    def _held(self, condition: str | None) -> Denial | None:
        """Whether the samples bear out that the grant's condition holds, if it names one."""
        if condition is None:
            return None
        said = self.run_view.held
        samples = {} if said is None else {call: self.view(call) for call in said.calls}
        name = f"acme/run-{self.grant.run}"
        return check_condition(name, self.run_view, self.plan, condition, samples)

    def _send(self, decision: Decision) -> None:
        for event in decision.events:
            if isinstance(event, ToolCallDispatched):
                self.flying.append(event)
                self.sent.append((event, self.now, len(self.record.events)))

    def _send_again(self, ident: UUID) -> None:
        def decide(call: Call) -> Decision:
            if call.uncertain is None or call.uncertain.next != "retry":
                return Decision()
            assert call.dispatched is not None
            facts = call.dispatched.facts
            why = may_not_go_again(facts, self.gate, self.now) or out_of_turn(
                facts, self.gate, self.run_view, self.plan, self.now
            )
            if why is not None:
                return calls.leave_to_person(call, ident, why)
            return calls.send_again(call, ident, _GATEWAY, self.now, _TIMEOUT, ())

        self._send(self._to_call(ident, decide))

    # ---- come back -------------------------------------------------------------------------

    def _end_a_send(self, choose: Choose, fate: str | None = None) -> None:
        if fate is None:
            fate = choose(SENDS)
        if fate in ("lost", "died") and choose((False, True)):
            fate = f"done, {fate}"
        sent = self.flying.pop(choose(range(len(self.flying))))
        if fate.startswith("done"):
            self.world.land(sent)
        else:
            self.world.applied.setdefault(sent.call, False)
        answer: Answer | NotApplied | Unknown
        match fate:
            case "done":
                answer = Answer({"ok": True})
            case "refused" | "busy":
                answer = NotApplied(fate, "not done", retryable=fate == "busy")
            case "died" | "done, died":
                return  # The gateway is gone: the deadline will tell.
            case _:
                answer = Unknown("the connection broke")
        self._conclude(sent, answer)

    def _conclude(self, sent: ToolCallDispatched, answer: Answer | NotApplied | Unknown) -> None:
        self._to_call(
            sent.call, lambda call: calls.conclude(call, sent.call, sent.send, answer, 1.0)
        )

    # ---- what a call says must be so -------------------------------------------------------

    def _to_call(self, ident: UUID, decide: Callable[[Call], Decision]) -> Decision:
        decision = decide(self.call(ident))
        self.call_events.setdefault(ident, []).extend(decision.events)
        self._set(ident, decision)
        again = decide(self.call(ident))
        assert not again.events, f"a repeat says {again.events}"
        for event in decision.events:
            match event:
                case ToolCallCompleted() if event.facts.purpose in (Purpose.DO, Purpose.UNDO):
                    if TOOLS[event.facts.tool].category is not Category.READ:
                        assert self.world.applied[ident], "called completed, but was not applied"
                case ToolCallFailed():
                    assert not self.world.applied.get(ident), "called failed, but was applied"
                case ToolCallSettled():
                    assert event.applied == self.world.applied.get(ident, False), "settled falsely"
                case ToolCallDenied():
                    self.cues.append(partial(self._heed_breach, event))
                case _:
                    pass
        return decision

    def _heed_breach(self, denied: ToolCallDenied) -> None:
        """Policy hears of each denial."""
        self.record.say(gates.breach(self.record.state, denied).events)
        assert not gates.breach(self.record.state, denied).events

    def _set(self, owner: UUID | None, decision: Decision) -> None:
        for timer in decision.timers:
            key = (owner, timer.name)
            if owner is None and timer.name.startswith("deadline/"):
                (self.deadlines.add if isinstance(timer, SetTimer) else self.deadlines.discard)(
                    timer.name
                )
                continue
            if isinstance(timer, SetTimer) and isinstance(timer.due, datetime):
                self.opens[timer.name] = timer.due
            match timer:
                case SetTimer():
                    self.timers.add(key)
                    self.spent.discard(key)
                case CancelTimer():
                    self.timers.discard(key)
                    self.spent.add(key)
