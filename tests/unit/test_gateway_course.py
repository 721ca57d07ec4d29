"""What a plan puts before a step must show as applied in the calls' own histories."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest
from smartops.contracts.computing import COMPUTE
from smartops.contracts.events import CallFacts, ToolCallRequested, ToolCallSettled
from smartops.contracts.folds import RunView
from smartops.contracts.ids import call_id
from smartops.contracts.plan import Plan
from smartops.contracts.streams import stream
from smartops.contracts.wire import Purpose
from smartops.tool_gateway.attempts import LOOKED_AT
from smartops.tool_gateway.checks import check_course
from smartops.tool_gateway.course import Course, steps_before
from smartops.tool_gateway.state import Call
from support.call_facts import facts_of
from support.grants import grant_for
from support.plans import TASK, TENANT, phase, plan, step

MADE = plan(
    phase(*(step(f"web-{n}", phase="canary") for n in range(2)), name="canary"),
    phase(*(step(f"web-{n}", phase="wave") for n in range(5)), name="wave", batch=2),
    phase(*(step(f"web-{n}", phase="last") for n in range(3)), name="last", sequential=True),
)
RUN = stream(TENANT, "run", grant_for(MADE).run)
DONE = Call(ended="succeeded")
SETTLED = Call(ended="settled", settled=ToolCallSettled.model_construct(applied=True))
NOT = Call(ended="settled", settled=ToolCallSettled.model_construct(applied=False))


class Calls:
    """Histories of calls: what this process remembers, and what the log has."""

    def __init__(self) -> None:
        self.known: dict[UUID, Call] = {}
        self.log: dict[UUID, Call] = {}
        self.looks = 0

    async def load(self, name: str, *, fresh: bool = False) -> Any:
        self.looks += fresh
        call = UUID(name.partition("call-")[2])
        found = self.log.get(call) if fresh else self.known.get(call)
        return SimpleNamespace(state=found or Call())


def asked(made: Plan, number: int, attempt: int = 1) -> ToolCallRequested:
    wanted = made.steps[number]
    return ToolCallRequested(
        task=TASK,
        run=grant_for(MADE).run,
        call=call_id(RUN, wanted.id, Purpose.DO, attempt),
        purpose=Purpose.DO,
        tool=wanted.tool,
        version=wanted.version,
        target=wanted.target,
        question=wanted.id,
        attempt=attempt,
        phase=0,
        step=wanted.hash(),
    )


def let_out(number: int, **fields: Any) -> CallFacts:
    """What the gateway writes down of a step."""
    wanted = MADE.steps[number]
    about = {"requester_stream": RUN, "step": wanted.hash(), "question": wanted.id}
    return facts_of(wanted.tool, wanted.target, {}, **about | fields)


class Told(Course):
    """A course over made-up histories."""

    def __init__(self) -> None:
        self.calls = Calls()
        super().__init__(cast("Any", self.calls))
        self.asked: list[ToolCallRequested] = []

    def note(self, *numbers: int, call: Call = DONE, attempt: int = 1, known: bool = True) -> None:
        for number in numbers:
            request = asked(MADE, number, attempt)
            self.asked.append(request)
            call = replace(call, facts=let_out(number))
            (self.calls.known if known else self.calls.log)[request.call] = call

    async def before(self, number: int, made: Plan = MADE) -> str | None:
        run = RunView(requests={one.call: one for one in self.asked})
        return await self.skipped(RUN, run, made, made.steps[number].hash())


@pytest.mark.parametrize(
    ("number", "before"),
    [(0, 0), (1, 0), (2, 2), (3, 2), (4, 4), (5, 4), (6, 6), (7, 7), (8, 8), (9, 9)],
)
def test_ahead_of_a_step_come_earlier_phases_and_batches_and_whatever_has_an_order(
    number: int, before: int
) -> None:
    assert steps_before(MADE, MADE.steps[number].hash()) == before


async def test_a_canary_that_only_the_run_says_has_ended_lets_nothing_follow() -> None:
    course = Told()
    assert await course.before(1) is None, "nothing comes before the first phase"
    assert await course.before(2) == MADE.steps[0].id
    course.note(0)
    assert await course.before(2) == MADE.steps[1].id
    denial = check_course(MADE.steps[1].id)
    assert denial is not None
    assert (denial.code, denial.rule) == ("phase_order", "gateway.steps_before")
    course.note(1)
    assert await course.before(2) is None
    assert check_course(None) is None


async def test_neither_batches_nor_the_order_of_a_phase_are_skipped() -> None:
    course = Told()
    course.note(0, 1, 2)
    assert await course.before(4) == MADE.steps[3].id
    course.note(3, 4, 5, 6)
    assert await course.before(7) is None
    assert await course.before(8) == MADE.steps[7].id
    course.note(7)
    assert await course.before(8) is None
    assert await course.before(9) == MADE.steps[8].id


@pytest.mark.parametrize(
    ("call", "counts"),
    [
        (DONE, True),
        (SETTLED, True),
        (NOT, False),
        (Call(ended="denied"), False),
        (Call(ended="failed"), False),
        (Call(), False),
    ],
    ids=["done", "settled as applied", "settled as not", "denied", "failed", "on its way"],
)
async def test_only_what_is_known_to_have_been_applied_counts(call: Call, counts: bool) -> None:  # noqa: FBT001
    course = Told()
    course.note(0)
    course.note(1, call=call)
    assert (await course.before(2) is None) is counts


@pytest.mark.parametrize(
    "facts",
    [
        {"purpose": Purpose.OBSERVE, "step": None},
        {"requester_stream": stream(TENANT, "run", TASK)},
        {"step": MADE.steps[0].hash()},
    ],
    ids=["a look", "another run", "another step"],
)
async def test_what_only_bears_the_id_of_a_steps_call_is_not_the_step(
    facts: dict[str, Any],
) -> None:
    course = Told()
    course.note(0, 1)
    course.calls.known[asked(MADE, 1).call] = replace(DONE, facts=let_out(1, **facts))
    assert await course.before(2) == MADE.steps[1].id


async def test_nor_is_a_call_that_was_asked_for_as_a_step_by_the_id_of_another_one() -> None:
    course = Told()
    course.note(0)
    course.asked.append(asked(MADE, 1).model_copy(update={"call": asked(MADE, 0).call}))
    assert await course.before(2) == MADE.steps[1].id


async def test_the_newest_attempts_are_looked_at_and_no_more_of_them_than_of_others() -> None:
    course = Told()
    course.note(0)
    for attempt in range(1, 3 * LOOKED_AT):
        course.note(1, call=NOT, attempt=attempt)
    assert await course.before(2) == MADE.steps[1].id
    assert course.calls.looks == LOOKED_AT
    course.note(1, attempt=3 * LOOKED_AT)
    assert await course.before(2) is None


async def test_a_later_attempt_counts_and_what_another_process_carried_out_is_read() -> None:
    course = Told()
    course.note(0, 1, call=Call(ended="failed"))
    course.note(0, 1, attempt=2, known=False)
    assert await course.before(2) is None
    looks = course.calls.looks
    assert await course.before(3) is None
    assert course.calls.looks == looks, "what was applied is not looked up again"


async def test_what_the_runner_computes_by_itself_is_no_call() -> None:
    made = MADE.model_copy(
        update={
            "steps": (MADE.steps[0].model_copy(update={"tool": COMPUTE}), *MADE.steps[1:]),
        }
    )
    course = Told()
    course.note(1)
    run = RunView(requests={one.call: one for one in course.asked})
    assert await course.skipped(RUN, run, made, MADE.steps[2].hash()) is None
