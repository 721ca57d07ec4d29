"""The ceiling of the one lock that all appends take, with ever more writers and ever slower disks.

So many processes, each with many units in flight over an event store of its own, append for a few
seconds; each commit is made slower by so many milliseconds, slept inside the flush while the
append's lock is held. More processes must not lower what all of them get stored.

The ceiling is what full batches reach, `ceiling` below: 256 units for each time that the lock is
held, and it is held for the delay, the flush and the statement itself. A slow disk is felt once per
batch, whatever the number of writers: they queue, and what queues shares the next batch.
"""

from __future__ import annotations

import statistics
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path

from smartops.contracts.catalogue import PLANNER
from smartops.eventstore.limits import MAX_BATCH_UNITS

from benchmarks.lib.append_writer import EVENTS_PER_UNIT, STATE_BYTES
from benchmarks.lib.commit_floors import (
    bare_commits,
    commits_under_lock,
    fsyncs_per_s,
    slow_commits,
)
from benchmarks.lib.experiment import Experiment, Outcome, progress
from benchmarks.lib.figures import percentile, rounded
from benchmarks.lib.home import scratch_home
from benchmarks.lib.lock_watch import LockWatch
from benchmarks.lib.machine import machine
from benchmarks.lib.processes import LOADGEN, CpuMeter
from benchmarks.lib.quiet import quiet
from benchmarks.lib.scratch_log import ScratchLog, scratch_log
from benchmarks.lib.writers import Writer, writers

__all__ = ["APPEND", "not_slow"]

KEPT = 0.9
"""The bar: the most processes store at least this share of the best of the others, per delay."""

SETTINGS = {"max_wal_size": "8GB"}
"""Else a checkpoint falls into some of the rounds, and its page images are what is measured."""

CEILING = {"processes": 4, "in_flight": MAX_BATCH_UNITS}
"""Of each delay: what full batches reach, whatever their units have to wait."""

FLOOR_S = 0.5
SLACK = 1.05
"""By how much more often than the delay allows commits may be counted: rounding."""
OTHER_CPUS = 0.3
"""What else may be at work; beyond that a missed bar is void, not broken."""

Cell = dict[str, float | None]


def _options(parser: ArgumentParser) -> None:
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--delays", type=float, nargs="+", default=[0, 1, 2, 5], metavar="MS")
    parser.add_argument("--in-flight", type=int, default=64, help="units, per process")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each round")
    parser.add_argument("--rounds", type=int, default=5, help="per delay and number, in turns")
    parser.add_argument("--quiet", type=float, default=60, help="seconds to wait for others' end")


async def _run(options: Namespace) -> Outcome:
    figures: dict[str, object] = {
        "unit": {"events": EVENTS_PER_UNIT, "state_bytes": STATE_BYTES, "triggers": 1},
        "in_flight_per_process": options.in_flight,
        "ceiling": CEILING,
        "n": {"seconds": options.seconds, "rounds": options.rounds},
        "delay": "commit_delay, with commit_siblings = 0",
        "settings": SETTINGS,
        "machine": machine(),
    }
    broken: list[str] = []
    void = None
    with scratch_home() as home:
        async with scratch_log(home, SETTINGS) as log:
            most = max(options.processes)
            progress(f"starting {most} writers")
            async with writers("append_writer", most, log.dsn(PLANNER)) as crowd:
                figures["cpus_busy_before"] = await quiet(options.quiet)
                await _load(log, crowd[:1], options.in_flight, 1.0)  # Warms up.
                by_delay: dict[str, object] = {}
                for delay in options.delays:
                    await slow_commits(log.admin, delay)
                    floor = await _floor(log, home)
                    cells = await _cells(log, crowd, options, delay)
                    by_delay[f"{delay:g}"] = {"floor": floor, **cells}
                    void = void or not_slow(delay, floor, cells)
                    missed = _missed(delay, cells)
                    if missed and (busy := _disturbed(cells)) > OTHER_CPUS:
                        void = void or f"{missed}; but something else kept {busy:g} CPUs busy"
                    elif missed:
                        broken.append(missed)
                figures["by_delay_ms"] = by_delay
    return Outcome(figures, tuple(broken), void)


async def _floor(log: ScratchLog, home: Path) -> dict[str, float]:
    per_s, p50 = await bare_commits(log.server.dsn(), FLOOR_S)
    one, two = [await commits_under_lock(log.server.dsn(), count, FLOOR_S) for count in (1, 2)]
    return {
        "fsyncs_per_s": round(fsyncs_per_s(home, FLOOR_S)),
        "bare_commits_per_s": round(per_s),
        "commit_p50_ms": round(p50, 3),
        "commits_under_lock_per_s_by_one": round(one),
        "commits_under_lock_per_s_by_two": round(two),
    }


async def _cells(
    log: ScratchLog, crowd: Sequence[Writer], options: Namespace, delay: float
) -> dict[str, Cell]:
    """The figures by number of processes; in turns, there and back, so that a mood hits all."""
    wanted = {str(count): (count, options.in_flight) for count in options.processes}
    wanted["ceiling"] = (CEILING["processes"], CEILING["in_flight"])
    rounds: dict[str, list[Cell]] = {name: [] for name in wanted}
    for number in range(options.rounds):
        order = list(wanted)
        for name in order if number % 2 == 0 else reversed(order):
            count, in_flight = wanted[name]
            await log.admin.execute("checkpoint")
            found = await _load(log, crowd[:count], in_flight, options.seconds)
            progress(f"+{delay:g} ms, {name}: {found['units_per_s']:g} units/s")
            rounds[name].append(found)
    return {name: _middle(found) for name, found in rounds.items()}


async def _load(log: ScratchLog, crowd: Sequence[Writer], in_flight: int, seconds: float) -> Cell:
    roots = {f"writer {writer.pid}": writer.pid for writer in crowd}
    watch = await LockWatch.begin(log.server.dsn())
    meter = CpuMeter({"postgres": log.server.pid, **roots}).begin()
    for writer in crowd:
        writer.tell(seconds=seconds, in_flight=in_flight)
    answers = [await writer.answer() for writer in crowd]
    meter.end()
    held, waiting = await watch.end()
    wall = max(each["end_s"] for each in answers) - min(each["begin_s"] for each in answers)
    units = sum(answer["units"] for answer in answers)
    batches = sum(answer["batches"] for answer in answers)
    took = [each * 1000 for answer in answers for each in answer["took_s"]]
    postgres, loadgen = meter.used["postgres"], meter.used[LOADGEN]
    python = sum(meter.used.values()) - postgres - loadgen
    return {
        "units_per_s": round(units / wall),
        "events_per_s": round(units * EVENTS_PER_UNIT / wall),
        "p50_ms": rounded(percentile(took, 0.5)),
        "p99_ms": rounded(percentile(took, 0.99)),
        "units_per_commit": round(units / batches, 1),
        "commits_per_s": round(batches / wall),
        "lock_held": rounded(held),
        "lock_waiting": rounded(waiting, 1),
        "lock_held_ms_per_commit": rounded(held * wall * 1000 / batches),
        "units_per_s_if_always_held": round(units / wall / held) if held else None,
        "postgres_cpu_us_per_unit": round(postgres * 1e6 / units, 1),
        "python_cpu_us_per_unit": round(python * 1e6 / units, 1),
        "cpus_busy": rounded((postgres + python) / meter.wall),
        "other_cpus_busy": round(meter.others, 2),
    }


def _middle(found: Sequence[Cell]) -> Cell:
    """The median of each figure; of what the bar is about, and of what disturbs, the extremes."""
    values = {
        name: rounded(statistics.median(float(each[name] or 0) for each in found))
        for name in found[0]
    }
    rates = [float(each["units_per_s"] or 0) for each in found]
    return {
        **values,
        "units_per_s_min": min(rates),
        "units_per_s_max": max(rates),
        "other_cpus_busy": max(float(each["other_cpus_busy"] or 0) for each in found),
    }


def not_slow(delay: float, floor: dict[str, float], cells: dict[str, Cell]) -> str | None:
    """Why commits were not what they should have been; None: each waited, and under the lock."""
    if not delay:
        return None
    most = SLACK * 1000 / delay
    counted = {name: float(cell["commits_per_s"] or 0) for name, cell in cells.items()}
    counted["two bare ones"] = floor["commits_under_lock_per_s_by_two"]
    fast = {name: rate for name, rate in counted.items() if rate > most}
    if floor["commit_p50_ms"] >= delay and not fast:
        return None
    return f"commits were not {delay:g} ms slower under the lock: {fast or floor}"


def _missed(delay: float, cells: dict[str, Cell]) -> str | None:
    rates = {
        int(count): float(cell["units_per_s"] or 0)
        for count, cell in cells.items()
        if count.isdigit()
    }
    most = max(rates)
    others = [rate for count, rate in rates.items() if count != most]
    if not others or rates[most] >= KEPT * max(others):
        return None
    return (
        f"+{delay:g} ms: {most} processes store {rates[most]:g} units/s, "
        f"fewer store {max(others):g}: the bar is {KEPT:g} of that"
    )


def _disturbed(cells: dict[str, Cell]) -> float:
    """CPUs that something else took in the worst round."""
    return max(float(cell["other_cpus_busy"] or 0) for cell in cells.values())


APPEND = Experiment(
    "append",
    "the ceiling of the one lock: 1, 4, 16 processes, commits 0 to 5 ms slower; bar: no collapse",
    _options,
    _run,
)
