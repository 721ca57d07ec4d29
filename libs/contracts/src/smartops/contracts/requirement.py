"""What must hold while a grant is used: the condition that its approvers have set.

    error_rate < 1% and latency_p99 < 500ms

The grammar is that of `rollback_if`, the reading is the opposite one. That is true as soon as any
target compares so; this holds only if every target does, and is broken as soon as one does not.
What is missing makes it unknown, and never true.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

from smartops.contracts.bounds import Limits
from smartops.contracts.condition import (
    AllOf,
    AnyOf,
    Comparison,
    Condition,
    Negation,
    evaluate,
    metrics_of,
    read_condition,
)
from smartops.contracts.errors import Malformed
from smartops.contracts.measured import Measured, Operator
from smartops.contracts.plan import Phase, Plan
from smartops.contracts.quantities import UNITS, Limit
from smartops.contracts.watching import WINDOW_MS, Watch, condition_of, watches_of, window_ms
from smartops.contracts.wire import LONGEST_TEXT, Check

__all__ = [
    "broken_by",
    "guard_window_ms",
    "guarded_targets",
    "guards_of",
    "holds",
    "joined",
    "read_requirement",
    "unmeasured",
]

_OPPOSITE: Mapping[Operator, Operator] = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}


@lru_cache(maxsize=256)
def read_requirement(text: str) -> Condition:
    """The condition that a text states.

    Raises:
        Malformed: none, or not of the grammar; says where.
    """
    found = read_condition(text)
    if found is None:
        raise Malformed("it says nothing: write one like 'error_rate < 1%'")
    return found


def joined(texts: Iterable[str]) -> str | None:
    """What several approvers demand, as one condition; None if nobody demands anything.

    Raises:
        Malformed: one of them states none, or together they are too many to be read.
    """
    parts = {str(read): read for read in map(read_requirement, texts)}
    if len(parts) < 2:  # noqa: PLR2004 - nothing to be joined
        return next(iter(parts), None)
    whole = str(AllOf(tuple(parts.values())))
    if len(whole) > LONGEST_TEXT:
        raise Malformed(f"all conditions together have more than {LONGEST_TEXT} characters")
    read_requirement(whole)
    return whole


def holds(condition: Condition, values: Mapping[str, Measured]) -> bool | None:
    """Whether it holds for all that was measured; None when what is missing could break it."""
    broken = evaluate(broken_by(condition), values)
    return None if broken is None else not broken


def broken_by(condition: Condition) -> Condition:
    """What is true of any target exactly when `condition` does not hold for every one."""
    match condition:
        case Comparison(metric, limit):
            opposite = Limit(_OPPOSITE[limit.operator], limit.number, limit.unit)
            return Comparison(metric, opposite)
        case Negation(part):
            return _said_of_any(part)
        case AllOf(parts):
            return AnyOf(tuple(map(broken_by, parts)))
        case AnyOf(parts):
            return AllOf(tuple(map(broken_by, parts)))


def _said_of_any(condition: Condition) -> Condition:
    """The same without a `not`: which would turn "any" into "none" within."""
    match condition:
        case Comparison():
            return condition
        case Negation(part):
            return broken_by(part)
        case AllOf(parts):
            return AllOf(tuple(map(_said_of_any, parts)))
        case AnyOf(parts):
            return AnyOf(tuple(map(_said_of_any, parts)))


def unmeasured(plan: Plan, limits: Limits) -> str | None:
    """Why nobody could tell whether the condition holds while this plan is carried out.

    Raises:
        Malformed: it is no condition.
    """
    if limits.condition is None:
        return None
    named = {check.name for phase in plan.header.phases for check in phase.checks}
    known = {*UNITS, *(name for name in named if name is not None)}
    unknown = [m for m in metrics_of(read_requirement(limits.condition)) if m not in known]
    if not unknown:
        return None
    return (
        f"nobody measures {unknown[0]!r} for this plan; there are {', '.join(sorted(known))}. "
        "Others need a custom_metric check of that name in the plan"
    )


def guards_of(plan: Plan, number: int, condition: Condition) -> tuple[Watch, ...]:
    """What is sampled for a condition in a phase: one watch per metric, behind the phase's own."""
    phase = plan.header.phases[number]
    try:
        own = watches_of(phase, condition_of(phase))
    except Malformed:
        own = watches_of(phase, None)
    guards = []
    for place, metric in enumerate(metrics_of(condition), start=len(own)):
        like = _check_of(plan, number, metric)
        kind = metric if metric in UNITS else "custom_metric"
        guards.append(Watch(place, kind, metric, None, like=like))
    return tuple(guards)


def guarded_targets(plan: Plan, number: int) -> tuple[str, ...]:
    """What a condition is measured on in a phase: all that its steps and those before are about.

    Also what no step has reached yet: whoever is ill already is not touched, nor are others.
    """
    steps = plan.by_hash()
    begun = plan.header.phases[: number + 1]
    return tuple(dict.fromkeys(steps[one].target for phase in begun for one in phase.steps))


def guard_window_ms(phase: Phase) -> int:
    """How long a batch is watched under a condition: as for its checks, or as for a condition."""
    return window_ms(phase) or (WINDOW_MS if phase.watch_ms is None else phase.watch_ms)


def _check_of(plan: Plan, number: int, metric: str) -> Check | None:
    """How the plan itself measures a metric: in this phase if it does, else wherever it does."""
    phases = plan.header.phases
    for phase in (phases[number], *phases):
        for check in phase.checks:
            if (check.name or check.type) == metric:
                return check
    return None
