"""The small form of `prove duplicates-and-replays`."""

from __future__ import annotations

from pathlib import Path

from benchmarks.lib.ordeal import Load
from benchmarks.prove.duplicates_and_replays import Plan, duplicates_and_replays

SMALL = Plan(
    load=Load(tasks=6, servers=60, seed=4, delay_ms=250, lost_answers=0, patience_s=60),
    rounds=4,
    pause_s=0.4,
    times=2,
    replays=1,
)


async def test_what_is_said_again_has_no_second_effect_and_leaves_no_trace(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()

    verdict = await duplicates_and_replays(home, SMALL)

    assert verdict is not None
    assert verdict.violations == ()
    assert verdict.void is None
    assert verdict.figures["repeats_in_all"] > 1000  # type: ignore[operator]
