"""Events of a plan that goes back to the gate: policy denied a step of it under way.

The run says which steps were withheld and comes to rest; the gate weighs the plan anew, and asks
people once more or takes the grant back. See ADR 38.
"""

from __future__ import annotations

from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field
from smartops.contracts.deciding import Decisions
from smartops.contracts.events.call import DenialReason
from smartops.contracts.events.of_plan import OfPlan
from smartops.contracts.events.plan_verdict import PlanProblem
from smartops.contracts.wire import (
    Digest,
    EventData,
    ShortText,
    TargetName,
    ToolName,
    Wire,
)

__all__ = ["MOST_WITHHELD", "TaskPlanReturned", "TaskStepWithheld", "WithheldStep"]

MOST_WITHHELD = 20
"""Steps told of one by one; phases run many at once, and all are denied alike."""


class TaskStepWithheld(EventData):
    """Policy denied a step: once nothing is in flight the run waits for the gate's word.

    In `run-<run>`. A note: what policy said stands in the call's own stream.
    """

    topic: ClassVar[str] = "task.step.withheld"

    task: UUID
    run: UUID
    call: UUID
    step: ShortText
    """Its id."""
    grant: int = Field(ge=1)
    """Under which it was denied: a later one lets the run go on."""


class WithheldStep(Wire):
    """A step that policy denied, as the gateway recorded it."""

    call: UUID
    step: ShortText
    tool: ToolName
    target: TargetName
    reasons: Annotated[tuple[DenialReason, ...], Field(min_length=1, max_length=100)]
    input: Digest | None = None
    """What policy was asked: asked again before somebody approves."""


class TaskPlanReturned(OfPlan):
    """A plan under way went back to the gate: its grant holds no more, but undo is still owed.

    In `gate-<task>`. Followed by `task.approval.required`, or, with problems, by
    `task.grant.revoked`.
    """

    topic: ClassVar[str] = "task.plan.returned"

    grant: int = Field(ge=1)
    run: UUID
    """Which rests, and goes on under the next grant."""
    withheld: Annotated[tuple[WithheldStep, ...], Field(min_length=1, max_length=MOST_WITHHELD)]
    applied: int = Field(ge=0)
    """Steps of the plan that were carried out until then."""
    steps: int = Field(ge=1)
    """Steps of the plan."""
    bundle: Digest
    """The policy that weighed it anew."""
    problems: tuple[PlanProblem, ...] = ()
    """Why nobody is asked: the plan as a whole is not allowed any more."""
    decisions: Decisions = ()
    """What policy answered then; else it stands in `task.plan.validated`."""
