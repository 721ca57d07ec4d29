"""The condition of a grant, as a run goes on under it: what it is, and what was measured of it.

In `run-<run>`, decided by the runner. The gateway holds what is said here against its own record of
the samples that are named.
"""

from __future__ import annotations

from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field
from smartops.contracts.condition import MAX_COMPARISONS
from smartops.contracts.measured import Measured
from smartops.contracts.wire import EventData, LongText

__all__ = ["TaskConditionBound", "TaskConditionChecked"]


class TaskConditionBound(EventData):
    """The run goes on only while the condition of this grant holds."""

    topic: ClassVar[str] = "task.condition.bound"

    task: UUID
    run: UUID
    grant: int = Field(ge=1)
    condition: LongText
    """As its envelope says it; empty: an earlier grant named one, and this one names none."""


class TaskConditionChecked(EventData):
    """The condition was measured: before a batch goes out, or at the end of its watching.

    A batch is a phase, where that has none.
    """

    topic: ClassVar[str] = "task.condition.checked"

    task: UUID
    run: UUID
    condition: LongText
    """What was to hold."""
    phase: int = Field(ge=0)
    batch: int = Field(ge=0)
    outcome: Annotated[str, Field(pattern=r"^(holds|broken|unknown)$")]
    """broken ends the grant; unknown pauses the run."""
    calls: Annotated[tuple[UUID, ...], Field(max_length=MAX_COMPARISONS)]
    """The samples that tell: the newest one of each metric."""
    values: dict[str, Measured]
    """What they measured, by metric."""
    rounds: int = Field(ge=1)
    """Rounds of samples that were taken for this."""
    detail: LongText
