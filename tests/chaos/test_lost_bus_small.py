"""The small forms of `prove nats-loss` and `prove stale-nats-restore`."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.lib.ordeal import Load
from benchmarks.prove.lost_bus import Plan, lost_bus

LOAD = Load(tasks=6, servers=80, seed=5, delay_ms=500, lost_answers=0, patience_s=60)


@pytest.mark.parametrize("stale", [False, True], ids=["wiped", "an old copy"])
async def test_no_promise_breaks_when_the_bus_forgets(tmp_path: Path, *, stale: bool) -> None:
    plan = Plan(load=LOAD, rounds=1, stale=stale, work_s=0.5, await_bus=False)
    verdict = await lost_bus(tmp_path / "home", plan)
    assert verdict is not None
    assert verdict.violations == ()
    assert verdict.figures["events_missing_in_stream"] == 0
    assert len(verdict.evidence.accepted) >= LOAD.tasks
