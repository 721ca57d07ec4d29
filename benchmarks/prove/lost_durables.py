"""A message that never comes is no work lost: the durables of the services are deleted under load.

Each time all durables of the event stream are deleted, and made anew a moment later: what was
published in between, or was under way, never comes to anybody. The stream holds it and asks nobody.
Only the log knows what was not handled, and the services must find that out by themselves.

Or the whole stream is deleted, with all that it held: then it must hold all of it again at the end.
Or the server is frozen for longer than a publish waits for its answer, and loses nothing: then
nobody knows what it took.
"""

from __future__ import annotations

import asyncio
import os
import signal
from argparse import ArgumentParser, Namespace
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from smartops.bus.api import API, BusClient, api_request
from smartops.bus.topology import EVENTS_STREAM

from benchmarks.lib.checks.outsiders import held_by_stream
from benchmarks.lib.experiment import Experiment, Outcome, progress
from benchmarks.lib.home import scratch_home
from benchmarks.lib.load_options import add_load_options, load_of
from benchmarks.lib.machine import machine
from benchmarks.lib.ordeal import Load, Scene, Verdict, endure, judge
from benchmarks.lib.superuser import bus_superuser, superuser
from benchmarks.lib.supervised import supervised_stack

__all__ = ["LOST_DURABLES", "Plan", "lost_durables"]


ASKED_S = 45.0
"""A service that publishes nothing asks every 30 s whether the stream is still the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How often.

    Attributes:
        load: the work in flight.
        rounds: of losses.
        away_s: for which there are no durables.
        work_s: of undisturbed work between two losses.
        stream: the event stream itself is deleted, and its durables with it.
        freeze_s: nothing is deleted, but the server frozen for so long; 0: not at all.
    """

    load: Load = field(default_factory=lambda: Load(tasks=20, servers=300))
    rounds: int = 5
    away_s: float = 0.5
    work_s: float = 2.0
    stream: bool = False
    freeze_s: float = 0.0


async def lost_durables(home: Path, plan: Plan) -> Verdict:
    """Run it on a fresh home."""
    load = plan.load
    options = replace(load.stack(), bus_users=(superuser(home),))
    async with supervised_stack(home, options) as wards:
        stack = wards.stack
        progress(f"up: {', '.join(wards.names())}, {load.servers} servers")
        async with bus_superuser(stack) as nats:
            endured = await endure(wards, load, _losses(plan, nats))
        progress("all at rest; checking")
        verdict = await judge(stack, load, endured)
        figures = {**verdict.figures, "machine": machine()}
        # Tasks that ended before the first loss take nothing from what the others show.
        violations, void = list(verdict.violations), None
        if plan.stream:
            held = await held_by_stream(stack, max(ASKED_S, load.patience_s / 2))
            figures |= {"events_missing_in_stream": held.missing, "repeated": held.repeated}
            if held.missing:
                violations.append(f"{held.missing} published events are not in the event stream")
        elif not plan.freeze_s and not verdict.figures["events_swept"]:
            void = "nothing was lost"
        return replace(verdict, figures=figures, violations=tuple(violations), void=void)


def _losses(plan: Plan, nats: BusClient) -> Callable[[Scene], Awaitable[None]]:
    async def body(scene: Scene) -> None:
        durables = [
            consumer.durable
            for consumer in scene.stack.topology.consumers
            if consumer.stream == EVENTS_STREAM
        ]
        for number in range(1, plan.rounds + 1):
            await asyncio.sleep(plan.work_s)
            if number == plan.rounds:
                scene.enough.set()  # A task that begins behind the last loss meets none.
            with scene.fault(_kind(plan)):
                await _lose(scene, plan, nats, durables)
            progress(f"loss {number} of {plan.rounds}; {scene.crew.in_flight} tasks in flight")

    return body


def _kind(plan: Plan) -> str:
    if plan.freeze_s:
        return "frozen"
    return "stream" if plan.stream else "durables"


async def _lose(scene: Scene, plan: Plan, nats: BusClient, durables: list[str]) -> None:
    if plan.freeze_s:
        os.kill(scene.stack.nats.pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(plan.freeze_s)
        finally:
            os.kill(scene.stack.nats.pid, signal.SIGCONT)
        return
    if plan.stream:
        await api_request(nats, f"{API}.STREAM.DELETE.{EVENTS_STREAM}")
    else:
        for durable in durables:
            await api_request(nats, f"{API}.CONSUMER.DELETE.{EVENTS_STREAM}.{durable}")
    await asyncio.sleep(plan.away_s)
    await scene.stack.provision()


def _options(parser: ArgumentParser) -> None:
    standard = Plan()
    add_load_options(parser, standard.load)
    parser.add_argument("--rounds", type=int, default=standard.rounds)
    parser.add_argument("--stream", action="store_true", help="lose the whole event stream")
    parser.add_argument("--freeze", type=float, default=0.0, help="the bus, seconds, instead")


async def _main(options: Namespace) -> Outcome:
    plan = Plan(
        load=load_of(options, Plan().load),
        rounds=options.rounds,
        stream=options.stream,
        freeze_s=options.freeze,
    )
    with scratch_home(options.home) as home:
        verdict = await lost_durables(home, plan)
    return verdict.outcome()


LOST_DURABLES = Experiment(
    "lost-durables",
    "the services' durables are deleted under load and made anew; no work is lost",
    _options,
    _main,
)
