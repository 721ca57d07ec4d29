"""The envelope of a grant: as far as the plan reaches, and no further than its approvers allow."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from pydantic import JsonValue
from smartops.contracts.bounds import MAX_CALLS, Envelope, Limits, ParameterBound
from smartops.contracts.computing import COMPUTE
from smartops.contracts.errors import Malformed
from smartops.contracts.plan import Plan, Step
from smartops.contracts.requirement import joined, unmeasured

__all__ = ["ATTEMPTS", "cannot_hold", "envelope_of", "expiry_within", "too_wide"]

ATTEMPTS = 10
"""Calls per step: a few by the runner itself when a tool says that it has not done it, and as many
again after each time that a person resumes the run."""

_MOST_VALUES = 20
_MOST_BOUNDS = 200


def envelope_of(plan: Plan, limits: Iterable[Limits] = ()) -> Envelope:
    """What a plan needs, drawn closer by each approver's limits; all their conditions must hold.

    Raises:
        Malformed: a condition that `cannot_hold` would have refused.
    """
    limits = tuple(limits)
    targets = [len(plan.changed())] + [
        one.max_targets for one in limits if one.max_targets is not None
    ]
    calls = [min(MAX_CALLS, ATTEMPTS * len(plan.steps))]
    calls += [one.max_calls for one in limits if one.max_calls is not None]
    return Envelope(
        max_targets=min(targets),
        max_calls=min(calls),
        parameters=_bounds(plan.steps),
        condition=joined(one.condition for one in limits if one.condition is not None),
    )


def expiry_within(expires_at: datetime, limits: Iterable[Limits]) -> datetime:
    """When the grant ends: at its own time, or earlier where an approver says so."""
    return min([expires_at, *(one.expires_at for one in limits if one.expires_at is not None)])


def too_wide(plan: Plan, limits: Limits, expires_at: datetime) -> tuple[str, str] | None:
    """The first limit that would limit nothing, as a field and why.

    It is refused: whoever gives it believes the plan to be another than it is.
    """
    full = envelope_of(plan)
    if limits.max_targets is not None and limits.max_targets > full.max_targets:
        return "limits.max_targets", f"the plan changes {full.max_targets} targets, not more"
    if limits.max_calls is not None and limits.max_calls > full.max_calls:
        return "limits.max_calls", f"the plan takes {full.max_calls} calls at most"
    if limits.expires_at is not None and limits.expires_at > expires_at:
        return "limits.expires_at", f"a grant made now ends at {expires_at.isoformat()} anyway"
    return None


def cannot_hold(plan: Plan, limits: Limits, others: Iterable[Limits]) -> str | None:
    """Why nobody could hold a run of the plan to the condition of these limits; None if one can.

    Args:
        plan: that is approved.
        limits: of the voice that is heard.
        others: of those that were heard: their conditions must hold as well.
    """
    if limits.condition is None:
        return None
    all_limits = (*others, limits)
    try:
        if (unknown := unmeasured(plan, limits)) is not None:
            return unknown
        joined(one.condition for one in all_limits if one.condition is not None)
    except Malformed as error:
        return error.reason
    return None


def _bounds(steps: Iterable[Step]) -> tuple[ParameterBound, ...]:
    """The values that each argument of each tool takes in the plan, as far as they are few."""
    seen: dict[tuple[str, str], list[JsonValue]] = {}
    free: set[tuple[str, str]] = set()
    for step in steps:
        if step.tool == COMPUTE:
            continue  # No call: the gateway never hears of it, and its code is bound by its hash.
        for name, value in step.arguments.items():
            if value == step.target or isinstance(value, dict | list):
                # The target is bound by itself; what is nested, by the step's hash. A list of the
                # other steps' values would shut this one out.
                free.add((step.tool, name))
                continue
            values = seen.setdefault((step.tool, name), [])
            if len(values) <= _MOST_VALUES and value not in values:
                values.append(value)
    return tuple(
        bound
        for (tool, name), values in sorted(seen.items())
        if (tool, name) not in free and (bound := _bound(tool, name, values)) is not None
    )[:_MOST_BOUNDS]


def _bound(tool: str, name: str, values: list[JsonValue]) -> ParameterBound | None:
    if len(values) <= _MOST_VALUES:
        return ParameterBound(tool=tool, parameter=name, one_of=tuple(values))
    return None
