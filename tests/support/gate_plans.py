"""Plans that come to the modelled gate: as they were asked for, and otherwise."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from smartops.contracts.canonical import digest
from smartops.contracts.editing import edited
from smartops.contracts.events import (
    PlanProblem,
    TaskPlanned,
)
from smartops.contracts.plan import Plan, Precondition, Requester
from smartops.contracts.preconditions import seen_digest
from smartops.contracts.wire import RiskLevel
from smartops.policy import domain
from smartops.policy.domain import Weighed
from smartops.policy.gate.replanning import ask_anew, not_as_asked
from smartops.policy.gate.state import Gate
from smartops.policy.mandates.offers import Offer
from smartops.runtime.decision import Decision
from support import approvals
from support.gate_base import TERMS, GateBase
from support.line_tools import TOOLS, Choose, draw_plan
from support.plans import TASK

__all__ = ["PlansSide"]

HELD = Precondition(
    tool="look",
    arguments={},
    expect=seen_digest({"version": "old"}, ("version",)),
    target="t1",
    fields=("version",),
)
"""What some plans rest on."""

_ASKED: dict[str, dict[str, Any]] = {
    "by itself": {"requires_approval": False},
    "one": {},
    "two": {"quorum": 2},
    "a senior among two": {"quorum": 2, "roles": ("approver", "senior-approver")},
}
"""Who must agree, as policy says of a plan."""


class PlansSide(GateBase):
    """Whoever plans."""

    def a_plan_arrives(self, choose: Choose, how: str = "as asked") -> bool:
        """The planner writes one, as it was asked to or otherwise; whether it was listened to."""
        made = self._next(choose, how)
        if made is None:
            return False
        told = approvals.planned(made)
        weighed = self._weighed(choose, made, how)
        offer = None
        asks = weighed.requires_approval or ask_anew(self.gate)
        if asks and not weighed.problems:
            weighed = replace(weighed, involved=self.people.involved(self.gate))
            offer = self._offer(choose, made, weighed)

        def decide(gate: Gate) -> Decision:
            return self._weigh(gate, told, made, weighed, offer)

        return self._say_twice(decide)

    def _weigh(
        self, gate: Gate, told: TaskPlanned, made: Plan, weighed: Weighed, offer: Offer | None
    ) -> Decision:
        decision = domain.weigh(gate, TASK, told, made, weighed, TERMS, self.now, offer)
        if decision.events and not any(getattr(e, "unasked", False) for e in decision.events):
            self.plans[told.number] = made
        return decision

    def _next(self, choose: Choose, how: str) -> Plan | None:
        gate = self.gate
        number = gate.expects or gate.number + 1
        if how == "unasked":
            number = choose(range(1, gate.number + 3))
        elif not gate.expects:
            return None
        avoid = gate.constraints.exclude_assets if how == "as asked" else ()
        held = choose(((), (HELD,)))
        made = draw_plan(choose, avoid, number=number, preconditions=held)
        if gate.edit is not None and how == "as asked":
            by = gate.edit.by
            editor = Requester(principal=by.principal, authtype=by.authtype)
            wanted = edited(self.plans[gate.number], gate.edit.edit, editor, TOOLS)
            assert isinstance(wanted, Plan)
            made = wanted
        return made

    def _weighed(self, choose: Choose, made: Plan, how: str) -> Weighed:
        assessment = f"{made.hash()}".encode()
        weighed = approvals.weighed(
            assessment=assessment,
            assessment_hash=digest(assessment),
            risk_level=choose((RiskLevel.MEDIUM, RiskLevel.HIGH, RiskLevel.CRITICAL)),
            **_ASKED[choose(("by itself", "one", "one", "two", "two", "a senior among two"))],
        )
        problems = []
        if self.gate.replaced:
            before = self.plans[self.gate.number] if self.gate.edit is not None else None
            problems = not_as_asked(self.gate, made, before, TOOLS)
        if how == "wrong":
            problems.append(PlanProblem(stage="policy", rule="r", message="m"))
        return replace(weighed, problems=tuple(problems))

    def _offer(self, choose: Choose, made: Plan, weighed: Weighed) -> Offer | None:
        """A standing word, known as of some time ago; then the log says that there is more."""
        offer = self.people.offer(self.gate, made, weighed, self.now)
        if offer is not None and choose((False, False, True)):
            self.people.use_elsewhere(offer, self.now)
            assert offer.version != len(self.people.words[offer.given.standing])
            offer = self.people.offer(self.gate, made, weighed, self.now)
        return offer
