"""The small form of `prove kill-lottery`, and what the lottery itself promises."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import cast

import pytest

from benchmarks.lib import lottery as lottery_module
from benchmarks.lib.lottery import POSTGRES_WAYS, Lottery
from benchmarks.lib.ordeal import Load
from benchmarks.lib.supervised import Wards
from benchmarks.prove.kill_lottery import Plan, kill_lottery

SMALL = Plan(
    load=Load(tasks=8, servers=120, seed=3, delay_ms=250, lost_answers=0, patience_s=60),
    kills=3,
    kinds=("tool_gateway", "nats-server", "postgres"),
    every_s=2.0,
    await_bus=False,
)


async def test_no_promise_breaks_when_several_are_down_at_a_time(tmp_path: Path) -> None:
    outcome = await kill_lottery(tmp_path / "home", SMALL)

    assert outcome is not None
    assert outcome.violations == ()
    assert outcome.void is None
    once = dict.fromkeys(POSTGRES_WAYS, 1)
    assert outcome.figures["kills"] == {"tool_gateway": 3, "nats-server": 3, **once}


class _Parts:
    """Parts that come back after a while, or never; notes who is down at the same time."""

    def __init__(self, *, stay_away: str | None = None) -> None:
        self.stay_away = stay_away
        self.down: set[str] = set()
        self.killed: list[str] = []
        self.twice = False

    def kill(self, name: str) -> int:
        self.twice |= name in self.down
        self.down.add(name)
        self.killed.append(name)
        return 1

    async def back(self, name: str, restart: int) -> float:
        await asyncio.sleep(60 if name == self.stay_away else 0.02)
        self.down.discard(name)
        return float(restart)


def _lottery(parts: _Parts, enough: asyncio.Event) -> Lottery:
    return Lottery(cast("Wards", parts), 1, 0.01, lambda: 5, enough)


async def test_a_kind_is_not_killed_again_before_it_has_served_again() -> None:
    parts, enough = _Parts(), asyncio.Event()
    lottery = _lottery(parts, enough)

    await lottery.run(["planner", "policy"], 3)

    assert not parts.twice
    assert sorted(parts.killed) == ["planner"] * 3 + ["policy"] * 3
    assert all(kill.back_at is not None for kill in lottery.kills)
    assert enough.is_set()


async def test_a_part_that_does_not_come_back_ends_the_lottery_and_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lottery_module, "BACK_S", 0.05)
    lottery = _lottery(_Parts(stay_away="policy"), asyncio.Event())

    await lottery.run(["planner", "policy"], 1000)

    assert lottery.broken == ["policy did not serve again within 0.05 s"]
    assert len(lottery.kills) < 1000
