"""Events of plans that give way to others: edited, no longer true, written anew.

Gate and run say what has become of a plan, the task that the next one is being written.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field
from smartops.contracts.constraints import Constraints
from smartops.contracts.deciding import Decisions
from smartops.contracts.editing import Edit
from smartops.contracts.events.voice import Approval
from smartops.contracts.plan import Requester
from smartops.contracts.wire import (
    Digest,
    EventData,
    JsonObject,
    LongText,
    ShortText,
    TargetName,
    ToolName,
    Wire,
)

__all__ = [
    "StalePrecondition",
    "TaskPlanEditAccepted",
    "TaskPlanSuperseded",
    "TaskPreconditionsStale",
    "TaskReopened",
]


class TaskPlanEditAccepted(EventData):
    """A person changed the plan that awaited a decision: nobody can approve that one any more."""

    topic: ClassVar[str] = "task.plan.edit.accepted"

    number: int = Field(ge=1)
    plan_hash: Digest
    by: Approval
    """Who may not approve any later plan of the task."""
    edit: Edit
    reason: LongText
    decisions: Decisions = ()
    """What policy answered: may this person decide on the plan at all?"""


class TaskPlanSuperseded(EventData):
    """A plan holds no more. What was granted for it is void."""

    topic: ClassVar[str] = "task.plan.superseded"

    number: int = Field(ge=1)
    plan_hash: Digest
    because: Literal["edited", "stale"]
    then: Literal["replan", "end"]
    """end: the task ends here, having been planned anew as often as is allowed."""
    grant: int | None = None
    """The grant that is void with it."""
    run: UUID | None = None
    """The run that found its preconditions changed, and changed nothing."""
    detail: LongText = ""


class StalePrecondition(Wire):
    """Something that was seen when the plan was made, and is not so any more."""

    place: int = Field(ge=0)
    """Of the precondition in the plan's header."""
    tool: ToolName
    target: TargetName
    arguments: JsonObject
    fields: tuple[str, ...] = ()
    """Those that were compared; none for all of the output."""
    expected: Digest
    found: Digest
    call: UUID
    """The call that read it again."""


class TaskPreconditionsStale(EventData):
    """The run ended before it began: what its plan rests on has changed. Nothing was written."""

    topic: ClassVar[str] = "task.preconditions.stale"

    task: UUID
    run: UUID
    number: int = Field(ge=1)
    plan_hash: Digest
    grant: int = Field(ge=1)
    stale: Annotated[tuple[StalePrecondition, ...], Field(min_length=1)]


class TaskReopened(EventData):
    """The next plan of the task is being written."""

    topic: ClassVar[str] = "task.reopened"

    number: int = Field(ge=2)
    """Of the plan to be written."""
    because: Literal["edited", "rejected", "stale"]
    edit: Edit | None = None
    editor: Requester | None = None
    constraints: Constraints = Constraints()
    """All that was asked for so far."""
    feedback: LongText = ""
    """What was said about the plan before, for whoever plans and whoever reads."""
    by: ShortText | None = None
    """Who said it; None when a run found out."""
