"""One run over many targets: what a target costs must not depend on how many there are.

A task patches 10, 100 and 1,000 servers that are off their golden version, each by an idempotent
write with its before-state and its way back: a canary, then waves as large as policy allows, calls
in parallel, health watched after each phase; approved by a person. Wall time, CPU of each process,
events, bytes and group commits are divided by the number of targets.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from smartops.devstack.stack import StackOptions, running_stack

from benchmarks.lib.experiment import Experiment, Outcome, progress
from benchmarks.lib.fan_out_runs import ENVIRONMENT, FanOut, Size, each_further, growth
from benchmarks.lib.home import scratch_home
from benchmarks.lib.machine import machine, versions
from benchmarks.lib.quiet import quiet

__all__ = ["FAN_OUT"]

BAR = 1.3
"""Times that a target of the largest run may cost what one of a smaller run costs."""

WARM_UP = 10
WINDOW = timedelta(seconds=1)
"""That each phase is watched: as short as policy lets a canary in production be watched."""


def _options(parser: ArgumentParser) -> None:
    parser.add_argument("--sizes", type=int, nargs="+", default=[10, 100, 1000])
    parser.add_argument("--runs", type=int, nargs="+", default=[10, 5, 3], help="per size")
    parser.add_argument("--seed", type=int, default=1, help="of ids")
    parser.add_argument("--quiet", type=float, default=20, help="seconds to wait for others' end")
    parser.add_argument("--home", type=Path, help="keep the stack's data there; must be new")


async def _run(options: Namespace) -> Outcome:
    wanted = list(zip(options.sizes, options.runs, strict=True))
    servers = WARM_UP + sum(size * runs for size, runs in wanted)
    stack_options = StackOptions(
        servers=servers,
        environment=ENVIRONMENT,
        canary_window=WINDOW,
        wave_window=WINDOW,
        sample_interval=WINDOW / 2,
    )
    figures: dict[str, object] = {"seed": options.seed, "machine": machine()}
    sizes = [Size(targets) for targets, _ in wanted]
    with scratch_home(options.home) as home:
        async with running_stack(home, stack_options, handle_signals=False) as stack:
            progress(f"up, {servers} servers")
            figures["versions"] = await versions(stack)
            names = [str(server["id"]) for server in await stack.fleet()]
            async with FanOut(stack, names, options.seed) as load:
                await load.one(Size(WARM_UP))
                for size, (_, runs) in zip(sizes, wanted, strict=True):
                    before = await quiet(options.quiet)
                    progress(f"{runs} runs over {size.targets} targets; {before} CPUs busy before")
                    for _ in range(runs):
                        await load.one(size)
                        progress(f"{size.targets} targets: {_told(size.runs[-1])}")
            figures["sizes"] = [size.figures() for size in sizes]
            figures["growth"] = ratios = growth(sizes)
            figures["each_further"] = further = each_further(sizes)
            return Outcome(figures, (*_grown(ratios), *_steeper(further)))


def _told(costs: dict[str, float]) -> str:
    return ", ".join(f"{name} {cost:.1f}" for name, cost in costs.items()) + " per target"


def _grown(ratios: dict[str, dict[str, float]]) -> tuple[str, ...]:
    return tuple(
        f"{name} per target grows {ratio:g} times over {which} targets; the bar is {BAR:g}"
        for which, found in ratios.items()
        for name, ratio in found.items()
        if not ratio <= BAR
    )


def _steeper(further: Sequence[Mapping[str, object]]) -> tuple[str, ...]:
    first, last = (float(str(further[place]["cpu_ms"])) for place in (0, -1))
    if last <= BAR * first:
        return ()
    why = f"each further target costs {last:g} ms of CPU in the end, {first:g} in the beginning"
    return (f"{why}; the bar is {BAR:g} times",)


FAN_OUT = Experiment(
    "fan-out",
    "what each of 10, 100 and 1,000 targets of one run costs; bars on its growth",
    _options,
    _run,
)
