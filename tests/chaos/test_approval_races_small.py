"""The small form of `prove approval-races`."""

from __future__ import annotations

from pathlib import Path

from benchmarks.prove import approval_races


async def test_people_who_decide_at_once_come_to_one_outcome_and_nothing_else_runs(
    tmp_path: Path,
) -> None:
    plan = approval_races.Plan(rounds=24, seed=3, at_once=8, ttl_s=3.0)

    outcome = await approval_races.approval_races(tmp_path / "home", plan)

    assert outcome.violations == ()
    assert outcome.figures["runs_of_another_hash"] == 0
    assert outcome.figures["unsettled"] == 0
    outcomes = outcome.figures["outcomes_of_first_plans"]
    assert isinstance(outcomes, dict)
    # Of what seldom wins, so few rounds may have none: that is void for the proof, and not for us.
    assert {"granted", "rejected", "expired"} <= set(outcomes)
    assert sum(outcomes.values()) == plan.rounds
