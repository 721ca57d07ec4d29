"""Whatever the network does: accepted work ends, nothing opaque happens twice, the log is true.

Every service talks to the database and to the bus through a proxy of its own. Links become slow,
thin, silent, half-open; they are cut, refused, and cut between a statement and its answer. At last
one link of each server falls silent for longer than any timeout. The checks are those of
`kill-everything`.
"""

from __future__ import annotations

import asyncio
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from smartops.contracts.catalogue import GATEWAY, RUNNER, SERVICES

from benchmarks.lib.experiment import Experiment, Outcome, progress
from benchmarks.lib.home import scratch_home
from benchmarks.lib.links import BUS, DATABASE, Link, Links
from benchmarks.lib.load_options import add_load_options, load_of
from benchmarks.lib.machine import machine, versions
from benchmarks.lib.network_nemesis import NetworkNemesis
from benchmarks.lib.ordeal import Load, Scene, Verdict, endure, judge
from benchmarks.lib.supervised import supervised_stack
from benchmarks.lib.tcp_proxy import Shape

__all__ = ["SLOW_AND_LYING_NETWORK", "Plan", "slow_and_lying_network"]

SILENT = (Link(RUNNER, DATABASE), Link(GATEWAY, BUS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the network does.

    Attributes:
        load: the work in flight.
        faults: how many; with 70, every kind meets every link.
        pause_s: longest pause between two.
        longest_s: that one of them lasts.
        silence_s: how long two links take bytes and carry none, at the end, before they are cut.
        await_bus: as for `judge`.
    """

    load: Load = field(default_factory=lambda: Load(servers=1200))
    faults: int = 70
    pause_s: float = 1.5
    longest_s: float = 6.0
    silence_s: float = 30.0
    await_bus: bool = True


async def slow_and_lying_network(home: Path, plan: Plan) -> Verdict:
    """Run it on a fresh home."""
    load = plan.load
    async with Links(SERVICES, load.seed) as links:
        options = replace(load.stack(), reach=links.reach)
        async with supervised_stack(home, options) as wards:
            progress(f"up: {', '.join(wards.names())}, {load.servers} servers")
            about = {"machine": machine(), "versions": await versions(wards.stack)}
            nemesis = NetworkNemesis(links, load.seed)
            endured = await endure(wards, load, _network(plan, links, nemesis))
            progress("all at rest; checking")
            verdict = await judge(wards.stack, load, endured, await_bus=plan.await_bus)
            return replace(
                verdict,
                figures={
                    **verdict.figures,
                    "faults_by_link": dict(nemesis.by_link),
                    "lines_cut_in_an_answer": _cut(links),
                    "connections": {
                        server: sum(links.attempts(server).values()) for server in (DATABASE, BUS)
                    },
                    "restarts": sum("starting it again" in text for _, text in wards.said),
                    **about,
                },
            )


def _network(
    plan: Plan, links: Links, nemesis: NetworkNemesis
) -> Callable[[Scene], Coroutine[Any, Any, None]]:
    async def body(scene: Scene) -> None:
        await nemesis.strike(scene, nemesis.order(plan.faults), plan.pause_s, plan.longest_s)
        if plan.silence_s:
            await asyncio.gather(*(_silence(scene, links, link, plan) for link in SILENT))

    return body


async def _silence(scene: Scene, links: Links, link: Link, plan: Plan) -> None:
    """A firewall that has forgotten the connection: no byte, and no word of it."""
    with scene.fault("silence") as fault:
        progress(f"silence on {link}, {fault.in_flight} tasks in flight")
        links[link].shape(Shape(stalled=True))
        await asyncio.sleep(plan.silence_s)
        # What was held is lost: a line that had been forgotten does not come back.
        links[link].reset()
        links[link].heal()


def _cut(links: Links) -> dict[str, int]:
    found = {str(link): links[link].counts.cut for link in links.names()}
    return {name: count for name, count in found.items() if count}


def _options(parser: ArgumentParser) -> None:
    standard = Plan()
    add_load_options(parser, standard.load)
    parser.add_argument("--faults", type=int, default=standard.faults)
    parser.add_argument("--pause", type=float, default=standard.pause_s, help="longest, seconds")
    parser.add_argument("--longest", type=float, default=standard.longest_s, help="fault, seconds")
    parser.add_argument("--silence", type=float, default=standard.silence_s, help="seconds")


async def _main(options: Namespace) -> Outcome:
    standard = Plan()
    plan = Plan(
        load=load_of(options, standard.load),
        faults=options.faults,
        pause_s=options.pause,
        longest_s=options.longest,
        silence_s=options.silence,
    )
    with scratch_home(options.home) as home:
        verdict = await slow_and_lying_network(home, plan)
    return verdict.outcome()


SLOW_AND_LYING_NETWORK = Experiment(
    "slow-and-lying-network",
    "links to the bus and the database turn slow, silent, cut and lying; no promise may break",
    _options,
    _main,
)
