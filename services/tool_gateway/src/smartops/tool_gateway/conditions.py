"""Did the condition of a grant hold before this step? By the samples themselves, judged here again.

That it held is the runner's word. Somebody who speaks for the runner could leave the measuring out,
or say otherwise than was measured. Samples are reads that went out through here, so their answers
stand in histories that only the gateway writes.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from uuid import UUID

from smartops.contracts.bounds import OUTSIDE_ENVELOPE
from smartops.contracts.errors import Malformed
from smartops.contracts.events import CallFacts
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
from smartops.contracts.streams import parse_stream, stream
from smartops.contracts.watching import Watch
from smartops.contracts.wire import Purpose
from smartops.eventstore.errors import BlobCorrupt, BlobMissing
from smartops.runtime.views import Views
from smartops.tool_gateway.checks import Denial

__all__ = ["NOT_MEASURED", "Conditions", "check_condition"]

NOT_MEASURED = "not_measured"
"""Reason code of a step whose grant has a condition that nobody has shown to hold: the run pauses,
and the grant stays."""

_MOST_RUNS = 1000
"""Runs of which is remembered what was shown last; of others it is shown again."""


class Conditions:
    """Whether the conditions of grants are shown to hold, for one step after the other.

    What the samples of a batch have shown, they show for each of its steps: answers do not change,
    and each names all targets. So it is looked at once, and not for each target again.

    Args:
        views: of the calls that took the samples.
    """

    def __init__(self, views: Views) -> None:
        self._views = views
        self._shown: OrderedDict[str, tuple[object, ...]] = OrderedDict()

    async def denial(self, name: str, run: RunView, plan: Plan, condition: str) -> Denial | None:
        """Why a step may not go out under a grant with a condition; see `check_condition`.

        Args:
            name: the run's stream.
            run: as it stands there.
            plan: the approved one.
            condition: as the grant's envelope says it.
        """
        if not 0 <= run.phase < len(plan.header.phases):
            return _unproved(condition, "the plan has no such phase")
        calls = None if run.held is None else run.held.calls
        told = (plan.hash(), condition, run.phase, run.since, calls)
        if self._shown.get(name) == told:
            return None
        samples = await _samples_of(self._views, parse_stream(name).tenant, run)
        found = check_condition(name, run, plan, condition, samples)
        if found is None:
            self._shown[name] = told
            self._shown.move_to_end(name)
            if len(self._shown) > _MOST_RUNS:
                self._shown.popitem(last=False)
        return found


async def _samples_of(views: Views, tenant: str, run: RunView) -> Mapping[UUID, CallView]:
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
    name: str, run: RunView, plan: Plan, condition: str, samples: Mapping[UUID, CallView]
) -> Denial | None:
    """Why a step may not go out under a grant with a condition; None if that was shown to hold.

    Args:
        name: the stream of the run that asks.
        run: as it stands.
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
            view = samples.get(call)
            if view is None or call not in asked or view.status is not CallStatus.SUCCEEDED:
                continue
            if _is_sample(view.facts, name, guard, targets):
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


def _asked_since(run: RunView) -> frozenset[UUID]:
    """What was asked for since the batch began; not what was asked for earlier, by another name."""
    earlier = {one.call for one in run.asked[: run.since]}
    return frozenset(one.call for one in run.asked[run.since :]) - earlier


def _is_sample(facts: CallFacts | None, name: str, guard: Watch, targets: tuple[str, ...]) -> bool:
    """By what was carried out, and for whom: what a run asks for by the same id shows nothing.

    Another run's sample may be old; and of two requests by one id, either may be carried out.
    """
    return facts is not None and (
        facts.requester_stream,
        facts.purpose,
        facts.tool,
        facts.version,
        facts.arguments,
    ) == (
        name,
        Purpose.OBSERVE,
        sample_tool(guard),
        SAMPLE_VERSION,
        request_arguments(guard, targets),
    )


def _unproved(condition: str, why: str) -> Denial:
    return Denial(NOT_MEASURED, "gateway.condition", f"granted while {condition}: {why}")
