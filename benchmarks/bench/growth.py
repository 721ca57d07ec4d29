"""What a task costs must not depend on how many were done before it.

A log is filled with copies of a real task, to 1,000, 10,000, 100,000, ... stored tasks, as far as
the time given reaches. At each size the same work is measured on it and, in turns, on a log of its
own server that stays small: so a slow minute of the machine hits both.
"""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping

from smartops.devstack.servers import DEFAULT_SETTINGS
from smartops.runtime.process import settle_memory

from benchmarks.lib.experiment import Experiment, Outcome, progress
from benchmarks.lib.growth_probes import probe
from benchmarks.lib.home import scratch_home
from benchmarks.lib.log_filling import (
    CHUNK,
    chain_problem,
    fill,
    prepare_filling,
    stored_tasks,
)
from benchmarks.lib.machine import machine
from benchmarks.lib.quiet import quiet
from benchmarks.lib.scratch_log import ScratchLog, scratch_log

__all__ = ["GROWTH"]

AT_MOST = 1.3
"""The bar: the median append at the largest size, as a multiple of that on the small log."""

SMALL = 1_000
LOOKS = 5
"""Rounds of measuring per size, in turns between the two logs."""
SETTLE_S = 25.0
"""What measuring a size takes beside filling, vacuum included; corrected as it goes."""
WORTH = 1.5
"""A last size that the time cuts short must at least be so many times the one before."""
SLOWER = 0.7
"""The rate of the next filling, as a share of the last: the indexes outgrow the memory."""
FIRST_RATE = 1_000.0
"""Tasks filled per second, before there was a filling."""
FILLING_SHARE = 0.8
"""Of the time left for a size: the rest goes into vacuum and into writing the pages out."""
FILLING = {"max_wal_size": "16GB", "shared_buffers": "3GB"}
"""While filling: else each page is written out again and again."""
_RATIOS = (
    "append_p50_ms",
    "postgres_cpu_us_per_unit",
    "sweep_p50_ms",
    "due_timers_p50_ms",
    "audit_us_per_event",
)


def _options(parser: ArgumentParser) -> None:
    parser.add_argument("--minutes", type=float, default=8, help="for all of it")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000, 1_000_000])
    parser.add_argument(
        "--shared-buffers",
        default=DEFAULT_SETTINGS["shared_buffers"],
        help="while measuring; those of the embedded stack are soon smaller than the indexes",
    )
    parser.add_argument("--quiet", type=float, default=20, help="seconds to wait for others' end")


async def _run(options: Namespace) -> Outcome:
    end = time.monotonic() + 60 * options.minutes
    settings = {"shared_buffers": options.shared_buffers}
    figures: dict[str, object] = {
        "sizes_wanted": options.sizes,
        "minutes": options.minutes,
        "settings": settings,
        "machine": machine(),
    }
    curve: list[dict[str, object]] = []
    broken: list[str] = []
    with scratch_home() as home:
        for name in ("small", "large"):
            (home / name).mkdir()
            async with scratch_log(home / name, FILLING) as log:
                await prepare_filling(log)
                await _fill_to(log, min(SMALL, *options.sizes), end)
                await _settle(log)
                problem = await chain_problem(log)
                if problem is not None:
                    broken.append(f"the filled log is not a valid one: {problem}")
        settle_memory()
        async with scratch_log(home / "small", settings) as small:
            per_size, rate = SETTLE_S, FIRST_RATE
            for size in options.sizes:
                began = time.monotonic()
                async with scratch_log(home / "large", FILLING) as large:
                    stored = await stored_tasks(large)
                    left = end - began - per_size
                    filling = FILLING_SHARE * max(0.0, left)
                    reach = round(stored + filling * rate, -3)
                    if curve and reach < min(size, WORTH * stored):
                        progress(f"{size} tasks do not fit into the time that is left")
                        break
                    await _fill_to(large, size, began + filling)
                    reached = await stored_tasks(large)
                    await _settle(large)
                filled_at = time.monotonic()
                if reached - stored > CHUNK:
                    rate = SLOWER * (reached - stored) / (filled_at - began)
                async with scratch_log(home / "large", settings) as large:
                    curve.append(await _point(small, large, options))
                per_size = max(SETTLE_S, 1.5 * (time.monotonic() - filled_at))
                if reached < size:
                    break
    figures["curve"] = curve
    largest = curve[-1]
    figures["stored_tasks"] = largest["stored_tasks"]
    ratio = float(str(largest["append_p50_ratio"]))
    figures["append_p50_ratio"] = ratio
    if ratio > AT_MOST:
        broken.append(
            f"at {largest['stored_tasks']} tasks an append takes {ratio:g} times what it takes at "
            f"{SMALL}, the bar is at most {AT_MOST:g}"
        )
    return Outcome(figures, tuple(broken))


async def _point(small: ScratchLog, large: ScratchLog, options: Namespace) -> dict[str, object]:
    before = await quiet(options.quiet)
    stored, control = await stored_tasks(large), await stored_tasks(small)
    events = await large.head()
    progress(f"measuring at {stored} tasks; {before} CPUs busy before")
    async with probe(small) as low, probe(large) as high:
        for _ in range(LOOKS):
            await low.look()
            await high.look()
    these, those = high.figures(), low.figures()
    size = await large.admin.fetchval("select pg_database_size(current_database())")
    return {
        "stored_tasks": stored,
        "events": events,
        "gib": round(size / 1024**3, 2),
        "cpus_busy_before": before,
        **these,
        "control": {"stored_tasks": control, **those},
        **{
            f"{name.rsplit('_', 1)[0] if name.endswith('_ms') else name}_ratio": _ratio(
                these, those, name
            )
            for name in _RATIOS
        },
    }


def _ratio(
    these: Mapping[str, float | None], those: Mapping[str, float | None], name: str
) -> float:
    return round((these[name] or 0.0) / (those[name] or float("nan")), 2)


async def _fill_to(log: ScratchLog, size: int, end: float) -> None:
    """Up to this number of tasks, or until there is no time left."""
    stored = await stored_tasks(log)
    told = stored
    while stored < size and time.monotonic() < end:
        more = min(CHUNK, size - stored)
        await fill(log, more)
        stored += more
        if stored - told >= 20 * CHUNK:
            told = stored
            progress(f"{stored} tasks stored")


async def _settle(log: ScratchLog) -> None:
    """What autovacuum and the checkpointer would do sooner or later, before measuring."""
    await log.admin.execute("vacuum analyze")
    await log.admin.execute("checkpoint")


GROWTH = Experiment(
    "growth",
    "what an append, sweep, timer and audit cost as the log grows; bar on the median append",
    _options,
    _run,
)
