"""Whatever is killed: accepted work ends, nothing opaque happens twice, and the log is true.

Tasks patch and restart servers of their own, a third of the steps on a tool whose lost answer
nobody can clear up. Meanwhile every service, the bus and the database are killed (SIGKILL) at
seeded random times. Afterwards the record of the fleet is held against the log.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.lib.experiment import Experiment, Outcome, progress
from benchmarks.lib.home import scratch_home
from benchmarks.lib.kill_verdict import judge_kills
from benchmarks.lib.load_options import add_load_options, load_of
from benchmarks.lib.machine import machine, versions
from benchmarks.lib.nemesis import Nemesis
from benchmarks.lib.ordeal import Load, Scene, Verdict, endure, judge
from benchmarks.lib.supervised import supervised_stack

__all__ = ["KILL_EVERYTHING", "Plan", "kill_everything"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is done to whom.

    Attributes:
        load: the work in flight; its seed is that of order and pauses too.
        kills: of each part.
        parts: who is killed; none: everybody.
        pause_s: longest pause between two kills.
        await_bus: as for `judge`. Events that a killed process had in hand are long handled by
            then, but are given out again only after 30 s.
    """

    load: Load = field(default_factory=Load)
    kills: int = 2
    parts: Sequence[str] = ()
    pause_s: float = 2.0
    await_bus: bool = True


async def kill_everything(home: Path, plan: Plan) -> Verdict:
    """Run it on a fresh home."""

    async def kills(scene: Scene) -> None:
        nemesis = Nemesis(scene.wards, plan.load.seed, lambda: scene.crew.in_flight)
        scene.endured.faults = nemesis.kills
        order = nemesis.order(plan.parts or scene.wards.names(), plan.kills)
        await nemesis.strike(order, plan.pause_s)
        scene.enough.set()
        scene.endured.broken += await nemesis.all_back()

    options = plan.load.stack()
    async with supervised_stack(home, options) as wards:
        progress(f"up: {', '.join(wards.names())}, {plan.load.servers} servers")
        told = {"machine": machine(), "versions": await versions(wards.stack)}
        endured = await endure(wards, plan.load, kills)
        progress("all at rest; checking")
        verdict = await judge(wards.stack, plan.load, endured, await_bus=plan.await_bus)
        return judge_kills(verdict, endured.faults, told)


def _options(parser: ArgumentParser) -> None:
    standard = Plan()
    add_load_options(parser, standard.load)
    parser.add_argument("--kills", type=int, default=standard.kills, help="of each part")
    parser.add_argument("--part", action="append", default=[], help="kill only these parts")
    parser.add_argument("--pause", type=float, default=standard.pause_s, help="longest, seconds")


async def _main(options: Namespace) -> Outcome:
    plan = Plan(
        load=load_of(options, Plan().load),
        kills=options.kills,
        parts=options.part,
        pause_s=options.pause,
    )
    with scratch_home(options.home) as home:
        verdict = await kill_everything(home, plan)
    return verdict.outcome()


KILL_EVERYTHING = Experiment(
    "kill-everything",
    "kill -9 of every service, the bus and the database under load; no promise may break",
    _options,
    _main,
)
