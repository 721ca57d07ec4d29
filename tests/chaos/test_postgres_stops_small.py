"""The small form of `prove postgres-stops`."""

from __future__ import annotations

from pathlib import Path

from smartops.contracts.catalogue import SERVICES

from benchmarks.lib.ordeal import Load
from benchmarks.lib.outages import Watched
from benchmarks.prove.postgres_stops import Plan, judge_absence, postgres_stops

SMALL = Plan(
    load=Load(tasks=8, servers=120, seed=5, delay_ms=250, lost_answers=0, patience_s=60),
    stop_s=2.0,
    restarts=1,
    outage_s=5.0,
    work_s=0.5,
    await_bus=False,
)


async def test_nothing_is_lost_or_parked_while_postgres_is_away(tmp_path: Path) -> None:
    verdict = await postgres_stops(tmp_path / "home", SMALL)

    assert verdict is not None
    assert verdict.violations == ()
    assert verdict.void is None
    assert verdict.figures["faults"] == {"stop": 1, "immediate-restart": 1, "outage": 1}


async def test_who_hammers_at_an_absent_database_is_noticed() -> None:
    away = _calm()
    away.attempts_per_s["runner"] = 20.0

    assert any(found.startswith("runner tried 20.0 times") for found in judge_absence(away))


async def test_who_stays_ready_without_a_database_is_noticed() -> None:
    away = _calm()
    away.ready.reasons["policy"] = {"bus"}

    assert judge_absence(away) == ["policy did not say at /ready that the database is away"]


async def test_a_pull_loop_that_does_not_rest_is_noticed() -> None:
    away = _calm()
    away.bus_messages_per_s = 3000.0

    assert judge_absence(away) == ["3000.0 messages a second while the database was away"]


def _calm() -> Watched:
    away = Watched(attempts_per_s=dict.fromkeys(SERVICES, 1.0), bus_messages_per_s=5.0)
    for name in SERVICES:
        away.ready.reasons[name].add("database")
    return away
