"""Policy that changes its mind under way, in any order of things: real deciders, nothing between.

Gate, run and the gateway's checks are the real ones. What is played: policy denies steps or does
not, messages come late, twice or in another order, people say yes and no.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from smartops.contracts.canonical import canonical, digest
from smartops.contracts.commands import ApprovalDecide, GrantRevoke, RunHalt, TaskCancel
from smartops.contracts.events import (
    DenialReason,
    TaskApprovalGranted,
    TaskApprovalRecorded,
    TaskPaused,
    TaskPlanReturned,
    ToolCallDenied,
    ToolCallRequested,
)
from smartops.contracts.folds import (
    BY_POLICY,
    CallStatus,
    CallView,
    GateView,
    RunView,
    evolve_gate,
    evolve_run,
)
from smartops.contracts.wire import EventData, Purpose
from smartops.policy import domain as gates
from smartops.policy.gate.returning import send_back, sent_back, withheld_under
from smartops.policy.gate.state import Gate
from smartops.policy.gate.state import evolve as evolve_own
from smartops.runner import domain as runs
from smartops.runner.state import Run
from smartops.runner.state import evolve as evolve_state
from smartops.runtime.decision import NOTHING, Decision, SetTimer
from smartops.tool_gateway.checks import Denial, check_step
from support.approvals import NOW, TERMS, Person, required, validated, weighed
from support.plans import TASK, phase, plan, step, tool

PLAN = plan(phase(*(step(name) for name in "abcd"), parallelism=2))
PEOPLE = (Person("ben"), Person("cyd"))
DOCUMENT = canonical({"schema_name": "smartops.assessment.v2", "requires_approval": False})


class Returns(RuleBasedStateMachine):
    """One task, from the first question to its end."""

    def __init__(self) -> None:
        super().__init__()
        self.now: datetime = NOW
        self.frozen = False
        self.gate, self.seen, self.said = Gate(), GateView(), list[EventData]()
        self.run, self.view = Run(), RunView()
        self.denied: list[ToolCallDenied] = []
        self.asked: list[ToolCallRequested] = []
        self.done: Counter[str] = Counter()
        self.back: Counter[str] = Counter()
        self.timers: dict[str, datetime] = {}
        self.mail: list[Callable[[], None]] = []
        """All messages that were ever sent: any may come again at any time."""
        self.to_gate(lambda _: Decision([validated(PLAN), required(PLAN)]))
        self.votes("ben", "approve")

    # ---- who decides -----------------------------------------------------------------------

    def to_gate(self, decide: Callable[[Gate], Decision]) -> None:
        decision = decide(self.gate)
        for event in decision.events:
            self.said.append(event)
            self.gate, self.seen = evolve_own(self.gate, event), evolve_gate(self.seen, event)
            if isinstance(event, TaskApprovalGranted):
                since = [type(e) for e in self.said]
                if TaskPlanReturned in since:
                    last = len(since) - 1 - since[::-1].index(TaskPlanReturned)
                    assert TaskApprovalRecorded in since[last:], "it went on without anybody"
                self.mail.append(self.grant_comes)
            self.mail.append(self.gate_speaks)
        for timer in decision.timers:
            if isinstance(timer, SetTimer) and isinstance(timer.due, datetime):
                self.timers[timer.name] = timer.due
            else:
                self.timers.pop(timer.name, None)

    def to_run(self, decide: Callable[[Run], Decision]) -> Decision:
        decision = decide(self.run)
        for event in decision.events:
            self.run, self.view = evolve_state(self.run, event), evolve_run(self.view, event)
            if isinstance(event, ToolCallRequested):
                self.asked.append(event)
            if isinstance(event, TaskPaused):
                self.mail.append(self.pause_comes)
        return decision

    # ---- messages ----------------------------------------------------------------------------

    def grant_comes(self) -> None:
        grant = self.seen.grant
        assert grant is not None
        if self.run.withheld:
            self.to_run(lambda run: runs.go_on(run, PLAN, self.seen, self.now))
        else:
            self.to_run(lambda run: runs.start(run, grant, TASK, self.seen, PLAN, self.now))

    def gate_speaks(self) -> None:
        self.to_run(lambda run: runs.heed_gate(run, PLAN, TASK, self.seen, self.now))

    def pause_comes(self) -> None:
        def decide(gate: Gate) -> Decision:
            grant = sent_back(gate, self.view)
            if grant is None:
                return NOTHING
            withheld = withheld_under(grant, self.denied)
            found = weighed(assessment=DOCUMENT, assessment_hash=digest(DOCUMENT))
            done = sorted(self.done)
            return send_back(gate, grant, PLAN, withheld, done, found, TERMS, self.now)

        self.to_gate(decide)
        assert sent_back(self.gate, self.view) is None, "it comes back twice"

    # ---- what happens --------------------------------------------------------------------------

    @rule(data=st.data())
    def a_message_comes(self, data: st.DataObject) -> None:
        """Also one that came long ago."""
        if self.mail:
            data.draw(st.sampled_from(self.mail))()

    @precondition(lambda self: self.asked)
    @rule(data=st.data(), fails=st.sampled_from([False, False, False, True]))
    def a_call_is_decided(self, data: st.DataObject, *, fails: bool = False) -> None:
        request = self.asked.pop(data.draw(st.integers(0, len(self.asked) - 1)))
        self.decided(request, fails=fails)

    def decided(self, request: ToolCallRequested, *, fails: bool = False) -> None:
        """The gateway's word on a call, and what came of it."""
        view = self.let_out(request)
        if view.status is CallStatus.SUCCEEDED and fails and request.purpose is Purpose.DO:
            view = CallView(call=request.call, status=CallStatus.FAILED, error_code="refused")
        elif view.status is CallStatus.SUCCEEDED:
            counted = self.done if request.purpose is Purpose.DO else self.back
            counted[request.target] += 1
        self.to_run(lambda run: runs.note_outcome(run, PLAN, view, self.now))
        assert not self.to_run(lambda run: runs.note_outcome(run, PLAN, view, self.now)).events

    def let_out(self, request: ToolCallRequested) -> CallView:
        if request.purpose is not Purpose.DO:
            return CallView(call=request.call, status=CallStatus.SUCCEEDED)
        found: Any = check_step(request, tool(), self.view, self.seen, PLAN, self.now)
        if not isinstance(found, Denial) and self.view.stopping is not None:
            found = Denial("stopping", "gateway.stopping", "it stops")
        if not isinstance(found, Denial) and self.frozen:
            found = Denial(BY_POLICY, "frozen", "nothing is changed today")
        if not isinstance(found, Denial):
            assert not self.seen.stopped, "something went out while the gate was shut"
            assert not self.seen.unfounded
            return CallView(call=request.call, status=CallStatus.SUCCEEDED)
        grant = None if self.seen.grant is None else self.seen.grant.grant
        reason = DenialReason(rule=found.rule, message=found.message)
        denied = ToolCallDenied(
            call=request.call,
            task=TASK,
            run=request.run,
            requester="runner",
            requester_stream="acme/run-1",
            request=TASK,
            purpose=request.purpose,
            tool=request.tool,
            target=request.target,
            question=request.question,
            reason_code=found.code,
            reasons=(reason,),
            grant=grant,
        )
        self.denied.append(denied)
        return CallView(
            call=request.call,
            status=CallStatus.DENIED,
            error_code=found.code,
            message=found.message,
            grant=grant,
        )

    @rule()
    def policy_changes(self) -> None:
        self.frozen = not self.frozen

    @rule(name=st.sampled_from(("ben", "cyd")), says=st.sampled_from(("approve", "reject")))
    def votes(self, name: str, says: str) -> None:
        shown = self.gate.required
        if shown is None:
            return
        vote = ApprovalDecide.model_validate(
            {
                "task": TASK,
                "plan_hash": shown.plan_hash,
                "assessment_hash": shown.assessment_hash,
                "decision": says,
            }
        )
        who = next(one for one in PEOPLE if one.name == name).voter()
        self.to_gate(lambda gate: gates.decide_vote(gate, TASK, vote, who, PLAN, TERMS, self.now))

    @rule()
    def somebody_resumes(self) -> None:
        if self.run.withheld and self.run.paused is not None and self.run.alive:
            decision = runs.resume(self.run, PLAN, self.seen, "op", "go on", self.now)
            assert decision.refusal is not None, "a person went past the gate"
            return
        self.to_run(lambda run: runs.resume(run, PLAN, self.seen, "op", "go on", self.now))

    @rule(how=st.sampled_from(("cancel", "keep", "revoke", "halt")), chance=st.integers(0, 9))
    def somebody_stops_it(self, how: str, chance: int) -> None:
        if chance == 0:
            self.stopped(how)

    def stopped(self, how: str) -> None:
        keep = how == "keep"
        match how:
            case "halt":
                halt = RunHalt(task=TASK, reason="x")
                self.to_gate(lambda gate: gates.halt(gate, halt, "op", None, self.view))
            case "revoke":
                revoke = GrantRevoke(task=TASK, reason="x")
                self.to_gate(lambda gate: gates.revoke(gate, revoke, "op", None, self.view))
            case _:
                cancel = TaskCancel(task=TASK, reason="x", keep_changes=keep)
                self.to_gate(lambda gate: gates.cancel(gate, TASK, cancel, "op", None, self.view))

    @rule(due=st.booleans())
    def time_passes(self, *, due: bool) -> None:
        self.now += TERMS.approval_ttl if due else timedelta(minutes=1)
        for name, at in sorted(self.timers.items()):
            if at <= self.now and name.startswith("expiry/"):
                self.timers.pop(name)
                self.to_gate(lambda gate, n=name, a=at: gates.expire(gate, n, a, self.now))

    # ---- what must be so -----------------------------------------------------------------------

    @invariant()
    def no_step_is_done_twice(self) -> None:
        assert all(count == 1 for count in self.done.values()), self.done
        assert all(count <= self.done[target] for target, count in self.back.items())

    @invariant()
    def who_waits_at_the_gate_owes_nothing_to_a_clock(self) -> None:
        returned = self.gate.returned is not None and self.gate.open
        assert not returned or any(name.startswith("expiry/") for name in self.timers)

    def teardown(self) -> None:
        """There is a way to an end from everywhere, with people's help and no other."""
        self.frozen = False
        for attempt in range(30):
            if self.run.ended in ("completed", "rolled_back", "cancelled", "failed"):
                return
            for message in list(self.mail):
                message()
            while self.asked:
                self.decided(self.asked.pop(0))
            if self.gate.open and attempt < 10:
                self.votes("ben", "approve")
            elif attempt < 10 and self.run.paused is not None and not self.seen.stopped:
                self.somebody_resumes()
            else:
                self.stopped("keep" if self.seen.halted is not None else "cancel")
        raise AssertionError(f"no end: {[type(e).__name__ for e in self.said[-8:]]}")


TestReturns = Returns.TestCase
TestReturns.settings = settings(max_examples=60, stateful_step_count=40)
