"""The small form of `prove zombies`."""

from __future__ import annotations

from pathlib import Path

from benchmarks.prove import zombies


async def test_a_gateway_that_stood_still_past_its_deadlines_makes_nothing_happen_twice(
    tmp_path: Path,
) -> None:
    # Shorter cannot be: a call has five seconds, and its sender one more to say what became of it.
    plan = zombies.Plan(
        rounds=1,
        together=1,
        doubles=0,
        places=("send.before",),
        still_s=(7.0, 7.0),
        runner_s=(1.0, 2.0),
    )

    outcome = await zombies.zombies(tmp_path / "home", plan)

    assert outcome is not None
    assert outcome.void is None
    assert outcome.violations == ()
    assert outcome.figures["double_effects"] == 0
    assert outcome.figures["n"] in {2, 3}, "of three calls, one gateway has two at least"
