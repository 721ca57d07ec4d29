"""The yardstick: what one small task costs from intent to end, in time, CPU and memory.

submit an intent -> a plan of three steps -> approval required -> approved by another person's
credential -> three steps, one after the other -> completed. Everything runs as in production:
processes of their own, fsync on both servers, permissions, policy, audit.
"""

from __future__ import annotations

import argparse
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from smartops.contracts.catalogue import AUDIT, SERVICES
from smartops.devstack.stack import Stack, StackOptions, running_stack

from benchmarks.lib.bus_floors import bus_floors
from benchmarks.lib.experiment import Experiment, Outcome, progress
from benchmarks.lib.figures import percentile, rounded
from benchmarks.lib.home import scratch_home
from benchmarks.lib.machine import machine, versions
from benchmarks.lib.metering import Metering
from benchmarks.lib.ops_tasks import Context, OpsTasks, noop_context, noop_write_context
from benchmarks.lib.processes import own_memory_mb, proportional_memory_mb, roots_of
from benchmarks.lib.quiet import quiet
from benchmarks.lib.store_floors import store_floors

__all__ = ["OPS_TASK", "OPS_TASK_WRITE"]

AT_MOST = {"p50_ms": 15.0, "pss_mb": 600.0}
AT_LEAST = {"tasks_per_s": 200.0}
"""The bars of `ops-task`."""

FLOOR_ROUNDS = 500


def _options(parser: ArgumentParser) -> None:
    parser.add_argument("--warm-up", type=int, default=20, help="tasks that are not measured")
    parser.add_argument("--sequential", type=int, default=200, help="tasks one at a time")
    parser.add_argument("--tasks", type=int, default=2000, help="tasks for the throughput")
    parser.add_argument("--in-flight", type=int, default=64, help="of those, at once")
    parser.add_argument("--seed", type=int, default=1)
    # No task is done without the others; the gateway is not even ready without policy.
    parser.add_argument("--without", action="append", default=[], choices=[AUDIT])
    parser.add_argument("--bars", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--floors", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--restart", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--quiet", type=float, default=30, help="seconds to wait for others' end")
    parser.add_argument("--home", type=Path, help="keep the stack's data there; must be new")


async def _run(context: Context, bars: bool, options: Namespace) -> Outcome:  # noqa: FBT001
    services = [name for name in SERVICES if name not in options.without]
    wanted = StackOptions(servers=0, services=services)
    figures: dict[str, object] = {
        "services": services,
        "n": {"sequential": options.sequential, "throughput": options.tasks},
        "in_flight": options.in_flight,
        "seed": options.seed,
        "machine": machine(),
    }
    cold_start: dict[str, float] = {}
    figures["cold_start_s"] = cold_start
    with scratch_home(options.home) as home:
        began = time.perf_counter()
        async with running_stack(home, wanted, handle_signals=False) as stack:
            cold_start["fresh"] = round(time.perf_counter() - began, 2)
            progress(f"up in {cold_start['fresh']} s: {', '.join(services)}")
            figures["versions"] = await versions(stack)
            figures |= await _load(stack, context, options)
            if options.floors:
                progress("floors of these servers")
                figures["floors"] = await _floors(stack)
        if options.restart:
            progress("restarting on the same data")
            began = time.perf_counter()
            async with running_stack(home, wanted, handle_signals=False):
                cold_start["restart"] = round(time.perf_counter() - began, 2)
    return Outcome(figures, _missed(figures) if bars and options.bars else ())


async def _load(stack: Stack, context: Context, options: Namespace) -> dict[str, object]:
    async with OpsTasks(stack, context, options.seed) as load:
        await load.sequence(options.warm_up)
        before = await quiet(options.quiet)
        progress(f"{options.sequential} tasks, one at a time; {before} CPUs busy before")
        meter = await Metering.begin(stack)
        alone = await load.sequence(options.sequential)
        sequential = await meter.end(options.sequential)
        before = await quiet(options.quiet)
        progress(f"{options.tasks} tasks, {options.in_flight} at once; {before} CPUs busy before")
        meter = await Metering.begin(stack)
        began = time.perf_counter()
        crowd = await load.crowd(options.tasks, options.in_flight)
        wall = time.perf_counter() - began
        throughput = await meter.end(options.tasks)
    memory = proportional_memory_mb(roots_of(stack))
    return {
        "p50_ms": _ms([task.done for task in alone], 0.5),
        "p99_ms": _ms([task.done for task in alone], 0.99),
        "submit_to_waiting_p50_ms": _ms([task.waiting for task in alone], 0.5),
        "approve_to_done_p50_ms": _ms([task.done - task.waiting for task in alone], 0.5),
        "tasks_per_s": round(options.tasks / wall, 1),
        "crowd_p50_ms": _ms([task.done for task in crowd], 0.5),
        "crowd_p99_ms": _ms([task.done for task in crowd], 0.99),
        **throughput,
        "sequential": sequential,
        "pss_mb": round(sum(memory.values()), 1),
        "pss_mb_by": memory,
        "pss_mb_not_counted": {"load generator and supervisor": own_memory_mb()},
    }


async def _floors(stack: Stack) -> dict[str, float | None]:
    # The bus last: it takes the runner's place.
    store = await store_floors(stack, FLOOR_ROUNDS)
    return {**await bus_floors(stack, FLOOR_ROUNDS), **store}


def _ms(seconds: list[float], share: float) -> float | None:
    value = percentile(seconds, share)
    return rounded(None if value is None else value * 1000)


def _missed(figures: Mapping[str, object]) -> tuple[str, ...]:
    def found(name: str) -> float:
        value = figures[name]
        return float(value) if isinstance(value, int | float) else float("nan")

    high = [
        f"{name} is {found(name):g}, the bar is at most {bar:g}"
        for name, bar in AT_MOST.items()
        if not found(name) <= bar
    ]
    low = [
        f"{name} is {found(name):g}, the bar is at least {bar:g}"
        for name, bar in AT_LEAST.items()
        if not found(name) >= bar
    ]
    return (*high, *low)


OPS_TASK = Experiment(
    "ops-task",
    "time, CPU and memory of a task with three no-op reads; bars on p50, tasks/s, PSS",
    _options,
    partial(_run, noop_context, True),  # noqa: FBT003
)
OPS_TASK_WRITE = Experiment(
    "ops-task-write",
    "the same with three idempotent writes, each dispatched before it is sent; no bars",
    _options,
    partial(_run, noop_write_context, False),  # noqa: FBT003
)
