"""Whether a soaked house stayed as it was: memory, what it holds, how fast it answers."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.lib.figures import percentile, rounded
from benchmarks.lib.soak_samples import MIB, NATS, Sample
from benchmarks.lib.steady_load import Ended
from benchmarks.lib.trends import Point, parts_of, slope

__all__ = ["Bars", "Found", "judge"]

HOUR_S = 3600.0
THIRDS = 3
POSTGRES = "postgres"
NEARLY = 0.98
FULL_AFTER_TASKS = 20_000
"""By then each cache has met more than it may keep."""

STEADY: dict[str, float] = {
    "open_files": 3,
    "threads": 2,
    "asyncio_tasks": 5,
    "connections": 2,
    "bus_connections": 2,
    "bus_subscriptions": 5,
    "outbox_rows": 200,
    "timer_rows": 50,
    "pending": 100,
    "unacknowledged": 100,
    "commands_waiting": 50,
    "projection_lag": 500,
    "small_tables_bytes": 16 * MIB,
}
"""Of what may be there at any time there must not be more and more: by how much the median of the
last third may exceed that of the middle third."""

WITH_TASKS = {"asyncio_tasks", "outbox_rows", "timer_rows", "pending", "unacknowledged"}
WITH_TASKS |= {"commands_waiting", "projection_lag"}
"""These rise with the tasks in flight, and those rise when something else takes the CPUs."""
MORE_TASKS = 1.5

NONE_AT_ALL = ("dead_letters", "parked")

PER_TASK = ("wal_bytes", "database_bytes", "bus_bytes", "events", "inbox_rows")
"""What grows by design, with every task."""

TOLD = ("asyncio_tasks", "remembered", "open_files", "threads", "swept", "small_tables_bytes")
TOLD_MORE = ("connections", "outbox_rows", "timer_rows", "pending", "unacknowledged", "redelivered")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """What is still as it was.

    Attributes:
        mb_per_hour: the slope of each part's own memory, at most, from a third of the time on, or
            from when all caches were full: what is private to a process, so that others who map
            the same files change nothing; of PostgreSQL, whose processes share its buffers, the
            PSS of all.
        filling_mb_per_hour: the same where caches were still being filled after two thirds of the
            time: what is between the two is not judged.
        nats_bytes_per_event: what nats-server may take on top of that, per event retained.
        latency: the median of the last third, at most so many times that of the first.
        quiet_cpus: CPUs that something else may take, on average over either of these thirds;
            beyond that latency says more about the others, and is not judged.
    """

    mb_per_hour: float = 10.0
    filling_mb_per_hour: float = 40_000.0
    nats_bytes_per_event: float = 700.0
    latency: float = 1.2
    quiet_cpus: float = 0.2


@dataclass(slots=True)
class Found:
    """What was seen, what of it is broken, and what could not be judged."""

    figures: dict[str, object] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)
    unjudged: list[str] = field(default_factory=list)


def judge(
    samples: Sequence[tuple[float, Sample]], ended: Sequence[Ended], seconds: float, bars: Bars
) -> Found:
    """Hold what was sampled under load against the bars.

    Args:
        samples: with their time in seconds from the begin of the load.
        ended: the tasks.
        seconds: how long there was load.
        bars: see `Bars`.
    """
    found = Found()
    series = _series(samples)
    _memory(series, len(ended), seconds, bars, found)
    _steady(series, seconds, found)
    _per_task(samples, ended, seconds, found)
    _latency(series, ended, seconds, bars, found)
    return found


def _series(samples: Sequence[tuple[float, Sample]]) -> dict[str, list[Point]]:
    series: dict[str, list[Point]] = {}
    for at, sample in samples:
        for name, value in sample.items():
            series.setdefault(name, []).append((at, value))
    return series


def _memory(
    series: dict[str, list[Point]], tasks: int, seconds: float, bars: Bars, found: Found
) -> None:
    full = _full_at(series)
    settled = full <= seconds * 2 / THIRDS
    begin = max(seconds / THIRDS, full) if settled else seconds / THIRDS
    found.figures["caches_full_after_s"] = round(full) if settled else None
    if not settled and tasks > FULL_AFTER_TASKS:
        found.violations.append(f"caches still grew after {full:.0f} s and {tasks} tasks")
    told: dict[str, dict[str, float | None]] = {}
    for name, points in series.items():
        kind, _, part = name.partition("/")
        if kind != ("pss_mb" if part == POSTGRES else "private_mb"):
            continue
        rise = _slope_from(begin, points)
        pss = series[f"pss_mb/{part}"]
        cell: dict[str, float | None] = {
            "pss_first_mb": rounded(pss[0][1], 1),
            "pss_last_mb": rounded(statistics.median(each[1] for each in pss[-5:]), 1),
            "mb_per_hour": rounded(rise * HOUR_S, 1),
        }
        told[part] = cell
        more = 0.0
        if part == NATS:
            events = _slope_from(begin, series["bus_messages"])
            cell["bytes_per_event"] = rounded(rise * MIB / events if events else None, 0)
            more = events * HOUR_S * bars.nats_bytes_per_event / MIB
            cell["allowed_mb_per_hour"] = rounded(bars.mb_per_hour + more, 1)
        grows = f"{part} grows by {rise * HOUR_S:.1f} MB per hour, the bar is at most"
        if rise * HOUR_S > (bars.mb_per_hour if settled else bars.filling_mb_per_hour) + more:
            found.violations.append(f"{grows} {bars.mb_per_hour + more:.1f}")
        elif rise * HOUR_S > bars.mb_per_hour + more:
            found.unjudged.append(
                f"{grows} {bars.mb_per_hour + more:.1f}; caches were not full yet"
            )
    found.figures["memory"] = told


def _full_at(series: dict[str, list[Point]]) -> float:
    """When the last of the caches held nearly all that it held at the end."""
    times = [0.0]
    for name, points in series.items():
        if name.partition("/")[0] == "remembered":
            times += [at for at, value in points if value < NEARLY * points[-1][1]]
    return max(times)


def _slope_from(begin: float, points: Sequence[Point]) -> float:
    return slope([point for point in points if point[0] >= begin])


def _steady(series: dict[str, list[Point]], seconds: float, found: Found) -> None:
    told: dict[str, dict[str, float]] = {}
    busy = [
        statistics.median(part) for part in parts_of(series["in_flight"], seconds, THIRDS) if part
    ]
    crowded = busy[-1] > MORE_TASKS * (1 + busy[len(busy) // 2])
    for name, points in series.items():
        kind = name.partition("/")[0]
        parts = [statistics.median(part) for part in parts_of(points, seconds, THIRDS) if part]
        if kind in TOLD or name in TOLD_MORE:
            told[name] = {
                "middle": round(parts[len(parts) // 2], 1),
                "last": round(parts[-1], 1),
                "max": round(max(value for _, value in points), 1),
            }
        if kind in NONE_AT_ALL and (most := max(value for _, value in points)):
            found.violations.append(f"{name}: up to {most:g}, there must be none")
        middle, last = parts[len(parts) // 2], parts[-1]
        if kind in STEADY and last - middle > STEADY[kind]:
            grows = (
                f"{name} grows: {middle:g} in the middle third, {last:g} in the last, "
                f"the bar is {STEADY[kind]:g} more"
            )
            if crowded and kind in WITH_TASKS:
                found.unjudged.append(f"{grows}; but more tasks were in flight")
            else:
                found.violations.append(grows)
    found.figures["holds"] = told


def _per_task(
    samples: Sequence[tuple[float, Sample]],
    ended: Sequence[Ended],
    seconds: float,
    found: Found,
) -> None:
    """By third, from its first sample to its last, over the tasks that ended between them."""
    ends = sorted(each.began_s + each.took_s for each in ended)
    told: dict[str, list[float | None]] = {}
    for part in range(THIRDS):
        low, high = seconds * part / THIRDS, seconds * (part + 1) / THIRDS
        within = [each for each in samples if low <= each[0] <= high]
        if len(within) < 2:
            continue
        (begin, before), (end, after) = within[0], within[-1]
        tasks = sum(begin < at <= end for at in ends)
        for name in PER_TASK:
            told.setdefault(name, []).append(
                rounded((after[name] - before[name]) / tasks, 1) if tasks else None
            )
        cpu = sum(sample["cpu_s"] for _, sample in within[1:])
        told.setdefault("cpu_ms", []).append(rounded(cpu * 1000 / tasks) if tasks else None)
    found.figures["per_task_by_third"] = told


def _latency(
    series: dict[str, list[Point]],
    ended: Sequence[Ended],
    seconds: float,
    bars: Bars,
    found: Found,
) -> None:
    points = [(each.began_s, each.took_s * 1000) for each in ended if each.kind == "reads"]
    thirds = parts_of(points, seconds, THIRDS)
    busy = [
        statistics.fmean(part) if part else 0.0
        for part in parts_of(series.get("other_cpus_busy", []), seconds, THIRDS)
    ]
    minutes = parts_of(points, seconds, max(1, round(seconds / 60)))
    found.figures["latency_of_reads_ms"] = {
        "p50_by_third": [rounded(percentile(part, 0.5), 1) for part in thirds],
        "p99_by_third": [rounded(percentile(part, 0.99), 1) for part in thirds],
        "p50_by_minute": [rounded(percentile(part, 0.5), 1) for part in minutes],
        "p99_by_minute": [rounded(percentile(part, 0.99), 1) for part in minutes],
        "other_cpus_busy_by_third": [round(each, 2) for each in busy],
    }
    first, last = percentile(thirds[0], 0.5), percentile(thirds[-1], 0.5)
    if first is None or last is None:
        found.unjudged.append("latency: too few tasks were carried out")
    elif max(busy[0], busy[-1]) > bars.quiet_cpus:
        found.unjudged.append(
            f"latency: something else kept {busy[0]:.2f} CPUs busy in the first third and "
            f"{busy[-1]:.2f} in the last, more than {bars.quiet_cpus:g}"
        )
    elif last > bars.latency * first:
        found.violations.append(
            f"half of the tasks took up to {first:.1f} ms in the first third and {last:.1f} ms in "
            f"the last, the bar is {bars.latency:g} times as long"
        )
