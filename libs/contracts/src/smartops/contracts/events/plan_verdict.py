"""What the gate found of a plan before anybody was asked: it passed, or may not run at all.

In `gate-<task>`, decided by policy: the one serialisation point of a task. Whether something may
run is decided there and nowhere else; runner and gateway read it.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field
from smartops.contracts.deciding import Decisions
from smartops.contracts.events.of_plan import OfPlan
from smartops.contracts.wire import Digest, LongText, ShortText, Wire

__all__ = [
    "UNASKED",
    "PlanProblem",
    "TaskPlanRefused",
    "TaskPlanRefusedV1",
    "TaskPlanValidated",
    "TaskPlanValidatedV1",
]


class PlanProblem(Wire):
    """Why a plan was refused."""

    stage: ShortText
    """schema, policy or safety."""
    rule: ShortText
    path: str = ""
    message: LongText


class _Validated(OfPlan):
    document: Digest
    assessment_hash: Digest
    """Digest of the assessment blob: scores, blast radius, rules, bundle."""
    rules: tuple[ShortText, ...]
    bundle: Digest
    engine: ShortText
    requires_approval: bool


class TaskPlanValidated(_Validated):
    """The plan passed schema, policy and safety."""

    topic: ClassVar[str] = "task.plan.validated"
    schema_version: ClassVar[int] = 2

    decisions: Decisions = ()
    """What policy answered: may it run at all, and who must say so."""


# What policy had decided on was not kept.
class TaskPlanValidatedV1(_Validated):
    """The plan passed schema, policy and safety."""

    topic: ClassVar[str] = "task.plan.validated"


class _Refused(OfPlan):
    problems: Annotated[tuple[PlanProblem, ...], Field(min_length=1)]
    bundle: Digest
    engine: ShortText


UNASKED = "gate.unasked"
"""The rule that refuses a plan that nobody has asked for, whatever it says."""


class TaskPlanRefused(_Refused):
    """The plan may not run, and no approval can change that."""

    topic: ClassVar[str] = "task.plan.refused"
    schema_version: ClassVar[int] = 2

    decisions: Decisions = ()
    """What policy answered; none where it could not even be asked."""

    @property
    def unasked(self) -> bool:
        """Nobody had asked for this plan, so its refusal ends nothing."""
        return any(problem.rule == UNASKED for problem in self.problems)


# What policy had decided on was not kept.
class TaskPlanRefusedV1(_Refused):
    """The plan may not run, and no approval can change that."""

    topic: ClassVar[str] = "task.plan.refused"
