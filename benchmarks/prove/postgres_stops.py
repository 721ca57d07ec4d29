"""However the database is away: nothing is parked, nothing is lost, and nobody hammers at it.

Under load PostgreSQL is stopped (it answers nobody, lines stay open), restarted at once, and shut
down for a while. Services say at `/ready` what is wrong, rest, and go on by themselves.
"""

from __future__ import annotations

import asyncio
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from smartops.contracts.catalogue import SERVICES

from benchmarks.lib.experiment import Experiment, Outcome, progress
from benchmarks.lib.home import scratch_home
from benchmarks.lib.links import Links
from benchmarks.lib.load_options import add_load_options, load_of
from benchmarks.lib.machine import machine, versions
from benchmarks.lib.ordeal import Load, Scene, Verdict, endure, judge
from benchmarks.lib.outages import Watched, restart_at_once, stopped, watched, without_postgres
from benchmarks.lib.readiness import Readiness, ask_ready
from benchmarks.lib.supervised import supervised_stack

__all__ = ["POSTGRES_STOPS", "Plan", "judge_absence", "postgres_stops"]

ATTEMPTS_PER_S = 3.0
"""Connections that one service may try to open in a second, on average: it has three of them, and
tries each again after two seconds at the latest."""

BUS_MESSAGES_PER_S = 20.0
"""Messages to the bus, of all services and people together, while the database is away: heartbeats
of their pulls and signs of life of what they have in hand. A loop that does not rest sends
thousands."""

DATABASE_PARTS = frozenset({"database", "log"})
"""What services call it at `/ready`; audit reads nothing but the log."""

READY_S = 60.0
"""Within which everybody must be ready again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How the database is away.

    Attributes:
        load: the work in flight.
        stop_s: how long it is stopped.
        restarts: how often it is restarted at once.
        outage_s: how long it is shut down.
        work_s: of undisturbed work between two of these.
        await_bus: as for `judge`.
    """

    load: Load = field(default_factory=lambda: Load(servers=800, patience_s=180))
    stop_s: float = 30.0
    restarts: int = 5
    outage_s: float = 600.0
    work_s: float = 1.0
    await_bus: bool = True


@dataclass(slots=True)
class _Seen:
    away: Watched | None = None
    stop: Readiness = field(default_factory=Readiness)
    ready_again_s: float = 0.0


async def postgres_stops(home: Path, plan: Plan) -> Verdict:
    """Run it on a fresh home."""
    load, seen = plan.load, _Seen()
    async with Links(SERVICES, load.seed) as links:
        options = replace(load.stack(), reach=links.reach)
        async with supervised_stack(home, options) as wards:
            progress(f"up: {', '.join(wards.names())}, {load.servers} servers")
            about = {"machine": machine(), "versions": await versions(wards.stack)}
            endured = await endure(wards, load, _absence(plan, links, seen))
            progress("all at rest; checking")
            verdict = await judge(wards.stack, load, endured, await_bus=plan.await_bus)
            # In this order although the server was started last: services end with it there.
            for name in reversed(SERVICES):
                await wards.stack.supervisor.release(name)
            figures = {
                **verdict.figures,
                "stop_s": plan.stop_s,
                "not_ready_after_stop_s": seen.stop.first_s,
                "outage_s": plan.outage_s,
                "while_away": seen.away.figures() if seen.away is not None else None,
                "all_ready_again_after_s": round(seen.ready_again_s, 2),
                **about,
            }
            return replace(verdict, figures=figures)


def _absence(plan: Plan, links: Links, seen: _Seen) -> Callable[[Scene], Coroutine[Any, Any, None]]:
    async def body(scene: Scene) -> None:
        stack = scene.stack
        with scene.fault("stop") as fault:
            progress(f"stopped for {plan.stop_s:g} s, {fault.in_flight} tasks in flight")
            async with Readiness.followed(stack) as seen.stop:
                with stopped(stack):
                    await asyncio.sleep(plan.stop_s)
        for _ in range(plan.restarts):
            await asyncio.sleep(plan.work_s)
            with scene.fault("immediate-restart") as fault:
                progress(f"restarted at once, {fault.in_flight} tasks in flight")
                await restart_at_once(scene.wards)
        await asyncio.sleep(plan.work_s)
        with scene.fault("outage") as fault:
            progress(f"shut down for {plan.outage_s:g} s, {fault.in_flight} tasks in flight")
            async with without_postgres(stack):
                seen.away = await watched(stack, links, plan.outage_s)
        scene.endured.broken += judge_absence(seen.away)
        await _await_ready(scene, seen)

    return body


def judge_absence(away: Watched) -> list[str]:
    """What services did wrong while the database was away."""
    found = []
    for name in SERVICES:
        rate = away.attempts_per_s[name]
        if rate > ATTEMPTS_PER_S:
            found.append(f"{name} tried {rate} times a second to connect to the absent database")
        if not away.ready.reasons[name] & DATABASE_PARTS:
            found.append(f"{name} did not say at /ready that the database is away")
    if away.bus_messages_per_s > BUS_MESSAGES_PER_S:
        found.append(f"{away.bus_messages_per_s} messages a second while the database was away")
    return found


async def _await_ready(scene: Scene, seen: _Seen) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    while True:
        troubles = {name: await ask_ready(scene.stack, name) for name in SERVICES}
        seen.ready_again_s = loop.time() - began
        if not any(troubles.values()):
            return
        if seen.ready_again_s > READY_S:
            scene.endured.broken.append(f"not ready again after {READY_S:g} s: {troubles}")
            return
        await asyncio.sleep(0.1)


def _options(parser: ArgumentParser) -> None:
    standard = Plan()
    add_load_options(parser, standard.load)
    parser.add_argument("--stop", type=float, default=standard.stop_s, help="stopped, seconds")
    parser.add_argument("--restarts", type=int, default=standard.restarts, help="immediate ones")
    parser.add_argument("--outage", type=float, default=standard.outage_s, help="away, seconds")


async def _main(options: Namespace) -> Outcome:
    standard = Plan()
    plan = Plan(
        load=load_of(options, standard.load),
        stop_s=options.stop,
        restarts=options.restarts,
        outage_s=options.outage,
    )
    with scratch_home(options.home) as home:
        verdict = await postgres_stops(home, plan)
    return verdict.outcome()


POSTGRES_STOPS = Experiment(
    "postgres-stops",
    "PostgreSQL is stopped, restarted, and away for long; nothing is parked, nobody hammers at it",
    _options,
    _main,
)
