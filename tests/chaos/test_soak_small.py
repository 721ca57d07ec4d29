"""The small form of `bench soak`: a house that leaks is told from one that does not."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.bench.soak import Plan, soak
from benchmarks.lib.soak_bars import Bars, Found, judge
from benchmarks.lib.soak_samples import MIB, Sample
from benchmarks.lib.steady_load import SHARES, Ended
from benchmarks.lib.trends import slope

MINUTE_S = 60.0
SECONDS = 30 * MINUTE_S
EVENTS_PER_S = 720.0
HOUR_S = 3600.0


def soaked(
    changed: dict[str, Callable[[float], float]] | None = None,
    took_s: Callable[[float], float] = lambda _: 0.05,
    other_cpus: float = 0.0,
    tasks: int = 40_000,
) -> Found:
    """Half an hour of a house that is as it should be, but for what is changed."""
    noise = random.Random(1)
    kinds: dict[str, Callable[[float], float]] = {
        "pss_mb/runner": lambda _: 70 + noise.uniform(-1, 1),
        "private_mb/runner": lambda _: 60 + noise.uniform(-1, 1),
        "pss_mb/nats": lambda at: 60 + at * EVENTS_PER_S * 450 / MIB + noise.uniform(-20, 20),
        "private_mb/nats": lambda at: 50 + at * EVENTS_PER_S * 450 / MIB + noise.uniform(-20, 20),
        "pss_mb/postgres": lambda _: 110 + noise.uniform(-3, 3),
        "remembered/runner": lambda at: min(10_000, at * 40),
        "asyncio_tasks/runner": lambda _: 30 + noise.uniform(-3, 3),
        "outbox_rows": lambda _: noise.uniform(0, 60),
        "timer_rows": lambda _: noise.uniform(0, 5),
        "dead_letters": lambda _: 0,
        "in_flight": lambda _: 3,
        "bus_messages": lambda at: at * EVENTS_PER_S,
        "other_cpus_busy": lambda _: other_cpus,
        "cpu_s": lambda _: 4.0,
        **{name: lambda at: at * 40 for name in ("wal_bytes", "database_bytes", "bus_bytes")},
        **{name: lambda at: at * 400 for name in ("events", "inbox_rows")},
    }
    kinds |= changed or {}
    samples: list[tuple[float, Sample]] = [
        (at, {name: value(at) for name, value in kinds.items()})
        for at in (10.0 * number for number in range(1, 181))
    ]
    times = [number * SECONDS / tasks for number in range(tasks)]
    ended = [Ended(at, "reads", took_s(at)) for at in times]
    return judge(samples, ended, SECONDS, Bars())


def test_a_house_that_stays_as_it_was_is_kept() -> None:
    found = soaked()
    assert (found.violations, found.unjudged) == ([], [])


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("private_mb/runner", lambda at: 60 + at * 15 / HOUR_S, "runner grows by 15.0 MB"),
        ("pss_mb/postgres", lambda at: 110 + at * 15 / HOUR_S, "postgres grows by 15.0 MB"),
        ("private_mb/nats", lambda at: 60 + at * EVENTS_PER_S * 900 / MIB, "nats grows"),
        ("asyncio_tasks/runner", lambda at: 30 + at / 60, "asyncio_tasks/runner grows"),
        ("outbox_rows", lambda at: at, "outbox_rows grows"),
        ("timer_rows", lambda at: at * 40, "timer_rows grows"),
        ("dead_letters", lambda at: float(at > 1000), "dead_letters: up to 1"),
    ],
)
def test_what_grows_is_named(name: str, value: Callable[[float], float], told: str) -> None:
    [violation] = soaked({name: value}).violations
    assert violation.startswith(told)


def test_caches_that_fill_up_in_the_first_third_are_no_leak() -> None:
    filling = {"private_mb/runner": lambda at: 40 + min(at, SECONDS / 3) / 20}
    assert soaked(filling).violations == []


def test_memory_is_judged_from_when_caches_are_full_and_not_before() -> None:
    late = {
        "remembered/runner": lambda at: min(10_000, at * 10),
        "private_mb/runner": lambda at: 40 + min(at, 1_000) / 20,
    }
    assert soaked(late).violations == []
    leaking = {**late, "private_mb/runner": lambda at: 40 + min(at, 1_000) / 20 + at / 200}
    [violation] = soaked(leaking).violations
    assert violation.startswith("runner grows by 18.0 MB")


def test_a_run_in_which_caches_are_never_full_shows_nothing() -> None:
    growing = {"remembered/runner": lambda at: at, "private_mb/runner": lambda at: 40 + at / 20}
    few = soaked(growing, tasks=1_000)
    assert few.violations == []
    assert [each.partition(" MB")[0] for each in few.unjudged] == ["runner grows by 180.0"]
    [violation] = soaked(growing).violations
    assert violation.startswith("caches still grew")


def test_a_house_that_gets_slower_is_told_unless_others_may_be_the_cause() -> None:
    def slower(at: float) -> float:
        return 0.05 * (1 + 0.5 * at / SECONDS)

    [violation] = soaked(took_s=slower).violations
    assert violation.startswith("half of the tasks took up to 54")
    busy = soaked(took_s=slower, other_cpus=0.5)
    assert busy.violations == []
    assert len(busy.unjudged) == 1


def test_what_rises_with_the_tasks_in_flight_is_not_held_against_the_house() -> None:
    rising = {"outbox_rows": lambda at: at, "in_flight": lambda at: 3 + at / 10}
    found = soaked(rising)
    assert found.violations == []
    assert found.unjudged[0].startswith("outbox_rows grows")


def test_single_outliers_are_no_trend() -> None:
    points = [(float(at), 50.0) for at in range(100)]
    for at in range(80, 100):
        points[at] = (float(at), 500.0)
    assert slope(points) == 0


async def test_a_service_that_leaks_is_told_from_those_that_do_not(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    plan = Plan(seconds=9, rate=10, every_s=0.5, seed=3, leaks={"runner": 800_000})

    outcome = await soak(home, plan)

    assert outcome is not None
    tasks = outcome.figures["tasks"]
    assert isinstance(tasks, dict)
    assert set(tasks) == {"submitted", *SHARES}
    assert tasks["submitted"] == sum(tasks[kind] for kind in SHARES)
    assert [each.partition(" by ")[0] for each in outcome.violations] == ["runner grows"]
