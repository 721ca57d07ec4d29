"""The small form of `prove poison`."""

from __future__ import annotations

from pathlib import Path

from benchmarks.lib.poison import End
from benchmarks.prove.poison import Plan, poison

SMALL = Plan(seed=2, rate=40.0, windows=1, window_s=4.0, patience_s=30.0, strict=False)


async def test_poison_on_every_durable_is_given_up_and_harms_nobody(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()

    outcome = await poison(home, SMALL)

    assert outcome is not None
    assert outcome.violations == ()
    assert "empty" in outcome.figures["poison"]  # type: ignore[operator]
    wanted = outcome.figures["ends_wanted"]
    assert len(wanted) == outcome.figures["durables"]  # type: ignore[arg-type]
    assert all(ends[End.GIVEN_BACK] == 1 for ends in wanted.values())  # type: ignore[attr-defined]
