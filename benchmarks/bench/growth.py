"""What a task costs must not depend on how many were done before it.

A log is filled with copies of a real task, to 1,000, 10,000, 100,000 and 1,000,000 stored tasks. At
each size the same work is measured on it and, in turns, on a log of its own server that stays
small, so that a slow minute of the machine hits both: what each user of the log does, step by step,
and whole tasks done by the whole house. Table rows read are counted too: they know no slow minute.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from argparse import ArgumentParser, Namespace
from pathlib import Path

from smartops.devstack.servers import DEFAULT_SETTINGS
from smartops.runtime.process import settle_memory

from benchmarks.lib.experiment import Experiment, Outcome, progress
from benchmarks.lib.figures import rounded
from benchmarks.lib.growth_bars import judge_growth, ratios
from benchmarks.lib.growth_house import tasks_in_the_house
from benchmarks.lib.growth_probes import probe
from benchmarks.lib.home import disk_gb, scratch_home
from benchmarks.lib.log_filling import (
    CHUNK,
    chain_problem,
    fill,
    prepare_filling,
    stored_tasks,
)
from benchmarks.lib.log_reads import blocks_per_look_up, rows_read
from benchmarks.lib.machine import machine
from benchmarks.lib.quiet import quiet
from benchmarks.lib.scratch_log import ScratchLog, scratch_log

__all__ = ["GROWTH"]

SMALL = 1_000
LOOKS = 5
"""Rounds of measuring per size, in turns between the two logs."""
HOUSE_LOOKS = 2
UNSETTLED = 0.02
"""Of each size, added after vacuum and statistics: between two of them there is always some."""
STATE_BYTES = 500
"""Of each copied state, half of what real ones have, so that a million tasks fit into 40 GB. The
indexes are as large as ever, and appends touch no old page of the table."""
FILLING = {
    "max_wal_size": "2GB",
    "shared_buffers": "6GB",
    "maintenance_work_mem": "1GB",
    # What is filled in is flushed at the end of filling; a crash meanwhile means to begin again.
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "autovacuum": "off",
}


def _options(parser: ArgumentParser) -> None:
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--minutes", type=float, default=60, help="to fill; sizes beyond are left")
    parser.add_argument("--max-gb", type=float, default=40, help="of disk; likewise")
    parser.add_argument("--state-bytes", type=int, default=STATE_BYTES, help="0: whole states")
    parser.add_argument(
        "--alone", type=int, default=100, help="whole tasks one at a time, per look"
    )
    parser.add_argument("--crowd", type=int, default=400, help="whole tasks with 32 in flight")
    parser.add_argument("--seed", type=int, default=1, help="of the old tasks that are read")
    parser.add_argument(
        "--shared-buffers",
        default=DEFAULT_SETTINGS["shared_buffers"],
        help="while measuring; those of the embedded stack are soon smaller than the indexes",
    )
    parser.add_argument("--quiet", type=float, default=20, help="seconds to wait for others' end")


async def _run(options: Namespace) -> Outcome:
    end = time.monotonic() + 60 * options.minutes
    figures: dict[str, object] = {
        "sizes_wanted": options.sizes,
        "n": {"looks": LOOKS, "house_looks": HOUSE_LOOKS, "alone": options.alone},
        "crowd": options.crowd,
        "state_bytes": options.state_bytes,
        "shared_buffers": options.shared_buffers,
        "machine": machine(),
    }
    curve: list[dict[str, object]] = []
    broken: list[str] = []
    void: list[str] = []
    with scratch_home() as home:
        for name in ("small", "large"):
            (home / name).mkdir()
            await _begin(home / name, min(SMALL, *options.sizes), options, broken)
        settle_memory()
        for size in options.sizes:
            if not await _fill_to(home / "large", size, end, options.max_gb):
                void.append(f"{size} tasks did not fit into the time or the disk")
                break
            curve.append(await _point(home, options))
    figures["curve"] = curve
    judge_growth(curve, broken, void)
    return Outcome(figures, tuple(broken), "; ".join(void) or None)


async def _begin(home: Path, size: int, options: Namespace, broken: list[str]) -> None:
    """A log with its first tasks.

    A house uses it before it is filled: services register their handlers then, and note how far
    the event stream has come. Else they would look through, and publish, all that is filled in.
    """
    async with scratch_log(home, FILLING) as log:
        await prepare_filling(log, options.state_bytes or None)
    await tasks_in_the_house(home, {}, 1, 1, 1)
    async with scratch_log(home, FILLING) as log:
        await fill(log, size)
        await _settle(log)
        problem = await chain_problem(log)
        if problem is not None:
            broken.append(f"the filled log is not a valid one: {problem}")


async def _fill_to(home: Path, size: int, end: float, max_gb: float) -> bool:
    """Up to this number of tasks, the last few after vacuum; False: there is no time, or disk."""
    async with scratch_log(home, FILLING) as log:
        stored = told = await stored_tasks(log)
        settled = False
        began, before = time.monotonic(), stored
        while stored < size:
            if not settled and stored >= (1 - UNSETTLED) * size:
                await _settle(log)
                settled = True
            more = min(CHUNK, size - stored)
            if not settled:
                more = min(more, max(1, round((1 - UNSETTLED) * size) - stored))
            if time.monotonic() > end or disk_gb(home) > max_gb:
                return False
            await fill(log, more)
            stored += more
            if stored - told >= 20 * CHUNK:
                told = stored
                rate = (stored - before) / (time.monotonic() - began)
                progress(f"{stored} tasks, {disk_gb(home):.1f} GB, {rate:.0f} tasks/s")
        if not settled:
            await _settle(log)
        await log.admin.execute("checkpoint")
    await asyncio.to_thread(os.sync)  # Filling did not wait for the disk.
    return True


async def _point(home: Path, options: Namespace) -> dict[str, object]:
    settings = {"shared_buffers": options.shared_buffers}
    before = await quiet(options.quiet)
    figures: dict[str, dict[str, float | None]] = {"small": {}, "large": {}}
    shape: dict[str, object] = {}
    async with (
        scratch_log(home / "small", settings) as small,
        scratch_log(home / "large", settings) as large,
    ):
        shape = {
            "stored_tasks": await stored_tasks(large),
            "events": await large.head(),
            "gb": round(disk_gb(home / "large"), 1),
            "cpus_busy_before": before,
        }
        progress(f"measuring at {shape['stored_tasks']} tasks; {before} CPUs busy before")
        logs = {"small": small, "large": large}
        reads = {name: await rows_read(log.admin) for name, log in logs.items()}
        for log in logs.values():
            await log.admin.execute("select setseed($1)", options.seed / 1000)
        async with probe(small) as low, probe(large) as high:
            for _ in range(LOOKS):
                await low.look()
                await high.look()
        for name, look in (("small", low), ("large", high)):
            log = logs[name]
            rows = await rows_read(log.admin) - reads[name]
            figures[name] = {
                "stored_tasks": await stored_tasks(log),
                **look.figures(),
                "rows_read_per_unit": rounded(rows / look.units),
                **{f"blocks_{k}": v for k, v in (await blocks_per_look_up(log.admin)).items()},
            }
    house: dict[str, list[dict[str, float | None]]] = {"small": [], "large": []}
    for _ in range(HOUSE_LOOKS):
        for name, found in house.items():
            found.append(
                await tasks_in_the_house(home / name, settings, options.alone, options.crowd, 32)
            )
            progress(f"{name}: {found[-1]}")
    for name, found in house.items():
        figures[name] |= {
            key: rounded(statistics.median(float(each[key] or 0) for each in found))
            for key in found[0]
        }
    return {
        **shape,
        **figures["large"],
        "stored_tasks": shape["stored_tasks"],
        "control": figures["small"],
        "ratios": ratios(figures["large"], figures["small"]),
    }


async def _settle(log: ScratchLog) -> None:
    """What autovacuum would have done by then."""
    progress("vacuum")
    await log.admin.execute("vacuum (analyze, parallel 2)")


GROWTH = Experiment(
    "growth",
    "what tasks, appends and reads cost as the log grows to 1,000,000 tasks; bars on growth",
    _options,
    _run,
)
