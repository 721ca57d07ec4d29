"""Two hundred kills of each kind of process, at random moments, several down at a time.

The same load and the same promises as `kill-everything`. The parts are killed side by side, each
as soon as it has served again for a moment; so a part comes back while others are away, and most
states of a task meet a kill.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import asyncpg
from smartops.devstack.supervisor import RestartPolicy

from benchmarks.lib.experiment import Experiment, Outcome, progress
from benchmarks.lib.home import scratch_home
from benchmarks.lib.kill_verdict import judge_kills
from benchmarks.lib.load_options import add_load_options, load_of
from benchmarks.lib.lottery import POSTGRES_WAYS, Lottery
from benchmarks.lib.machine import machine, versions
from benchmarks.lib.nemesis import Kill
from benchmarks.lib.ordeal import Endured, Load, Scene, endure, judge
from benchmarks.lib.processes import own_memory_mb
from benchmarks.lib.supervised import POSTGRES, Wards, supervised_stack

__all__ = ["KILL_LOTTERY", "Plan", "kill_lottery"]

POLICY = RestartPolicy(
    longest_delay=timedelta(milliseconds=200), steady_after=timedelta(milliseconds=1)
)
"""The product waits longer from start to start while a part ends again and again. Here that would
be nearly all of the time, and the parts would mostly be down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Who is killed how often.

    Attributes:
        load: the work in flight; its seed is that of the lots too.
        kills: of each kind; those of PostgreSQL are one third each of all its processes, of the
            postmaster alone, and of one backend.
        kinds: who is killed; none: everybody.
        every_s: between two kills of a kind, on average.
        await_bus: as for `judge`.
    """

    load: Load = field(
        default_factory=lambda: Load(servers=6000, lost_answers=50, patience_s=240.0)
    )
    kills: int = 200
    kinds: Sequence[str] = ()
    every_s: float = 9.0
    await_bus: bool = True


async def kill_lottery(home: Path, plan: Plan) -> Outcome:
    """Run it on a fresh home."""

    async def draw(scene: Scene) -> None:
        wards, crew, seed = scene.wards, scene.crew, plan.load.seed
        lottery = Lottery(wards, seed, plan.every_s, lambda: crew.in_flight, scene.enough)
        scene.endured.faults = lottery.kills
        scene.endured.broken = lottery.broken
        await lottery.run(plan.kinds or wards.names(), plan.kills)

    options = plan.load.stack()
    async with supervised_stack(home, options, policy=POLICY) as wards:
        progress(f"up: {', '.join(wards.names())}, {plan.load.servers} servers")
        told = {"machine": machine(), "versions": await versions(wards.stack)}
        endured = await endure(wards, plan.load, draw, keep=False)
        progress(f"all at rest, runner {own_memory_mb():.0f} MiB; checking")
        return await _judge(wards, plan, endured, told)


async def _judge(wards: Wards, plan: Plan, endured: Endured, told: Mapping[str, object]) -> Outcome:
    kills, at_rest_mb = endured.faults, own_memory_mb()
    try:
        verdict = await judge(wards.stack, plan.load, endured, await_bus=plan.await_bus)
    except (OSError, asyncpg.PostgresError) as error:
        # A part that never came back keeps the judge out as well; that it did not is the finding.
        if not endured.broken:
            raise
        done = dict(Counter(kill.part for kill in kills))
        figures = {**told, "seed": plan.load.seed, "kills": done, "not_judged": repr(error)}
        return Outcome(figures, tuple(endured.broken))
    verdict = judge_kills(verdict, kills, told)
    figures = {
        **verdict.figures,
        "kills_with_tasks_in_flight": dict(Counter(kill.part for kill in kills if kill.in_flight)),
        "runner_mb": {"at_rest": at_rest_mb, "judged": own_memory_mb()},
    }
    too_few = _too_few(plan, kills, wards.names())
    return Outcome(figures, verdict.violations, verdict.void or too_few)


def _too_few(plan: Plan, kills: Sequence[Kill], names: Sequence[str]) -> str | None:
    """Why so few kills are not what was asked for."""
    done = Counter(POSTGRES if kill.part in POSTGRES_WAYS else kill.part for kill in kills)
    few = [f"{kind} {done[kind]} times" for kind in plan.kinds or names if done[kind] < plan.kills]
    return f"killed only {', '.join(few)}; {plan.kills} wanted" if few else None


def _options(parser: ArgumentParser) -> None:
    standard = Plan()
    add_load_options(parser, standard.load)
    parser.add_argument("--kills", type=int, default=standard.kills, help="of each kind")
    parser.add_argument("--kind", action="append", default=[], help="kill only these")
    parser.add_argument(
        "--every", type=float, default=standard.every_s, help="seconds between two of a kind"
    )


async def _main(options: Namespace) -> Outcome:
    plan = Plan(
        load=load_of(options, Plan().load),
        kills=options.kills,
        kinds=options.kind,
        every_s=options.every,
    )
    with scratch_home(options.home) as home:
        return await kill_lottery(home, plan)


KILL_LOTTERY = Experiment(
    "kill-lottery",
    "200 kill -9 of each kind of process, side by side, under load; no promise may break",
    _options,
    _main,
)
