"""A command that is in a service's hands when it dies is not lost with it.

PostgreSQL is frozen. New intents come in, and the planner takes them in hand; but nothing can be
committed. Then both are killed: else the frozen server would yet execute what was on its way to it.
Whoever had acknowledged a command before its events were on disk has now lost it: its sender, who
has been told that the stream has it, does not say it again.
"""

from __future__ import annotations

import asyncio
from argparse import ArgumentParser, Namespace
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from smartops.contracts.catalogue import PLANNER

from benchmarks.lib.experiment import Experiment, Outcome, progress
from benchmarks.lib.home import scratch_home
from benchmarks.lib.load_options import add_load_options, load_of
from benchmarks.lib.machine import machine
from benchmarks.lib.ordeal import Load, Scene, Verdict, endure, judge
from benchmarks.lib.outages import stopped
from benchmarks.lib.supervised import POSTGRES, supervised_stack

__all__ = ["KILLED_IN_MID_COMMIT", "Plan", "killed_in_mid_commit"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How often.

    Attributes:
        load: the work in flight besides.
        rounds: of kills.
        intents: that come in while the database is frozen.
    """

    load: Load = field(default_factory=lambda: Load(tasks=10, servers=300, lost_answers=0))
    rounds: int = 3
    intents: int = 10


IN_HAND_S = 0.5
"""That a service has for taking commands in hand; it takes milliseconds."""


async def killed_in_mid_commit(home: Path, plan: Plan) -> Verdict:
    """Run it on a fresh home."""
    load = plan.load
    async with supervised_stack(home, load.stack()) as wards:
        progress(f"up: {', '.join(wards.names())}, {load.servers} servers")
        endured = await endure(wards, load, _kills(plan))
        progress("all at rest; checking")
        verdict = await judge(wards.stack, load, endured)
        figures = {**verdict.figures, "machine": machine()}
        # What is asked for between two kills may be done before the next one.
        return replace(verdict, figures=figures, void=None)


def _kills(plan: Plan) -> Callable[[Scene], Awaitable[None]]:
    async def body(scene: Scene) -> None:
        late = []
        for number in range(1, plan.rounds + 1):
            with scene.fault(PLANNER):
                late += await _kill(scene, plan.intents)
            progress(f"kill {number} of {plan.rounds}; {scene.crew.in_flight} tasks in flight")
        scene.enough.set()
        # The stream gives a command out again half a minute after it went to the dead.
        await asyncio.wait(late, timeout=plan.load.patience_s)
        for intent in late:
            intent.cancel()
        await asyncio.wait(late)

    return body


async def _kill(scene: Scene, intents: int) -> list[asyncio.Task[None]]:
    """Kill the planner with intents in its hands; returns those who gave them."""
    crew, once = scene.crew, asyncio.Event()
    with stopped(scene.stack):
        wanted = len(crew.accepted) + intents
        given = [asyncio.create_task(crew.keep_busy(once)) for _ in range(intents)]
        await asyncio.sleep(0)  # Each begins with its one intent,
        once.set()  # and goes on with no other.
        while len(crew.accepted) < wanted:  # noqa: ASYNC110 - the crew tells nobody.
            await asyncio.sleep(0.02)
        await asyncio.sleep(IN_HAND_S)
        restarts = {part: scene.wards.kill(part) for part in (PLANNER, POSTGRES)}
    for part, restart in restarts.items():
        await scene.wards.back(part, restart)
    return given


def _options(parser: ArgumentParser) -> None:
    standard = Plan()
    add_load_options(parser, standard.load)
    parser.add_argument("--rounds", type=int, default=standard.rounds, help="kills")
    parser.add_argument("--intents", type=int, default=standard.intents, help="at each kill")


async def _main(options: Namespace) -> Outcome:
    plan = Plan(load=load_of(options, Plan().load), rounds=options.rounds, intents=options.intents)
    with scratch_home(options.home) as home:
        verdict = await killed_in_mid_commit(home, plan)
    return verdict.outcome()


KILLED_IN_MID_COMMIT = Experiment(
    "killed-in-mid-commit",
    "planner and database are killed with commands in hand that could not be committed",
    _options,
    _main,
)
