"""The small form of `prove hostile-calls`."""

from __future__ import annotations

from pathlib import Path

from benchmarks.prove import hostile_calls


async def test_with_the_credentials_of_runner_and_planner_nothing_unapproved_goes_out(
    tmp_path: Path,
) -> None:
    plan = hostile_calls.Plan(calls=120, seed=3)

    outcome = await hostile_calls.hostile_calls(tmp_path / "home", plan, handle_signals=False)

    assert outcome.void is None
    assert outcome.violations == ()
    assert outcome.figures["unapproved_effects"] == 0
    tried = outcome.figures["n"]
    assert isinstance(tried, int)
    assert tried >= plan.calls


def test_the_same_seed_makes_the_same_runs() -> None:
    plan = hostile_calls.Plan(calls=5000)
    scenes = plan.scenes()
    assert scenes == hostile_calls.Plan(calls=5000).scenes()
    assert {kind for kind, _ in scenes} == set(hostile_calls.Kind)
    calls = sum(count for _, count in scenes)
    assert 0.8 * plan.calls <= calls <= plan.calls
