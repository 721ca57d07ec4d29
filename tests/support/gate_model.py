"""A task from its first plan on: the gate and its people, joined to runner and gateway.

The deciders are the real ones. What they are told of people, policy and other streams is played
here as `policy.gates`, `policy.votes` and `policy.edits` read it. An oracle listens, and knows
nothing but what was said.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from smartops.contracts.events import TaskApprovalGranted
from smartops.contracts.folds import GateView, evolve_gate
from smartops.contracts.wire import Purpose
from smartops.policy.gate.state import Gate
from smartops.policy.gate.state import evolve as evolve_policy
from smartops.tool_gateway.checks import Denial, Permit
from support.gate_plans import PlansSide
from support.gate_thieves import ask_for_a_step, change_a_row
from support.gate_voices import VoicesSide
from support.line_gate import fold
from support.line_model import ENDS, LineModel
from support.line_tools import Choose, draw_plan, through_the_log

__all__ = ["GateModel"]


class GateModel(PlansSide, VoicesSide):
    """One task, from its first plan to its end."""

    # ---- the run ---------------------------------------------------------------------------

    def the_run(self, does: Callable[[LineModel], object]) -> None:
        """Let something happen to the run, if there is one."""
        if self.line is not None:
            self.through_the_line(does)

    def somebody_sees_to_the_run(self, choose: Choose, what: str) -> None:
        """A person pauses or resumes it, or says what became of a call; with a right to or not."""
        line = self.line
        if line is None:
            return
        worth = {"late": line.takes_long, "expire": line.tries_again}.get(what)
        if worth is not None:
            for _ in range(8):
                if not worth():
                    self.through_the_line(lambda line: line.go_on(choose))
            if not worth():
                return
        if what == "late":
            line.lose_patience(choose)
        if what not in ("settle", "late"):
            self.through_the_line(lambda line: line.step_in(what))
            for _ in range(4 if what == "expire" else 0):
                self.through_the_line(lambda line: line.go_on(choose))
        elif doubts := line.in_doubt():
            roles = choose((("approver",), ("operator",), ("duty-manager",), (), None))
            retry, accept, alive = (choose((False, True)) for _ in range(3))
            line.settle(choose(doubts), roles, retry=retry, accept_double=accept, alive=alive)

    def somebody_asks_for_a_step(self, choose: Choose) -> None:
        """A run that lies says all that could let a step out; it does only if its grant holds.

        Also of grants that are over. Another plan that lies in the place of the granted one does
        not go out, and neither does one that somebody has named in a row of the gate.
        """
        grants = [event for event in self.record.events if isinstance(event, TaskApprovalGranted)]
        if not grants:
            return
        grant = choose(grants)
        plan = self.plans[grant.number]
        if isinstance(ask_for_a_step(choose, plan, grant, self.gate_seen(), self.now), Permit):
            self.oracle.holds(grant, self.record.events, self.now)
        false = draw_plan(choose, number=grant.number, approval_requested=True)
        found = ask_for_a_step(choose, false, grant, self.gate_seen(), self.now)
        assert isinstance(found, Denial), "another plan goes out than was granted"
        rows, spoilt = change_a_row(choose, self.record.events, grant, false)
        seen = self._founded(fold(GateView(), evolve_gate, rows))
        found = ask_for_a_step(choose, false, spoilt, seen, self.now)
        assert isinstance(found, Denial), "one changed row lets another plan out"

    # ---- what must hold --------------------------------------------------------------------

    def check(self) -> None:
        """What must hold always."""
        for line in self.lines:
            line.world.check_nothing_happened_twice()
            steps = [one for one in line.sent if one[0].facts.purpose is Purpose.DO]
            for sent, now, place in steps:
                self.oracle.sent(sent, line.grant, now, place)
            line.sent.clear()
        self._the_folds_agree()
        self._nobody_is_forgotten()

    def _the_folds_agree(self) -> None:
        gate, view = self.gate, self.record.view
        assert (view.grant, view.revoked) == (gate.grant, gate.revoked)
        assert (view.cancel, view.halted) == (gate.cancel, gate.halted)
        assert view.closed == (gate.outcome is not None)
        assert not (gate.grant is not None and self.record.look(view).unfounded)

    def _nobody_is_forgotten(self) -> None:
        """A plan is being written, or people are asked and time runs, or a run is under way."""
        gate = self.gate
        if gate.waiting:
            assert gate.required is not None
            assert f"expiry/{gate.required.number}" in self.timers
        elif gate.grant is not None:
            assert self.line is not None
            self.line.nobody_is_forgotten()
        elif self.line is not None and self.line.run.ended == "stale" and self.line.cues:
            pass  # Policy is about to hear of it.
        else:
            assert gate.outcome is not None or gate.expects, "nothing will ever happen again"

    def the_log_tells_the_whole_state(self) -> None:
        """Written and read again, the events make the same gate, for everybody."""
        read_again = [through_the_log(event) for event in self.record.events]
        assert read_again == self.record.events
        assert fold(Gate(), evolve_policy, read_again) == self.gate
        assert fold(GateView(), evolve_gate, read_again) == self.record.view
        for line in self.lines:
            line.the_log_tells_the_whole_state()

    @property
    def over(self) -> bool:
        """Nothing will happen any more, nor has to."""
        if self.gate.grant is None:
            return self.gate.outcome is not None
        return self.line is not None and self.line.run.ended in ENDS - {"stale"}

    def bring_to_an_end(self, choose: Choose) -> None:
        """From wherever the task is, it can be brought to its end; at most with people's help."""
        for _ in range(60):
            self.check()
            gate, line = self.gate, self.line
            if self.over:
                return
            if gate.grant is not None and line is not None:
                self.through_the_line(lambda line: line.bring_to_an_end(settling=True))
            elif gate.open:
                agree = any(self.a_voice(choose, who, "approve") for who in ("cyd", "ben", "dot"))
                if not agree:
                    self._let_it_expire()
            elif gate.waiting:
                assert self.step_in("keep") or self._let_it_expire()
            elif not (gate.cancel or gate.halted) and self.a_plan_arrives(choose):
                continue
            else:
                assert self.step_in("keep"), "no way to an end"
        pytest.fail(f"does not come to an end: {self.told()[-12:]}")

    def _let_it_expire(self) -> bool:
        [name] = [name for name in self.timers if name.startswith("expiry/")]
        self.record.now = max(self.now, self.timers[name])
        return self._fire(name)

    def told(self) -> list[str]:
        """What the gate has said, by name."""
        return [type(event).__name__ for event in self.record.events]
