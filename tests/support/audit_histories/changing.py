"""Plans that gave way to others: edited, gone stale, never asked for."""

from __future__ import annotations

from typing import Literal, Self

from smartops.contracts.catalogue import POLICY, RUNNER
from smartops.contracts.editing import Edit
from smartops.contracts.events import (
    UNASKED,
    PlanProblem,
    StalePrecondition,
    TaskPlanEditAccepted,
    TaskPlanRefused,
    TaskPlanSuperseded,
    TaskPreconditionsStale,
)
from support.audit_histories.gate import Gate
from support.audit_histories.telling import ANY

__all__ = ["Changing"]


class Changing(Gate):
    """Another plan instead."""

    def edited(self) -> Self:
        edit = Edit(exclude=("web-01",))
        said = TaskPlanEditAccepted(
            number=1, plan_hash=self.plan_hash, by=self.approver, edit=edit, reason="carefully"
        )
        return self.add(POLICY, said, self.superseded_event("edited"))

    def superseded_event(
        self, because: Literal["edited", "stale"], then: Literal["replan", "end"] = "replan"
    ) -> TaskPlanSuperseded:
        return TaskPlanSuperseded(
            number=1, plan_hash=self.plan_hash, because=because, then=then, detail="it changed"
        )

    def gone_stale(self) -> Self:
        one = StalePrecondition(
            place=0,
            tool="get_asset",
            target="web-01",
            arguments={},
            expected=ANY,
            found=ANY,
            call=self.task,
        )
        said = TaskPreconditionsStale(
            task=self.task,
            run=self.run,
            number=1,
            plan_hash=self.plan_hash,
            grant=1,
            stale=(one,),
        )
        self.add(RUNNER, said)
        return self.add(POLICY, self.superseded_event("stale"))

    def unasked(self) -> Self:
        problem = PlanProblem(stage="schema", rule=UNASKED, message="nobody asked for plan 2")
        refused = TaskPlanRefused(
            number=2, plan_hash=self.plan_hash, problems=(problem,), bundle=ANY, engine="e"
        )
        self.planned(2)
        return self.add(POLICY, refused)
