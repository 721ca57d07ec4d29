"""What a plan that is written anew must keep to, as a person asked for it."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import Field
from smartops.contracts.plan import MAX_STEPS, Plan
from smartops.contracts.wire import Category, TargetName, Wire

__all__ = ["UNCONSTRAINED", "Constraints", "constraint_problems"]


class Constraints(Wire):
    """What the next plan must keep to, in the words of the task specification."""

    exclude_assets: Annotated[tuple[TargetName, ...], Field(max_length=MAX_STEPS)] = ()
    max_batch_percent: int | None = Field(default=None, ge=1, le=100)
    """Largest share of the assets in scope that one phase may change; never less than one asset."""
    max_batch_size: int | None = Field(default=None, ge=1, le=MAX_STEPS)
    """Most assets that one phase may change."""
    canary_required: bool = False
    """The first phase that changes anything is a canary."""

    @property
    def given(self) -> bool:
        """Whether anything is asked for."""
        return self != Constraints()

    def joined(self, other: Constraints) -> Constraints:
        """Both at once: the stricter of each."""
        return Constraints(
            exclude_assets=tuple(dict.fromkeys((*self.exclude_assets, *other.exclude_assets))),
            max_batch_percent=_least(self.max_batch_percent, other.max_batch_percent),
            max_batch_size=_least(self.max_batch_size, other.max_batch_size),
            canary_required=self.canary_required or other.canary_required,
        )

    def most(self, total: int) -> int | None:
        """Most assets that one phase may change, of a fleet of `total`; None: as many as there."""
        share = None
        if self.max_batch_percent is not None:
            share = max(1, math.floor(total * self.max_batch_percent / 100))
        return _least(share, self.max_batch_size)


UNCONSTRAINED = Constraints()
"""Nothing is asked for."""


def constraint_problems(plan: Plan, constraints: Constraints) -> list[tuple[str, str]]:
    """Where a plan does not keep to what was asked for, as (path, message)."""
    found: list[tuple[str, str]] = []
    steps = plan.by_hash()
    unwanted = set(constraints.exclude_assets)
    most = constraints.most(plan.header.total_assets)
    canary = not constraints.canary_required
    for number, phase in enumerate(plan.header.phases):
        where = f"/header/phases/{number}"
        writes = [s for h in phase.steps if (s := steps[h]).category is not Category.READ]
        targets = dict.fromkeys(step.target for step in writes)
        if touched := [target for target in targets if target in unwanted]:
            found.append((where, f"changes {touched[0]}, which was to be left out"))
        if most is not None and len(targets) > most:
            found.append((where, f"changes {len(targets)} assets at once, more than {most}"))
        if targets and not canary:
            canary = True
            if "canary" not in phase.name.lower():
                found.append((where, "changes something, and no canary comes before it"))
    return found


def _least(one: int | None, other: int | None) -> int | None:
    given = [value for value in (one, other) if value is not None]
    return min(given, default=None)
