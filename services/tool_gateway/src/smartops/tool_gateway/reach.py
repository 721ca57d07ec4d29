"""Does the grant reach as far as this call? Its envelope, checked call by call.

What counts is the order in which the run asked, not the order in which calls arrive here: so
several gateways, and one that starts anew, count alike.
"""

from __future__ import annotations

from smartops.contracts.bounds import OUTSIDE_ENVELOPE, Envelope
from smartops.contracts.events import ToolCallRequested
from smartops.contracts.folds import RunView
from smartops.contracts.plan import Plan, Step
from smartops.contracts.wire import Category, Purpose
from smartops.tool_gateway.checks import Denial

__all__ = ["check_budget", "check_reach"]


def check_budget(asked: int, budget: int) -> Denial | None:
    """Why a task may not read any more: looking is free of approval, but not without end.

    The log counts, so there is nothing to lease: each request stands in its task's own stream.
    """
    if asked <= budget:
        return None
    return Denial("read_budget", "gateway.read_budget", f"the task has used up its {budget} reads")


def check_reach(
    request: ToolCallRequested, step: Step, run: RunView, plan: Plan, envelope: Envelope
) -> Denial | None:
    """Why the call is outside its grant's envelope; None when it is inside."""
    for bound in envelope.parameters:
        if bound.tool != step.tool or bound.parameter not in step.arguments:
            continue
        if not bound.allows(step.arguments[bound.parameter]):
            return _outside(f"{bound.parameter} of {step.tool} has a value that was not granted")
    if len(run.asked) > envelope.max_calls:
        count = len(_asked_up_to(request, run))
        if count > envelope.max_calls:
            return _outside(f"calls granted: {envelope.max_calls}; this is number {count}")
    if step.category is Category.READ or envelope.max_targets >= len(plan.changed()):
        return None
    steps = plan.by_hash()
    targets = list(
        dict.fromkeys(
            one.target
            for one in _asked_up_to(request, run)
            if (known := steps.get(one.step or "")) is None or known.category is not Category.READ
        )
    )
    if len(targets) <= envelope.max_targets:
        return None
    if request.target not in targets:
        return _outside(f"the run did not ask for {request.target}")
    place = targets.index(request.target) + 1
    if place <= envelope.max_targets:
        return None  # Another attempt at a target that was within.
    return _outside(f"targets granted: {envelope.max_targets}; {request.target} is number {place}")


def _asked_up_to(request: ToolCallRequested, run: RunView) -> list[ToolCallRequested]:
    """All steps that the run asked for, as far as this request."""
    asked = [one for one in run.asked if one.purpose is Purpose.DO]
    for place in range(len(asked) - 1, -1, -1):
        if asked[place].call == request.call:
            return asked[: place + 1]
    return asked


def _outside(message: str) -> Denial:
    return Denial(OUTSIDE_ENVELOPE, "gateway.envelope", message)
