"""Runner, gateway and gate against a world that loses answers, without bus or database.

The deciders are the real ones. Network, tools, clock and people are played by whoever drives the
model, with choices of their own. The world counts what really happened to it, so that what is
claimed can be held against it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID

import pytest
from pydantic import JsonValue
from smartops.contracts.commands import GrantRevoke, RunHalt, TaskCancel
from smartops.contracts.events import (
    BeforeState,
    TaskCancelled,
    TaskCompleted,
    TaskEscalated,
    TaskPlanValidated,
    TaskRolledBack,
    ToolCallCompleted,
    ToolCallDispatched,
    ToolCallFailed,
    ToolCallRequested,
)
from smartops.contracts.folds import (
    CallView,
    GateView,
    RunView,
    evolve_call,
    evolve_gate,
    evolve_run,
)
from smartops.contracts.ids import tool_key
from smartops.contracts.plan import Plan
from smartops.contracts.wire import Category, EventData, Purpose
from smartops.policy import domain as gates
from smartops.policy.state import Gate
from smartops.policy.state import evolve as evolve_policy
from smartops.runner import domain as runs
from smartops.runner.proofs import before_state
from smartops.runner.state import Run
from smartops.runner.state import evolve as evolve_state
from smartops.runtime.decision import CancelTimer, Decision, SetTimer
from smartops.tool_gateway import domain as calls
from smartops.tool_gateway.checks import Denial, bind_undo, check_read, check_step, check_undo
from smartops.tool_gateway.ports import Answer, NotApplied, Unknown
from smartops.tool_gateway.state import Call
from smartops.tool_gateway.state import evolve as evolve_own
from support.grants import GRANTED_AT, grant_for
from support.line_tools import PROBES, PROVED, TOOLS, Choose, facts_of, sample_of, through_the_log
from support.line_world import World
from support.plans import TASK

__all__ = ["LineModel"]

S = TypeVar("S")

SENDS = ("done",) * 8 + ("refused", "busy", "busy", "lost", "lost", "died")
SAMPLES = ("good",) * 9 + ("bad", "empty", "lost")

_GATEWAY = UUID("55555555-5555-4555-8555-555555555555")
_NAMES = UUID("66666666-6666-5666-8666-666666666666")


class LineModel:
    """One task from its grant to its end."""

    def __init__(self, made: Plan) -> None:
        self.plan = made
        self.grant = grant_for(made)
        self.now = GRANTED_AT
        validated = TaskPlanValidated(
            number=1,
            plan_hash=self.grant.plan_hash,
            document=self.grant.document,
            assessment_hash=self.grant.assessment_hash,
            rules=("by itself",),
            bundle=self.grant.bundle,
            engine="none",
            requires_approval=False,
        )
        self.gate_events: list[EventData] = []
        self.gate = GateView()
        self._say_gate([validated, self.grant])
        self.run_events: list[EventData] = []
        self.run, self.run_view = Run(), RunView()
        self.requests: dict[UUID, ToolCallRequested] = {}
        self.call_events: dict[UUID, list[EventData]] = {}
        # Messages that may be delivered; grants and the gate's words once, others any time.
        self.cues = [self._start]
        self.timers: set[tuple[UUID | None, str]] = set()
        # Nobody waits for these: they are bound to come only where nothing else does.
        self.deadlines: set[str] = set()
        self.opens: dict[str, datetime] = {}
        self.spent: set[tuple[UUID | None, str]] = set()
        self.flying: list[ToolCallDispatched] = []
        self.world = World()

    # ---- folds -----------------------------------------------------------------------------

    def _say_run(self, events: Sequence[EventData]) -> None:
        self.run_events += events
        self.run = _fold(self.run, evolve_state, events)
        self.run_view = _fold(self.run_view, evolve_run, events)
        self.requests |= {e.call: e for e in events if isinstance(e, ToolCallRequested)}

    def _say_gate(self, events: Sequence[EventData]) -> None:
        self.gate_events += events
        self.gate = _fold(self.gate, evolve_gate, events)

    def call(self, ident: UUID) -> Call:
        return _fold(Call(), evolve_own, self.call_events.get(ident, []))

    def view(self, ident: UUID) -> CallView:
        return _fold(CallView(), evolve_call, self.call_events.get(ident, []))

    # ---- the runner ------------------------------------------------------------------------

    def _start(self) -> None:
        self._to_run(lambda run: runs.start(run, self.grant, TASK, self.gate, self.plan, self.now))

    def _heed(self) -> None:
        self._to_run(
            lambda run: runs.heed_gate(run, self.plan, TASK, self.gate, self.now), repeat=False
        )

    def _note(self, ident: UUID) -> None:
        view = self.view(ident)
        proof = self._proof(ident, view)
        self._to_run(lambda run: runs.note_outcome(run, self.plan, view, self.now, proof))

    def _proof(self, ident: UUID, view: CallView) -> BeforeState | None:
        """What taking a step back is held to, if it is one of those that can be read back."""
        step = self.plan.by_hash().get(self.requests[ident].step or "")
        if step is None or step.tool not in PROVED:
            return None
        return before_state(step, TOOLS["look"], view.before)

    def _to_run(self, decide: Callable[[Run], Decision], *, repeat: bool = True) -> Decision:
        decision = decide(self.run)
        self._say_run(decision.events)
        self._set(None, decision)
        if repeat:
            again = decide(self.run)
            assert not again.events, f"a repeat says {again.events}"
        for event in decision.events:
            match event:
                case TaskCompleted():
                    self.world.check_completed(self.plan)
                case TaskRolledBack():
                    assert not any(self.world.standing.values()), (
                        "called rolled back, but it stands"
                    )
                case TaskCancelled():
                    self.world.check_cancelled(event, self.run)
                case TaskEscalated():
                    self.world.check_escalated(event, self.run)
                case _:
                    pass
        return decision

    # ---- the gateway -----------------------------------------------------------------------

    def _handle(self, request: ToolCallRequested, sample: str) -> None:
        ident = request.call
        known = {**TOOLS, **PROBES}.get(request.tool)
        match request.purpose:
            case Purpose.DO:
                found = check_step(request, known, self.run_view, self.gate, self.plan, self.now)
            case Purpose.UNDO:
                done = self.view(request.undoes or ident)
                found = check_undo(request, self.run_view, self.gate, done)
            case _:
                found = check_read(request, known)
        if isinstance(found, Denial) or known is None:
            denial = found if isinstance(found, Denial) else Denial("x", "x", "no such tool")
            self._to_call(
                ident, lambda c: calls.deny(c, request, _NAMES, "runner", "acme/run-1", denial)
            )
            return
        facts = facts_of(request, found.arguments)
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
            timeout=timedelta(seconds=5),
            before=before,
            undo=undo,
        )
        self._send(
            ident, self._to_call(ident, lambda c: calls.dispatch(c, ident, new, self.now, ()))
        )

    def _send(self, ident: UUID, decision: Decision) -> None:
        del ident
        self.flying += [e for e in decision.events if isinstance(e, ToolCallDispatched)]

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
                case _:
                    pass
        return decision

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

    def _fire(self, owner: UUID | None, name: str) -> Decision:
        if owner is None:
            if name.startswith("window/"):
                self.now = max(self.now, self.opens[name])
            return self._to_run(lambda run: runs.tick(run, self.plan, name, self.now))
        if name.startswith("deadline/"):
            return self._to_call(owner, lambda call: calls.answer_lost(call, owner, name))
        decision = self._to_call(
            owner,
            lambda call: calls.send_again(
                call, owner, _GATEWAY, self.now, timedelta(seconds=5), ()
            ),
        )
        self._send(owner, decision)
        return decision

    # ---- what may happen -------------------------------------------------------------------

    def go_on(self, choose: Choose) -> bool:
        """Any of the things that are bound to happen, in any order; false if there is none."""
        ways = [way for way, possible in self._ways().items() if possible]
        if ways:
            choose(ways)(choose)
        return bool(ways)

    def go_wrong(self, choose: Choose) -> None:
        """The next send or sample does not go well, however unlikely that is."""
        fate = choose(("bad", "empty", "refused", "lost", "died"))
        if self.flying:
            self._end_a_send(choose, fate if fate in ("refused", "died") else "done, answer lost")
        elif fresh := self._fresh():
            sample = fate if fate in ("bad", "empty") else "lost"
            self._handle(choose(fresh), sample)

    def repeat_a_message(self, choose: Choose) -> None:
        """A request and its outcome come again, and change nothing."""
        if not self.call_events:
            return
        ident = choose(sorted(self.call_events))
        told, done = len(self.call_events[ident]), len(self.run_events)
        self._handle(self.requests[ident], "bad")
        assert len(self.call_events[ident]) == told
        if ident not in self._untold():
            self._note(ident)
            assert len(self.run_events) == done

    def fire_a_stale_timer(self, choose: Choose) -> None:
        """A timer that fired or was cancelled fires, and changes nothing."""
        # A retry asks whether one is due, by no name.
        stale = sorted(
            (k for k in self.spent if k[0] is None or not k[1].startswith("retry/")), key=str
        )
        if stale:
            assert not self._fire(*choose(stale)).events

    def step_in(self, what: str) -> bool:
        """A person does something; whether it had an effect."""
        match what:
            case "pause":
                paused = self._to_run(
                    lambda run: runs.pause(run, self.plan, "op", "wait", self.now), repeat=False
                )
                return bool(paused.events)
            case "resume":
                resumed = self._to_run(
                    lambda run: runs.resume(run, self.plan, self.gate, "op", "go", self.now),
                    repeat=False,
                )
                return bool(resumed.events)
            case "halt":
                pull = RunHalt(task=TASK, reason="smoke")
                return self._to_gate(lambda g: gates.halt(g, pull, "op", None, self.run_view))
            case "revoke":
                take = GrantRevoke(task=TASK, reason="no")
                return self._to_gate(lambda g: gates.revoke(g, take, "op", None, self.run_view))
            case "expire":
                self.now = self.grant.expires_at
                return True
            case "overdue":
                return self._overdue()
            case _:
                end = TaskCancel(task=TASK, reason="enough", keep_changes=what == "keep")
                return self._to_gate(
                    lambda g: gates.cancel(g, TASK, end, "op", None, self.run_view)
                )

    def _overdue(self) -> bool:
        """Whatever is under way takes too long."""
        late = sorted(self.deadlines)
        self.deadlines.clear()
        return any(self._fire(None, name).events for name in late)

    def _ways(self) -> dict[Callable[[Choose], None], object]:
        return {
            self._hear_the_gate: self.cues,
            self._take_a_request: self._fresh(),
            self._end_a_send: self.flying,
            self._hear_an_outcome: self._untold(),
            self._fire_a_timer: self.timers,
        }

    def _hear_the_gate(self, choose: Choose) -> None:
        self.cues.pop(choose(range(len(self.cues))))()

    def _take_a_request(self, choose: Choose) -> None:
        self._handle(choose(self._fresh()), choose(SAMPLES))

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
        self._to_call(
            sent.call, lambda call: calls.conclude(call, sent.call, sent.send, answer, 1.0)
        )

    def _hear_an_outcome(self, choose: Choose) -> None:
        self._note(choose(self._untold()))

    def _fire_a_timer(self, choose: Choose) -> None:
        key = choose(sorted(self.timers, key=str))
        self.timers.discard(key)
        self.spent.add(key)
        self._fire(*key)

    def _to_gate(self, decide: Callable[[Gate], Decision]) -> bool:
        decision = decide(_fold(Gate(), evolve_policy, self.gate_events))
        self._say_gate(decision.events)
        if decision.events:
            self.cues.append(self._heed)
        return bool(decision.events)

    # ---- what must hold --------------------------------------------------------------------

    def the_key_sent_to_a_tool_is_the_same_for_every_attempt(self) -> None:
        """So a tool that dedupes by key can."""
        sent: dict[tuple[str, Purpose], set[UUID]] = {}
        for events in self.call_events.values():
            for event in events:
                if isinstance(event, ToolCallDispatched):
                    facts = event.facts
                    sent.setdefault((facts.question, facts.purpose), set()).add(event.key)
        assert all(len(keys) == 1 for keys in sent.values())

    def nobody_is_forgotten(self) -> None:
        """Something is under way, or the run is at its end, or a person knows."""
        run = self.run
        if self._under_way() or run.ended is not None or run.paused is not None:
            return
        stopped = run.started is None and self.gate.stopped
        assert stopped, f"nothing will ever happen again: {_names(self.run_events)[-8:]}"

    def _untold(self) -> list[UUID]:
        """Calls whose outcome the runner does not know yet."""
        found = []
        for ident in self.call_events:
            view = self.view(ident)
            if runs.note_outcome(self.run, self.plan, view, self.now).events:
                found.append(ident)
        return found

    def _fresh(self) -> list[ToolCallRequested]:
        """Requests that the gateway has not seen yet."""
        return [r for ident, r in self.requests.items() if ident not in self.call_events]

    def _under_way(self) -> bool:
        return any(self._ways().values())

    def the_log_tells_the_whole_state(self) -> None:
        """Written and read again, the events make the same run."""
        read_again = [through_the_log(event) for event in self.run_events]
        assert read_again == self.run_events
        assert _fold(Run(), evolve_state, read_again) == self.run

    def bring_to_an_end(self) -> None:
        """From wherever the run is, it can be brought to its end; at most with a person's help."""
        keep = False
        for _ in range(400):
            if self._under_way():
                self._let_it_go_on()
            elif self.run.ended in {"completed", "rolled_back", "cancelled"}:
                return
            elif self._can_resume() and self.step_in("resume"):
                continue
            elif self.step_in("keep" if keep else "cancel") or self.step_in("keep"):
                keep = True
            else:
                pytest.fail(f"no way to an end: {_names(self.run_events)[-12:]}")
        pytest.fail(f"does not come to an end: {_names(self.run_events)[-12:]}")

    def _can_resume(self) -> bool:
        return self.run.paused is not None and self.now < self.grant.expires_at

    def _let_it_go_on(self) -> None:
        fresh = self._fresh()
        untold = self._untold()
        if self.flying:
            sent = self.flying.pop(0)
            self.world.land(sent)
            answer = Answer({"ok": True})
            self._to_call(
                sent.call, lambda call: calls.conclude(call, sent.call, sent.send, answer, 1.0)
            )
        elif untold:
            self._note(untold[0])
        elif self.cues:
            self.cues.pop(0)()
        elif fresh:
            self._handle(fresh[0], "good")
        else:
            key = min(self.timers, key=str)
            self.timers.discard(key)
            self._fire(*key)


def _fold(state: S, evolve: Callable[[S, EventData], S], events: Sequence[EventData]) -> S:
    for event in events:
        state = evolve(state, event)
    return state


def _names(events: list[EventData]) -> list[str]:
    return [type(event).__name__ for event in events]
