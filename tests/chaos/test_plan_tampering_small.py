"""The small form of `prove plan-tampering`."""

from __future__ import annotations

from pathlib import Path

from benchmarks.prove import plan_tampering


async def test_no_plan_put_in_the_place_of_an_approved_one_goes_out(tmp_path: Path) -> None:
    plan = plan_tampering.Plan(rounds=1, seed=2)

    outcome = await plan_tampering.plan_tampering(tmp_path / "home", plan)

    assert outcome.void is None
    assert outcome.violations == ()
    assert outcome.figures["unapproved_effects"] == 0
    assert outcome.figures["n"] == 3 * len(plan_tampering.PLACES)
