"""A call beyond its grant's envelope is denied, however many gateways count."""

from __future__ import annotations

from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st
from smartops.contracts.bounds import OUTSIDE_ENVELOPE, Envelope, ParameterBound
from smartops.contracts.events import ToolCallRequested
from smartops.contracts.folds import RunView, evolve_run
from smartops.contracts.plan import Plan
from smartops.contracts.wire import Category, Purpose
from smartops.tool_gateway.checks import Denial
from smartops.tool_gateway.reach import check_budget, check_reach
from support import plans

LOOK = plans.tool("look", category=Category.READ, undo=None)
STEPS = [plans.step(f"web-{n}", arguments={"asset": f"web-{n}", "v": 2}) for n in range(6)]
PLAN: Plan = plans.plan(plans.phase(plans.step("web-9", LOOK), *STEPS))


def asking(number: int, attempt: int = 1, purpose: Purpose = Purpose.DO) -> ToolCallRequested:
    step = PLAN.steps[number]
    return ToolCallRequested(
        task=plans.TASK,
        run=plans.TASK,
        call=uuid4(),
        purpose=purpose,
        tool=step.tool,
        version=step.version,
        target=step.target,
        question=step.id,
        attempt=attempt,
        phase=0,
        step=step.hash(),
    )


def judged(requests: list[ToolCallRequested], envelope: Envelope) -> list[Denial | None]:
    """Each request, as judged when all of them stand in the log already."""
    run = RunView()
    for request in requests:
        run = evolve_run(run, request)
    steps = PLAN.by_hash()
    return [check_reach(one, steps[str(one.step)], run, PLAN, envelope) for one in requests]


def test_targets_count_in_the_order_in_which_they_were_asked_for() -> None:
    denials = judged([asking(n) for n in (1, 2, 3, 4)], Envelope(max_targets=2, max_calls=99))
    assert denials[:2] == [None, None]
    for denial, place in zip(denials[2:], (3, 4), strict=True):
        assert denial is not None
        assert (denial.code, denial.rule) == (OUTSIDE_ENVELOPE, "gateway.envelope")
        assert denial.message == f"targets granted: 2; web-{place - 1} is number {place}"


def test_another_attempt_at_a_target_within_is_within() -> None:
    asked = [asking(1), asking(2), asking(3), asking(1, attempt=2)]
    denials = judged(asked, Envelope(max_targets=2, max_calls=99))
    assert [denial is None for denial in denials] == [True, True, False, True]


def test_reads_change_no_target_but_are_calls() -> None:
    asked = [asking(1), asking(0), asking(0, attempt=2)]
    assert judged(asked, Envelope(max_targets=1, max_calls=3)) == [None, None, None]
    denials = judged(asked, Envelope(max_targets=1, max_calls=2))
    assert denials[2] is not None
    assert denials[2].message == "calls granted: 2; this is number 3"


def test_samples_and_undos_are_not_counted() -> None:
    others = [asking(n, purpose=p) for n in (1, 2) for p in (Purpose.OBSERVE, Purpose.UNDO)]
    assert judged([*others, asking(3)], Envelope(max_targets=1, max_calls=1))[-1] is None


def test_an_argument_out_of_bounds_is_outside() -> None:
    def bounded(bound: ParameterBound) -> Denial | None:
        envelope = Envelope(max_targets=6, max_calls=99, parameters=(bound,))
        return judged([asking(1)], envelope)[0]

    assert bounded(ParameterBound(tool="patch", parameter="v", one_of=(1, 2))) is None
    assert bounded(ParameterBound(tool="look", parameter="v", one_of=(1,))) is None
    denial = bounded(ParameterBound(tool="patch", parameter="v", one_of=(1,)))
    assert denial is not None
    assert denial.message == "v of patch has a value that was not granted"


@given(
    st.lists(st.integers(0, len(STEPS)), max_size=30),
    st.integers(0, len(STEPS)),
    st.integers(1, 30),
)
def test_what_passes_never_exceeds_the_envelope_and_judging_later_changes_nothing(
    numbers: list[int], targets: int, calls: int
) -> None:
    envelope = Envelope(max_targets=targets, max_calls=calls)
    asked = [asking(number) for number in numbers]
    early = [judged(asked[: place + 1], envelope)[place] for place in range(len(asked))]
    late = judged(asked, envelope)
    assert early == late
    passed = [one for one, denial in zip(asked, late, strict=True) if denial is None]
    assert len(passed) <= calls
    changed = {one.target for one in passed if one.target != "web-9"}
    assert len(changed) <= targets


def test_looking_is_not_without_end() -> None:
    assert check_budget(10, 10) is None
    denial = check_budget(11, 10)
    assert denial is not None
    assert (denial.code, denial.rule) == ("read_budget", "gateway.read_budget")


def test_the_log_counts_reads_and_nothing_else() -> None:
    run = RunView()
    for purpose in (Purpose.DO, Purpose.OBSERVE, Purpose.UNDO, Purpose.EVIDENCE):
        run = evolve_run(run, asking(1, purpose=purpose))
    assert run.reads == 2
