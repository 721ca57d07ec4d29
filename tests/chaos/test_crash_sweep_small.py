"""The small form of `prove crash-sweep`."""

from __future__ import annotations

from pathlib import Path

from benchmarks.lib.crash_points import POINTS
from benchmarks.prove import crash_sweep


async def test_a_gateway_that_dies_in_the_middle_of_calls_makes_nothing_happen_twice(
    tmp_path: Path,
) -> None:
    points = ("dispatch.before", "dispatch.after", "apply.before", "reply.before")
    plan = crash_sweep.Plan(rounds=1, together=1, points=points, patience_s=60)

    outcome = await crash_sweep.crash_sweep(tmp_path / "home", plan)

    assert outcome is not None
    assert outcome.violations == ()
    assert outcome.void is None
    assert (outcome.figures["n"], outcome.figures["crashes"]) == (12, 4)
    assert outcome.figures["settled_by_person"] == 3, "before the dispatch nothing is uncertain"
    assert set(points) < set(POINTS)
