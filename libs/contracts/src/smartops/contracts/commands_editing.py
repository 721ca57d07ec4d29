"""Commands that change a plan before anybody has decided on it."""

from __future__ import annotations

from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field
from smartops.contracts.editing import Edit
from smartops.contracts.wire import CommandData, Digest

__all__ = ["PlanEdit"]


class PlanEdit(CommandData, Edit):
    """Have the plan that awaits a decision written anew, with other values.

    Somebody else must approve it then.
    """

    name: ClassVar[str] = "plan.edit"

    task: UUID
    plan_hash: Digest
    """Of the plan that was seen."""
    reason: Annotated[str, Field(min_length=1, max_length=2000)]

    @property
    def edit(self) -> Edit:
        """What is to be different."""
        return Edit(changes=self.changes, phases=self.phases, exclude=self.exclude)
