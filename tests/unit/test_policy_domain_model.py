"""The gate against any order of plans, voices, timers and stops: no grant without its reason."""

from __future__ import annotations

import random
from datetime import timedelta
from functools import cache
from typing import Literal
from uuid import UUID

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from smartops.contracts.canonical import digest
from smartops.contracts.commands import ApprovalDecide, GrantRevoke, RunHalt, TaskCancel
from smartops.contracts.events import (
    PlanProblem,
    TaskApprovalExpired,
    TaskApprovalGranted,
    TaskApprovalRecorded,
    TaskApprovalRejected,
    TaskApprovalRequired,
    TaskCancelled,
    TaskPlanned,
    TaskPlanRefused,
    TaskPlanValidated,
)
from smartops.contracts.folds import GateView, RunView, evolve_gate
from smartops.contracts.ids import actor_id, principal
from smartops.contracts.plan import Plan, seal
from smartops.contracts.wire import EventData, RiskLevel
from smartops.policy import domain
from smartops.policy.domain import Terms, Voter, Weighed
from smartops.policy.gate.state import Gate, evolve
from smartops.runtime.decision import Decision
from support.grants import GRANTED_AT
from support.plans import TASK, TENANT, plan

TERMS = Terms(approval_ttl=timedelta(hours=1), grant_ttl=timedelta(hours=4))
CREDENTIALS = {
    "ana": "ana",  # Asked for the task.
    "ana-2": "ana",
    "ben": "ben",
    "ben-2": "ben",
    "cyd": "cyd",
    "dan": "dan",  # Policy does not let dan decide.
    "eve": None,  # Mapped to nobody.
}
DECISIONS = (TaskApprovalRejected, TaskApprovalExpired, TaskPlanRefused, TaskCancelled)


@cache
def numbered(number: int) -> tuple[Plan, TaskPlanned]:
    """Plan `number` of the task."""
    made = plan(number=number)
    plan_hash, document, _ = seal(made)
    return made, TaskPlanned(
        number=number,
        plan_hash=plan_hash,
        document=document,
        type="runbook",
        summary="mends",
        environment=made.header.environment,
        targets=1,
        steps=1,
    )


class GateLife(RuleBasedStateMachine):
    """One task's gate."""

    @initialize(quorum=st.integers(1, 3))
    def begin(self, quorum: int) -> None:
        self.quorum = quorum
        self.events: list[EventData] = []
        self.gate, self.view = Gate(), GateView()
        self.now = GRANTED_AT
        self.run = RunView()
        self.asked: dict[int, Weighed] = {}
        # The oracle: who said yes to what is on the table, and the first decision.
        self.yes: set[UUID] = set()
        self.decided: str | None = None

    def _tell(self, decision: Decision) -> None:
        if decision.refusal is not None:
            assert not decision.events
        for event in decision.events:
            said = event
            if isinstance(event, TaskApprovalRequired):  # Only a quorum of one is wired up yet.
                said = event.model_copy(update={"quorum": self.quorum})
            self._believe(said)
            self.events.append(said)
            self.gate = evolve(self.gate, said)
            self.view = evolve_gate(self.view, said)

    def _believe(self, event: EventData) -> None:
        """Each decision must have its reason in what happened before."""
        if isinstance(event, TaskApprovalGranted):
            assert self.decided is None, f"granted after {self.decided}"
            plan_hash = numbered(event.number)[1].plan_hash
            assert event.plan_hash == plan_hash
            weighed = self.asked[event.number]
            assert event.assessment_hash == weighed.assessment_hash
            people = [voice.actor for voice in event.approvals]
            if event.automatic:
                assert not weighed.requires_approval
                assert people == []
            else:
                assert len(people) == len(set(people)) >= self.quorum
                assert set(people) <= self.yes
                assert actor_id(TENANT, "ana") not in people
            self.decided = "granted"
        elif isinstance(event, DECISIONS) and not getattr(event, "unasked", False):
            assert self.decided is None, f"{type(event).__name__} after {self.decided}"
            self.decided = type(event).__name__
        elif isinstance(event, TaskPlanValidated):
            self.yes = set()

    @rule(
        number=st.sampled_from([1, 1, 2]),
        kind=st.sampled_from(["ask", "ask", "ask", "ask", "alone", "wrong"]),
    )
    def a_plan_arrives(self, number: int, kind: str) -> None:
        made, planned = numbered(number)
        assessment = f"{number}".encode()
        problems = (PlanProblem(stage="policy", rule="r", message="m"),) if kind == "wrong" else ()
        weighed = Weighed(
            problems=problems,
            requires_approval=kind != "alone",
            rules=("r",),
            bundle=digest(b"b"),
            engine="none",
            assessment=assessment,
            assessment_hash=digest(assessment),
            risk_level=RiskLevel.HIGH,
        )
        decision = domain.weigh(self.gate, TASK, planned, made, weighed, TERMS, self.now)
        if any(isinstance(e, TaskPlanRefused) and e.unasked for e in decision.events):
            before = self.gate, self.view
            self._tell(decision)
            assert (self.gate, self.view) == before, "nobody had asked for it"
            return
        if decision.events:
            self.asked[number] = weighed
        self._tell(decision)
        again = domain.weigh(self.gate, TASK, planned, made, weighed, TERMS, self.now)
        assert not again.events

    @rule(
        credential=st.sampled_from(sorted(CREDENTIALS)),
        number=st.sampled_from([1, 1, 1, 2]),
        decision=st.sampled_from(["approve"] * 7 + ["reject"]),
        seen=st.sampled_from(["this"] * 6 + ["another plan", "another assessment"]),
    )
    def a_voice_is_heard(
        self, credential: str, number: int, decision: Literal["approve", "reject"], seen: str
    ) -> None:
        made, planned = numbered(number)
        name = CREDENTIALS[credential]
        actor = actor_id(TENANT, name) if name is not None else None
        voter = Voter(
            principal=principal("local", credential),
            authtype="local",
            actor=actor,
            name=name or "",
            requester_actor=actor_id(TENANT, "ana"),
            denials=("no role",) if name == "dan" else (),
        )
        vote = ApprovalDecide(
            task=TASK,
            plan_hash=digest(b"other") if seen == "another plan" else planned.plan_hash,
            assessment_hash=digest(
                b"other" if seen == "another assessment" else f"{number}".encode()
            ),
            decision=decision,
        )
        required = self.gate.required
        outcome = domain.decide_vote(self.gate, TASK, vote, voter, made, TERMS, self.now)
        in_time = required is not None and self.now < required.expires_at
        valid = (
            seen == "this"
            and required is not None
            and required.number == number
            and in_time
            and self.decided is None
            and self.gate.cancel is None
            and self.gate.halted is None
            and name not in (None, "dan")
            and not (name == "ana" and decision == "approve")
        )
        # Who says what is so already is told so, and changes nothing.
        assert (outcome.refusal is None and outcome.answer is None) or not outcome.events
        assert (outcome.refusal is None) == (valid or outcome.answer is not None), outcome
        if valid and decision == "approve" and actor is not None:
            self.yes.add(actor)
        self._tell(outcome)
        if valid and decision == "reject":
            assert self.decided == "TaskApprovalRejected", "one no ends it"

    @rule(minutes=st.sampled_from([1, 5, 55]))
    def time_passes(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @precondition(lambda self: self.asked)
    @rule(number=st.integers(1, 2))
    def a_timer_fires(self, number: int) -> None:
        required = self.gate.required
        due = required.expires_at if required is not None else self.now
        if self.now >= due:
            before = self.decided
            self._tell(domain.expire(self.gate, f"expiry/{number}", due, self.now))
            assert before is None or self.decided == before

    @rule(what=st.sampled_from(["revoke", "cancel", "keep", "halt"]), rare=st.integers(0, 9))
    def a_person_stops_it(self, what: str, rare: int) -> None:
        if rare < 9:  # Or nothing else would ever happen.
            return
        match what:
            case "revoke":
                take = GrantRevoke(task=TASK, reason="no")
                decision = domain.revoke(self.gate, take, "op", None, self.run)
            case "halt":
                pull = RunHalt(task=TASK, reason="smoke")
                decision = domain.halt(self.gate, pull, "op", None, self.run)
            case _:
                end = TaskCancel(task=TASK, reason="enough", keep_changes=what == "keep")
                decision = domain.cancel(self.gate, TASK, end, "op", None, self.run)
        self._tell(decision)

    @precondition(lambda self: self.gate.grant is not None)
    @rule(end=st.sampled_from(["completed", "rolled_back", "escalated"]))
    def the_run_ends(self, end: str) -> None:
        self.run = RunView(ended=end)

    @invariant()
    def there_is_one_grant_at_most(self) -> None:
        grants = [e for e in getattr(self, "events", []) if isinstance(e, TaskApprovalGranted)]
        assert len(grants) <= 1

    @invariant()
    def the_folds_agree_on_what_holds(self) -> None:
        if not hasattr(self, "gate"):
            return
        assert (self.view.grant, self.view.revoked) == (self.gate.grant, self.gate.revoked)
        assert (self.view.cancel, self.view.halted) == (self.gate.cancel, self.gate.halted)
        assert self.view.closed == (self.gate.outcome is not None)
        again = Gate()
        for event in self.events:
            again = evolve(again, event)
        assert again == self.gate

    @invariant()
    def a_recorded_voice_is_a_voice_that_was_allowed(self) -> None:
        for event in getattr(self, "events", []):
            if isinstance(event, TaskApprovalRecorded) and event.decision == "approve":
                assert event.by.actor_name in {"ben", "cyd"}


TestGate = GateLife.TestCase
TestGate.settings = settings(max_examples=250, stateful_step_count=30)


@pytest.mark.parametrize("seed", range(5))
def test_every_random_gate_decides_once_and_with_reason(seed: int) -> None:
    """More and longer lives than shrinking allows, mostly of people who vote."""
    dice = random.Random(seed)
    for _ in range(150):
        gate = GateLife()
        gate.begin(quorum=dice.choice((1, 2, 2, 3)))
        for _ in range(30):
            _live(gate, dice)
            gate.there_is_one_grant_at_most()
            gate.the_folds_agree_on_what_holds()
            gate.a_recorded_voice_is_a_voice_that_was_allowed()


def _live(gate: GateLife, dice: random.Random) -> None:
    luck = dice.random()
    if luck < 0.15:
        kind = dice.choice(("ask", "ask", "ask", "alone", "wrong"))
        gate.a_plan_arrives(number=dice.choice((1, 1, 2)), kind=kind)
    elif luck < 0.80:
        gate.a_voice_is_heard(
            credential=dice.choice(sorted(CREDENTIALS)),
            number=dice.choice((1, 1, 1, 2)),
            decision="reject" if dice.random() < 0.05 else "approve",
            seen=dice.choice(("this",) * 6 + ("another plan", "another assessment")),
        )
    elif luck < 0.88:
        gate.time_passes(minutes=dice.choice((1, 5, 55)))
    elif luck < 0.94 and gate.asked:
        gate.a_timer_fires(number=dice.choice((1, 2)))
    elif luck < 0.96:
        gate.a_person_stops_it(what=dice.choice(("revoke", "cancel", "keep", "halt")), rare=9)
    elif gate.gate.grant is not None:
        gate.the_run_ends(end=dice.choice(("completed", "rolled_back", "escalated")))
