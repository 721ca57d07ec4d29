"""What a plan puts before a step: was it applied, by the histories of the calls themselves?

That a phase or a batch has ended is the run's word. Somebody who speaks for the runner could say so
of a canary that nobody ever touched, and go on with the rest. What was applied, calls say, and
their histories are written here.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from itertools import count
from uuid import UUID

from smartops.contracts.computing import COMPUTE
from smartops.contracts.folds import RunView
from smartops.contracts.ids import call_id
from smartops.contracts.plan import Plan, Step
from smartops.contracts.streams import parse_stream, stream
from smartops.contracts.wire import Purpose
from smartops.eventstore.folds import Folds
from smartops.tool_gateway.attempts import LOOKED_AT
from smartops.tool_gateway.state import Call

__all__ = ["Course", "steps_before"]

_MOST_RUNS = 1000
"""Runs of which is remembered how far they were looked at; of others it is looked up again."""


def steps_before(plan: Plan, step: str) -> int:
    """How many of the plan's steps must have been applied ahead of one, counted from its first.

    Those of earlier phases; of earlier batches; where a phase has an order, all that come before.

    Args:
        plan: whose.
        step: its hash; it is one of the plan's.
    """
    before = 0
    for phase in plan.header.phases:
        if step not in phase.steps:
            before += len(phase.steps)
            continue
        place = phase.steps.index(step)
        if phase.order == "sequential":
            return before + place
        return before + (0 if phase.batch is None else place - place % phase.batch)
    raise ValueError(f"the plan has no step {step}")


class Course:
    """How far runs have come, as calls show it.

    Args:
        calls: histories of calls. What one of them says of its end stays true, so a stale one
            that shows it will do.
    """

    def __init__(self, calls: Folds[Call]) -> None:
        self._calls = calls
        self._applied: OrderedDict[tuple[str, str], int] = OrderedDict()

    async def skipped(self, name: str, run: RunView, plan: Plan, step: str) -> str | None:
        """The id of a step that comes before another one and was not applied; None if all were.

        Args:
            name: the run's stream.
            run: as it stands there.
            plan: the approved one.
            step: hash of the step that is asked for; it is one of the plan's.
        """
        # By plan, too: somebody could say in one history that it is another's.
        run_of_plan = (name, plan.hash())
        wanted, known = steps_before(plan, step), self._applied.get(run_of_plan, 0)
        if wanted <= known:
            return None
        # The runner carries computed steps out itself: they change nothing, and no call tells.
        due = [one for one in plan.steps[known:wanted] if one.tool != COMPUTE]
        found = await asyncio.gather(*(self._was_applied(name, run, one) for one in due))
        missing = next((one.id for one, done in zip(due, found, strict=True) if not done), None)
        if missing is None:
            self._applied[run_of_plan] = max(wanted, self._applied.get(run_of_plan, 0))
            self._applied.move_to_end(run_of_plan)
            if len(self._applied) > _MOST_RUNS:
                self._applied.popitem(last=False)
        return missing

    async def _was_applied(self, name: str, run: RunView, step: Step) -> bool:
        tenant = parse_stream(name).tenant
        for call in reversed(_attempts(name, run, step)[-LOOKED_AT:]):
            where = stream(tenant, "call", call)
            if _shows(name, step, (await self._calls.load(where)).state):
                return True
            # Another process may have carried it out.
            if _shows(name, step, (await self._calls.load(where, fresh=True)).state):
                return True
        return False


def _attempts(name: str, run: RunView, step: Step) -> list[UUID]:
    """The step's calls that the run asked for, in order: by the ids that they can have."""
    found: list[UUID] = []
    for attempt in count(1):
        call = call_id(name, step.id, Purpose.DO, attempt)
        if call not in run.requests:
            break
        found.append(call)
    return found


def _shows(name: str, step: Step, call: Call) -> bool:
    """Whether a call shows that the run did the step.

    By what was let out, not by what was asked for: a look can be asked for under a step's id, and
    succeeds.
    """
    facts = call.facts
    return (
        call.applied
        and facts is not None
        and (facts.requester_stream, facts.purpose, facts.step) == (name, Purpose.DO, step.hash())
    )
