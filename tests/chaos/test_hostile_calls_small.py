"""The small form of `prove hostile-calls`, and whether what it generates is hostile at all."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random
from uuid import UUID, uuid4

from smartops.contracts.events import ToolCallRequested
from smartops.contracts.ids import call_id
from smartops.contracts.wire import Purpose
from support.grants import grant_for
from support.plans import TASK, TENANT, phase, plan, step

from benchmarks.lib.hostile.drafts import Case
from benchmarks.lib.hostile.generator import Generator
from benchmarks.lib.hostile.scenes import Kind, Scene
from benchmarks.lib.hostile.verdict import judge_cases
from benchmarks.prove import hostile_calls


async def test_with_the_credentials_of_runner_and_planner_nothing_unapproved_goes_out(
    tmp_path: Path,
) -> None:
    plan_ = hostile_calls.Plan(calls=120, seed=3)

    outcome = await hostile_calls.hostile_calls(tmp_path / "home", plan_)

    assert outcome.void is None
    assert outcome.violations == ()
    assert outcome.figures["unapproved_effects"] == 0
    tried = outcome.figures["n"]
    assert isinstance(tried, int)
    assert tried >= plan_.calls


def test_the_same_seed_makes_the_same_runs() -> None:
    plan_ = hostile_calls.Plan(calls=5000)
    scenes = plan_.scenes()
    assert scenes == hostile_calls.Plan(calls=5000).scenes()
    assert {kind for kind, _ in scenes} == set(Kind)
    calls = sum(count for _, count in scenes)
    assert 0.8 * plan_.calls <= calls <= plan_.calls


# ---- what is generated ---------------------------------------------------------------------


def scene_of(number: int) -> Scene:
    made = plan(
        phase(*(step(f"web-{number}1", phase=f"{n}") for n in range(4)), name="canary"),
        phase(*(step(f"web-{number}2", phase=f"{n}") for n in range(4)), name="wave"),
        number=number,
    )
    return Scene.of(Kind.LIVE, TENANT, TASK if number == 1 else uuid4(), grant_for(made), made)


def honest(scene: Scene) -> set[tuple[object, ...]]:
    """All that would be as approved just now."""
    allowed = set()
    for one in scene.steps(scene.phase):
        if one.id not in scene.done:
            allowed.add(key(request_of(scene.asking(one), scene.name)))
    for one in scene.reversible():
        allowed.add(key(request_of(scene.taking_back(one), scene.name)))
    return allowed


def request_of(fields: dict[str, object], where: str) -> ToolCallRequested:
    ident = call_id(
        where, str(fields["question"]), str(fields["purpose"]), int(str(fields["attempt"]))
    )
    return ToolCallRequested.model_validate({"call": ident, **fields})


def key(request: ToolCallRequested) -> tuple[object, ...]:
    """All of a request but its arguments: those of a write are never looked at."""
    return tuple(value for name, value in request if name != "arguments")


def play(seed: int, calls: int) -> list[Case]:
    """What a live run meets, with half of its first phase done."""
    scene, other = scene_of(1), scene_of(2)
    for target in (scene, other):
        for one in target.steps(0)[:2]:
            request = request_of(target.asking(one), target.name)
            target.done[one.id] = request.call
            target.note(request)
    generator = Generator(Random(seed), "victim")
    cases = []
    for _ in range(calls):
        case = generator.case(scene, [other])
        assert case is not None
        if case.codes:
            assert key(case.request) not in honest(scene), f"{case.kinds} is as approved"
            assert case.request.call not in scene.burnt, f"{case.kinds} is a repeat"
            scene.note(case.request)
        cases.append(case)
    return cases


def test_no_generated_call_is_as_approved() -> None:
    for seed in range(20):
        play(seed, 60)


def test_the_same_seed_makes_the_same_calls() -> None:
    told = [[(case.kinds, case.codes) for case in play(7, 60)] for _ in range(2)]
    assert told[0] == told[1]
    wrongs = Counter(len(case.kinds) for case in play(8, 300))
    assert {1, 2, 3} <= set(wrongs)
    purposes = {case.request.purpose for case in play(8, 300)}
    assert {Purpose.DO, Purpose.UNDO, Purpose.OBSERVE} <= purposes


# ---- what would be noticed -----------------------------------------------------------------


def judged(case: Case, row: str | None, answer: str | None) -> tuple[list[str], int]:
    event = case.event = UUID(int=1)
    rows = {} if row is None else {event: row}
    return judge_cases([case], rows, {} if answer is None else {event: answer})


def test_what_is_not_denied_as_it_should_be_is_noticed() -> None:
    case = play(1, 1)[0]
    for made in (
        Case(("hash",), frozenset({"step_mismatch"}), case.request, case.stream),
        Case(("garbled",), frozenset({"x"}), case.request, case.stream, also_parked=True),
    ):
        assert judged(made, "handled", None)[0], "no denial at all"
        assert judged(made, "handled", "completed")[0], "it went out"
        assert judged(made, "handled", "expired")[0], "denied for what is not wrong with it"
        assert judged(made, None, None) == ([], 1), "never looked at"
    assert judged(made, "parked", None) == ([], 0)
    repeat = Case(("again",), frozenset(), case.request, case.stream)
    assert judged(repeat, "handled", None) == ([], 0)
    assert judged(repeat, "handled", "completed")[0], "it went out again"
