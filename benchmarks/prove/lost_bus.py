"""The bus is wiped, or comes back as an old copy: work ends, and outsiders miss nothing.

Under load nats-server's store is replaced while commands wait in it that nobody has read. Those are
gone, and nobody but their senders can say so: each is told as unanswered, and given again under
its own id. Everything else comes back from the log.
"""

from __future__ import annotations

import shutil
import signal
from argparse import ArgumentParser, Namespace
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil  # type: ignore[import-untyped]
from smartops.bus.topology import COMMANDS_STREAM
from smartops.contracts.catalogue import PLANNER, POLICY
from smartops.devstack.stack import Stack

from benchmarks.lib.checks.outsiders import held_by_stream
from benchmarks.lib.experiment import Experiment, Outcome, progress
from benchmarks.lib.home import scratch_home
from benchmarks.lib.load_options import add_load_options, load_of
from benchmarks.lib.machine import machine, versions
from benchmarks.lib.monitor import stream_states
from benchmarks.lib.ordeal import Load, Scene, Verdict, endure, judge
from benchmarks.lib.supervised import supervised_stack

__all__ = ["NATS_LOSS", "STALE_NATS_RESTORE", "Plan", "lost_bus"]

PENDING = 5
"""Commands that must wait, unread, when the bus is lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How the bus is lost.

    Attributes:
        load: the work in flight.
        rounds: how often.
        stale: it comes back as it was before the first loss, not empty.
        work_s: of undisturbed work between two losses.
        await_bus: as for `judge`.
    """

    load: Load = field(default_factory=lambda: Load(servers=800, delay_ms=1000))
    rounds: int = 5
    stale: bool = False
    work_s: float = 1.0
    await_bus: bool = True


@dataclass(slots=True)
class _Gone:
    """Commands that were acknowledged and lost."""

    intents: list[str] = field(default_factory=list)
    votes: list[str] = field(default_factory=list)


async def lost_bus(home: Path, plan: Plan) -> Verdict:
    """Run it on a fresh home."""
    options = plan.load.stack()
    async with supervised_stack(home, options) as wards:
        stack, gone = wards.stack, _Gone()
        progress(f"up: {', '.join(wards.names())}")
        told = {"machine": machine(), "versions": await versions(stack)}
        endured = await endure(wards, plan.load, _losses(plan, home / "copy", gone))
        progress("all at rest; checking")
        verdict = await judge(stack, plan.load, endured, await_bus=plan.await_bus)
        held = await held_by_stream(stack, plan.load.patience_s)
        figures = {
            **told,
            **verdict.figures,
            "commands_gone": {"intents": len(gone.intents), "votes": len(gone.votes)},
            "events_missing_in_stream": held.missing,
            "messages_repeated": held.repeated,
        }
        violations = list(verdict.violations)
        if held.missing:
            violations.append(f"{held.missing} published events are not in the event stream")
        void = verdict.void
        if not gone.intents + gone.votes:
            void = "no command was lost with the bus"
        return Verdict(figures, tuple(violations), void, verdict.evidence, verdict.heads)


def _losses(plan: Plan, copy: Path, gone: _Gone) -> Callable[[Scene], Awaitable[None]]:
    async def body(scene: Scene) -> None:
        if plan.stale:
            with scene.fault("copy"):
                await _replace(scene.stack, lambda store: _copy(store, copy))
        for number in range(1, plan.rounds + 1):
            await scene.tail.until(lambda: False, plan.work_s)
            with scene.fault("stale copy" if plan.stale else "wiped"):
                await _lose_with_commands(scene, copy if plan.stale else None, gone)
            progress(f"loss {number} of {plan.rounds}; {scene.crew.in_flight} tasks in flight")

    return body


async def _lose_with_commands(scene: Scene, copy: Path | None, gone: _Gone) -> None:
    stack, deciders = scene.stack, [scene.stack.services[name].pid for name in (PLANNER, POLICY)]
    for pid in deciders:
        psutil.Process(pid).send_signal(signal.SIGSTOP)  # So that commands wait, unread.
    try:
        await scene.tail.until(lambda: False, 1.0)
        waiting = (await stream_states(stack))[COMMANDS_STREAM]["messages"]
        await _replace(stack, lambda store: _fill(store, copy))
    finally:
        for pid in deciders:
            psutil.Process(pid).send_signal(signal.SIGCONT)
    # What was on its way into the log when its sender stood still is heard now.
    await scene.tail.until(lambda: False, 2.0)
    intents, votes = scene.crew.unanswered()
    gone.intents += map(str, intents)
    gone.votes += map(str, votes)
    progress(
        f"{waiting} commands waited; without an answer: {len(intents)} intents, {len(votes)} votes"
    )
    await scene.crew.say_again()


async def _replace(stack: Stack, change: Callable[[Path], None]) -> None:
    """Take the bus down, change its store, bring it up, and have what is missing provisioned."""
    stack.nats.kill_now()
    await stack.supervisor.release(stack.nats.name)
    change(stack.nats.store_dir)
    await stack.supervisor.start(stack.nats)
    await stack.provision()


def _fill(store: Path, copy: Path | None) -> None:
    shutil.rmtree(store)
    if copy is not None:
        shutil.copytree(copy, store)


def _copy(store: Path, copy: Path) -> None:
    shutil.copytree(store, copy)


def _options(parser: ArgumentParser) -> None:
    standard = Plan()
    add_load_options(parser, standard.load)
    parser.add_argument("--rounds", type=int, default=standard.rounds)


async def _main(stale: bool, options: Namespace) -> Outcome:  # noqa: FBT001
    load = load_of(options, Plan().load)
    with scratch_home(options.home) as home:
        verdict = await lost_bus(home, Plan(load=load, rounds=options.rounds, stale=stale))
    return verdict.outcome()


async def _wiped(options: Namespace) -> Outcome:
    return await _main(False, options)  # noqa: FBT003


async def _stale(options: Namespace) -> Outcome:
    return await _main(True, options)  # noqa: FBT003


NATS_LOSS = Experiment(
    "nats-loss",
    "the bus loses all its streams under load, unread commands included; no promise may break",
    _options,
    _wiped,
)
STALE_NATS_RESTORE = Experiment(
    "stale-nats-restore",
    "the bus comes back as an old copy under load; no promise may break",
    _options,
    _stale,
)
