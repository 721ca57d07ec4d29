"""Half an hour of ordinary work: does anything grow that should not, does anything get slower?

The whole stack under a steady load of tasks that are approved, rejected and cancelled. Every few
seconds everything that a process, the log or the bus holds is looked at.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
from smartops.devstack.stack import Stack, StackOptions, running_stack

from benchmarks.lib.checks.leftovers import settle
from benchmarks.lib.experiment import Experiment, Outcome, progress
from benchmarks.lib.home import scratch_home
from benchmarks.lib.machine import machine, versions
from benchmarks.lib.processes import LOADGEN, CpuMeter, own_memory_mb, roots_of
from benchmarks.lib.quiet import quiet
from benchmarks.lib.soak_bars import Bars, judge
from benchmarks.lib.soak_samples import Sample, Sampler
from benchmarks.lib.stalls import StallWatch
from benchmarks.lib.steady_load import ENDS, SteadyLoad

__all__ = ["SOAK", "Plan", "soak"]

REST_S = 60.0
"""For what is still under way once the last task has ended."""

MISSED = 0.1
"""Looks without an answer, as a share of those with one, beyond which a run shows nothing."""

LEAK = Path(__file__).resolve().parent.parent / "lib" / "leak"

_STATUSES = "select status, count(*) from smartops.tasks group by status"
_STATUS = {"task.completed": "completed", "task.approval.rejected": "rejected"}
_STATUS |= {"task.cancelled": "cancelled"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a house is soaked.

    Attributes:
        seconds: of load.
        rate: tasks begun per second.
        every_s: between two looks.
        seed: of the load.
        bars: what must not be exceeded.
        quiet_s: how long to wait for others' end before.
        series: where every sample is written, a line of JSON each; None: nowhere.
        leaks: bytes that a service keeps for ever at each append, to see that it is noticed.
    """

    seconds: float
    rate: float
    every_s: float = 10.0
    seed: int = 1
    bars: Bars = field(default_factory=Bars)
    quiet_s: float = 0.0
    series: Path | None = None
    leaks: Mapping[str, int] = field(default_factory=dict)

    def stack(self) -> StackOptions:
        """The house."""
        env = {
            service: {"PYTHONPATH": str(LEAK), "SOAK_LEAK_BYTES": str(size)}
            for service, size in self.leaks.items()
        }
        return StackOptions(servers=0, service_env=env)


@dataclass(slots=True)
class Watched:
    """What was seen under load.

    Attributes:
        samples: with their time in seconds from the begin of the load.
        missed: looks without an answer in time; their CPU falls to the next one.
        stall_s: see `StallWatch`.
    """

    samples: list[tuple[float, Sample]] = field(default_factory=list)
    missed: int = 0
    stall_s: float = 0.0


def _options(parser: ArgumentParser) -> None:
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--rate", type=float, default=40, help="tasks begun per second")
    parser.add_argument("--every", type=float, default=10, metavar="S", help="between two looks")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mb-per-hour", type=float, default=Bars().mb_per_hour)
    parser.add_argument("--series", type=Path, help="write every sample there, a line each")
    parser.add_argument("--quiet", type=float, default=30, help="seconds to wait for others' end")
    parser.add_argument("--home", type=Path, help="keep the stack's data there; must be new")
    parser.add_argument(
        "--leak",
        action="append",
        default=[],
        metavar="SERVICE=BYTES",
        help="plant one: bytes kept at each append; the run must end with 1",
    )


async def _run(options: Namespace) -> Outcome:
    plan = Plan(
        seconds=options.minutes * 60,
        rate=options.rate,
        every_s=options.every,
        seed=options.seed,
        bars=Bars(mb_per_hour=options.mb_per_hour),
        quiet_s=options.quiet,
        series=options.series,
        leaks={service: int(size) for service, size in (one.split("=") for one in options.leak)},
    )
    with scratch_home(options.home) as home:
        return await soak(home, plan)


async def soak(home: Path, plan: Plan) -> Outcome:
    """Run it on a fresh home."""
    async with running_stack(home, plan.stack(), handle_signals=False) as stack:
        before = await quiet(plan.quiet_s) if plan.quiet_s else None
        progress(f"{plan.rate:g} tasks/s for {plan.seconds / 60:g} minutes; {before} CPUs busy")
        figures: dict[str, object] = {
            "n": {"seconds": plan.seconds, "rate": plan.rate},
            "seed": plan.seed,
            **({"leaks": dict(plan.leaks)} if plan.leaks else {}),
            "machine": machine(),
            "versions": await versions(stack),
        }
        async with SteadyLoad(stack, plan.seed, plan.rate) as load:
            watched = await _under_load(stack, load, plan)
            void = None
            if load.too_many:
                void = f"{load.in_flight} tasks were in flight: {plan.rate:g}/s are too many here"
            elif watched.missed > MISSED * len(watched.samples):
                void = f"{watched.missed} looks had no answer in time"
            figures["load_generator_mb"] = own_memory_mb()
        violations = [f"{count} x {what}" for what, count in load.wrong.items()]
        if not load.too_many:
            left, took = await settle(stack, REST_S)
            violations += [*left, *await _miscounted(stack, load)]
            figures["at_rest_after_s"] = round(took, 1)
        found = judge(watched.samples, load.ended, plan.seconds, plan.bars)
        if void is None and found.unjudged:
            void = "not judged: " + "; ".join(found.unjudged)
        figures |= {
            "tasks": {"submitted": load.submitted, **_by_kind(load)},
            "looks": {"answered": len(watched.samples), "missed": watched.missed},
            "longest_stall_ms": round(watched.stall_s * 1000, 1),
            **found.figures,
        }
        return Outcome(figures, (*violations, *found.violations), void)


async def _under_load(stack: Stack, load: SteadyLoad, plan: Plan) -> Watched:
    watched, sampler, stalls = Watched(), await Sampler.open(stack), StallWatch()
    with contextlib.ExitStack() as leaving:
        out = None if plan.series is None else leaving.enter_context(plan.series.open("w"))
        try:
            running = asyncio.create_task(load.run(plan.seconds))
            began = due = time.perf_counter()
            meter = CpuMeter(roots_of(stack)).begin()
            while (due := due + plan.every_s) <= began + plan.seconds and not running.done():
                await asyncio.wait({running}, timeout=max(0.0, due - time.perf_counter()))
                used = meter.end()
                at = time.perf_counter() - began
                seen = await sampler.look()
                if seen is None:
                    watched.missed += 1
                    continue
                cpu_s = sum(used.used.values()) - used.used[LOADGEN]
                meter.begin()
                sample = {
                    **seen,
                    "in_flight": load.in_flight,
                    "other_cpus_busy": used.others,
                    "cpu_s": cpu_s,
                }
                watched.samples.append((at, sample))
                if out is not None:
                    print(json.dumps({"at": at, **sample}), file=out, flush=True)
                if len(watched.samples) % max(1, round(60 / plan.every_s)) == 0:
                    memory = sum(mb for name, mb in sample.items() if name.startswith("pss_mb/"))
                    progress(f"{load.submitted} tasks, {memory:.0f} MB, {load.in_flight} in flight")
            await running
        finally:
            await sampler.close()
    watched.stall_s = await stalls.end()
    return watched


async def _miscounted(stack: Stack, load: SteadyLoad) -> list[str]:
    """Where the read models tell otherwise than was heard."""
    connection = await asyncpg.connect(stack.postgres.dsn())
    try:
        shown = {row[0]: row[1] for row in await connection.fetch(_STATUSES)}
    finally:
        await connection.close()
    heard = Counter(_STATUS[ENDS[each.kind]] for each in load.ended)
    if load.wrong or shown == dict(heard):
        return []  # What went wrong is told as such.
    return [f"the read models show {shown}, people heard {dict(heard)}"]


def _by_kind(load: SteadyLoad) -> dict[str, int]:
    return dict(Counter(each.kind for each in load.ended))


SOAK = Experiment(
    "soak",
    "half an hour of steady mixed load; bars on growth of memory and of what is held, and latency",
    _options,
    _run,
)
