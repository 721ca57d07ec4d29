"""Did the condition of a grant hold before this step? By the samples themselves, judged here again.

That it held is the runner's word. Somebody who speaks for the runner could leave the measuring out,
or say otherwise than was measured. Samples are reads that went out through here, so their answers
stand in histories that only the gateway writes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from uuid import UUID

from smartops.contracts.bounds import OUTSIDE_ENVELOPE
from smartops.contracts.errors import Malformed
from smartops.contracts.events import ToolCallRequested
from smartops.contracts.folds import CallStatus, CallView, RunView
from smartops.contracts.measured import Measured
from smartops.contracts.plan import Plan
from smartops.contracts.requirement import guarded_targets, guards_of, holds, read_requirement
from smartops.contracts.sampling import (
    SAMPLE_VERSION,
    read_answer,
    request_arguments,
    sample_tool,
)
from smartops.contracts.streams import stream
from smartops.contracts.watching import Watch
from smartops.contracts.wire import Purpose
from smartops.eventstore.errors import BlobCorrupt, BlobMissing
from smartops.runtime.views import Views
from smartops.tool_gateway.checks import Denial

__all__ = ["NOT_MEASURED", "check_condition", "samples_of"]

NOT_MEASURED = "not_measured"
"""Reason code of a step whose grant has a condition that nobody has shown to hold: the run pauses,
and the grant stays."""


async def samples_of(views: Views, tenant: str, run: RunView) -> Mapping[UUID, CallView]:
    """The samples that the run names, with their answers, as far as they have succeeded."""
    if run.held is None:
        return {}

    async def load(call: UUID) -> CallView:
        name = stream(tenant, "call", call)
        view = (await views.call.load(name)).state
        if view.status is not CallStatus.SUCCEEDED:
            view = (await views.call.load(name, fresh=True)).state  # Another process took it.
        if view.status is not CallStatus.SUCCEEDED:
            return view
        try:
            return replace(view, output=await views.output(tenant, view))
        except (BlobCorrupt, BlobMissing):
            return view  # An answer that nobody can read shows nothing.

    return dict(zip(run.held.calls, await asyncio.gather(*map(load, run.held.calls)), strict=True))


def check_condition(
    run: RunView, plan: Plan, condition: str, samples: Mapping[UUID, CallView]
) -> Denial | None:
    """Why a step may not go out under a grant with a condition; None if that was shown to hold.

    Args:
        run: that asks, as it stands.
        plan: the approved one.
        condition: as the grant's envelope says it.
        samples: what became of those that the run names.
    """
    if run.held is None:
        return _unproved(condition, "it was not measured since the batch began")
    try:
        required = read_requirement(condition)
    except Malformed as error:
        return _unproved(condition, error.reason)
    asked = _asked_since(run)
    values: dict[str, Measured] = {}
    for guard in guards_of(plan, run.phase, required):
        targets = guarded_targets(plan, run.phase)
        for call in run.held.calls:
            view, request = samples.get(call), asked.get(call)
            if view is None or request is None or view.status is not CallStatus.SUCCEEDED:
                continue
            if _is_sample(request, guard, targets):
                measured = read_answer(guard, targets, view.output).measured
                values |= {} if measured is None else {guard.metric: measured}
    found = holds(required, values)
    if found is None:
        missing = "what was measured since the batch began does not tell"
        return _unproved(condition, missing)
    if found:
        return None
    return Denial(
        OUTSIDE_ENVELOPE, "gateway.condition", f"granted while {condition}, which does not hold"
    )


def _asked_since(run: RunView) -> Mapping[UUID, ToolCallRequested]:
    """What was asked for since the batch began; not what was asked for earlier, by another name."""
    earlier = {one.call for one in run.asked[: run.since]}
    return {
        one.call: run.requests[one.call]
        for one in run.asked[run.since :]
        if one.call not in earlier
    }


def _is_sample(request: ToolCallRequested, guard: Watch, targets: tuple[str, ...]) -> bool:
    return (request.purpose, request.tool, request.version, request.arguments) == (
        Purpose.OBSERVE,
        sample_tool(guard),
        SAMPLE_VERSION,
        request_arguments(guard, targets),
    )


def _unproved(condition: str, why: str) -> Denial:
    return Denial(NOT_MEASURED, "gateway.condition", f"granted while {condition}: {why}")
