"""Runner, gateway and gate against a world that loses answers, without bus or database.

The deciders are the real ones. Network, tools, clock and people are played by whoever drives the
model, with choices of their own. The world counts what really happened to it, so that what is
claimed can be held against it.
"""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import pytest
from smartops.contracts.commands import GrantRevoke, RunHalt, TaskCancel
from smartops.contracts.events import (
    ToolCallDispatched,
    ToolCallRequested,
)
from smartops.contracts.wire import EventData, Purpose
from smartops.policy import domain as gates
from smartops.policy.gate.state import Gate
from smartops.runner import domain as runs
from smartops.runner.queued import pause_queued, resume_queued
from smartops.runner.state import HOLDS, Run
from smartops.runner.state import evolve as evolve_state
from smartops.runtime.decision import Decision
from smartops.tool_gateway.ports import Answer
from support.line_gate import fold
from support.line_runner import RunnerSide
from support.line_tools import Choose, through_the_log
from support.plans import TASK

__all__ = ["ENDS", "LineModel"]

SAMPLES = ("good",) * 9 + ("bad", "empty", "lost")
LOOKS = ("good", "good", "good", "bad", "empty")
"""At what a plan rests on: it has changed often."""

ENDS = frozenset({"completed", "rolled_back", "cancelled", "failed", "stale"})


class LineModel(RunnerSide):
    """One task from its grant to its end."""

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
                return bool(self._to_run(self._pause, repeat=False).events)
            case "resume":
                return bool(self._to_run(self._resume, repeat=False).events)
            case "halt":
                pull = RunHalt(task=TASK, reason="smoke")
                return self._to_gate(lambda g: gates.halt(g, pull, "op", None, self.run_view))
            case "revoke":
                take = GrantRevoke(task=TASK, reason="no")
                return self._to_gate(lambda g: gates.revoke(g, take, "op", None, self.run_view))
            case "expire":
                self.record.now = max(self.now, self.grant.expires_at)
                return True
            case "overdue":
                return self._overdue()
            case _:
                end = TaskCancel(task=TASK, reason="enough", keep_changes=what == "keep")
                return self._to_gate(
                    lambda g: gates.cancel(g, TASK, end, "op", None, self.run_view)
                )

    def _pause(self, run: Run) -> Decision:
        if run.started is None:
            return pause_queued(run, TASK, self.gate, "op", "wait")
        return runs.pause(run, self.plan, "op", "wait", self.now)

    def _resume(self, run: Run) -> Decision:
        if run.started is None:
            return resume_queued(run, TASK, self.gate, "op", "go")
        return runs.resume(run, self.plan, self.gate, "op", "go", self.now)

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
        request = choose(self._fresh())
        looks = request.question.startswith(HOLDS)
        self._handle(request, choose(LOOKS if looks else SAMPLES))

    def _hear_an_outcome(self, choose: Choose) -> None:
        self._note(choose(self._untold()))

    def _fire_a_timer(self, choose: Choose) -> None:
        key = choose(sorted(self.timers, key=str))
        self.timers.discard(key)
        self.spent.add(key)
        self._fire(*key)

    def _to_gate(self, decide: Callable[[Gate], Decision]) -> bool:
        decision = decide(self.record.state)
        self.record.say(decision.events)
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
        assert fold(Run(), evolve_state, read_again) == self.run

    def bring_to_an_end(self, *, settling: bool = False) -> None:
        """From wherever the run is, it can be brought to its end; at most with a person's help.

        Args:
            settling: that person looks what became of calls that nobody knows about, and says so.
        """
        keep = False
        for _ in range(400):
            if self._under_way():
                self._let_it_go_on()
            elif settling and (doubts := self.in_doubt()):
                assert self.settle(doubts[0]), "a person who knows cannot say so"
            elif self.run.ended in ENDS:
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
            self._conclude(sent, Answer({"ok": True}))
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


def _names(events: list[EventData]) -> list[str]:
    return [type(event).__name__ for event in events]
