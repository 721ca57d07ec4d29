"""A disk is full under load: nothing accepted is lost, nobody hammers, all say so, and it heals.

In turn, several times: the disk of PostgreSQL's data, that of its write-ahead log (which takes the
server down), and that of nats-server's store (which closes its streams). After a while there is
room again, and nobody lifts another finger.
"""

from __future__ import annotations

import asyncio
import random
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from smartops.contracts.catalogue import SERVICES
from smartops.devstack.stack import Stack

from benchmarks.lib.commands_left import clear_decided
from benchmarks.lib.experiment import Experiment, Outcome, progress
from benchmarks.lib.full_disks import (
    Watched,
    asked_for_more,
    fill_up_the_wal,
    log_of,
    noticed,
    watched,
)
from benchmarks.lib.herald import Herald
from benchmarks.lib.home import scratch_home
from benchmarks.lib.links import Links
from benchmarks.lib.load_options import add_load_options, load_of
from benchmarks.lib.loop_disk import LoopDisk, why_no_loop_disks
from benchmarks.lib.machine import machine, versions
from benchmarks.lib.not_proven import not_proven
from benchmarks.lib.ordeal import Load, Scene, Verdict, endure, judge
from benchmarks.lib.readiness import ask_ready
from benchmarks.lib.server_disks import BUS, DATA, WAL, server_disks
from benchmarks.lib.superuser import superuser
from benchmarks.lib.supervised import NATS, POSTGRES, supervised_stack

__all__ = ["DISK_FULL", "Plan", "disk_full", "judge_spell"]

_MIB = 1 << 20
SIZES = {DATA: 1024 * _MIB, WAL: 192 * _MIB, BUS: 32 * 1024 * _MIB}
"""More than the load needs; images take only the room that is written. The bus wants to see room
for its limits."""
_POSTGRES = {"max_wal_size": "64MB", "min_wal_size": "32MB"}
"""So that its log fits the small disk."""

REQUESTS_PER_S = 5.0
"""That one service may send to a server whose disk is full."""
NOTICE_S = 30.0
HEAL_S = 60.0
"""Within which all must be ready again once there is room; the supervisor's longest pause between
two tries is ten seconds."""

_PARTS = {DATA: {"database", "log"}, WAL: {"database", "log"}, BUS: {"bus"}}
"""What services call it at `/ready`; audit reads nothing but the log."""
_FOUND = "home.disk_full"
"""What the doctor must find at least: which disk it is, what lies there, and what is to be done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Which disks are full, how often, and how long.

    Attributes:
        load: the work in flight.
        disks: which.
        rounds: how often each.
        full_s: how long, after the server has noticed.
        work_s: of undisturbed work before each spell, at least a fifth of it.
        await_bus: as for `judge`.
    """

    load: Load = field(default_factory=lambda: Load(tasks=20, servers=1200, patience_s=180))
    disks: Sequence[str] = (DATA, WAL, BUS)
    rounds: int = 3
    full_s: float = 20.0
    work_s: float = 2.0
    await_bus: bool = True


@dataclass(slots=True)
class _Seen:
    spells: list[Watched] = field(default_factory=list)
    herald: Herald = field(default_factory=Herald)


async def disk_full(home: Path, plan: Plan) -> Verdict:
    """Run it on a fresh home."""
    load, seen = plan.load, _Seen()
    sizes = {name: SIZES[name] for name in SIZES if name in plan.disks}
    async with Links(SERVICES, load.seed) as links, server_disks(home, sizes) as disks:
        options = replace(
            load.stack(),
            reach=links.reach,
            postgres_settings=_POSTGRES,
            bus_users=(superuser(home),),
        )
        async with supervised_stack(home, options) as wards:
            stack = wards.stack
            progress(f"up: {', '.join(wards.names())}")
            about = {"machine": machine(), "versions": await versions(stack)}
            endured = await endure(wards, load, _spells(plan, disks, links, seen))
            progress("all at rest; checking")
            left = await clear_decided(stack)
            endured.broken += [f"{name} lies in its stream undecided" for name in left.undecided]
            verdict = await judge(stack, load, endured, await_bus=plan.await_bus)
            done = {task for task, _ in verdict.evidence.fates}
            figures = {
                **verdict.figures,
                "spells": [spell.figures() for spell in seen.spells],
                "restarts": {name: stack.supervisor.restarts(name) for name in (NATS, POSTGRES)},
                "commands_at_a_full_bus": dict(seen.herald.answers),
                "commands_decided_and_left_behind": left.decided,
                "unacknowledged_yet_done": len(seen.herald.others & done),
                "supervisor": [text.splitlines()[0] for _, text in wards.said],
                **about,
            }
            return replace(verdict, figures=figures)


def _spells(
    plan: Plan, disks: dict[str, LoopDisk], links: Links, seen: _Seen
) -> Callable[[Scene], Coroutine[Any, Any, None]]:
    async def body(scene: Scene) -> None:
        moments = random.Random(plan.load.seed)
        seen.herald.accepted = scene.crew.accepted
        order = [name for name in plan.disks for _ in range(plan.rounds)]
        moments.shuffle(order)
        for number, name in enumerate(order, 1):
            await asyncio.sleep(plan.work_s * moments.uniform(0.2, 1.0))
            found = Watched(name)
            seen.spells.append(found)
            with scene.fault(name) as fault:
                progress(f"{number} of {len(order)}: {name} full, {fault.in_flight} in flight")
                await _spell(scene.stack, disks[name], links, found, plan.full_s, seen.herald)
            scene.endured.broken += [f"spell {number}: {one}" for one in judge_spell(found)]
            progress(f"healed after {found.healed_s} s; noticed after {found.noticed_s} s")

    return body


async def _spell(
    stack: Stack, disk: LoopDisk, links: Links, found: Watched, seconds: float, herald: Herald
) -> None:
    since = len(log_of(stack))
    try:
        disk.fill()
        if found.disk == WAL:
            await fill_up_the_wal(stack, NOTICE_S)
        found.noticed_s = await noticed(stack, found.disk, since, NOTICE_S)
        if found.disk == BUS:
            async with asked_for_more(stack, herald, f"herald-{time.time_ns()}"):
                await watched(stack, links, found, seconds)
        else:
            await watched(stack, links, found, seconds)
    finally:
        disk.free()
    found.healed_s = await _healed(stack)


async def _healed(stack: Stack) -> float | None:
    """Seconds until all are ready; None: not in time."""
    began = time.monotonic()
    while time.monotonic() - began < HEAL_S:
        troubles = [await ask_ready(stack, name) for name in SERVICES]
        # A server may be down, and services not have noticed yet: they stay ready, and so it counts
        # only once both servers run as well.
        if not any(troubles) and stack.postgres.running and await stack.nats.illness() is None:
            return round(time.monotonic() - began, 2)
        await asyncio.sleep(0.1)
    return None


def judge_spell(found: Watched) -> list[str]:
    """What was wrong during one spell, and after it."""
    wrong = []
    if found.noticed_s is None:
        wrong.append(f"the full disk of {found.disk} was never noticed")
    for name in SERVICES:
        rate = found.requests_per_s.get(name, 0.0)
        if rate >= REQUESTS_PER_S:
            wrong.append(f"{name} sent {rate} requests a second at a full {found.disk}")
        if name in found.owing and not found.ready.reasons[name] & _PARTS[found.disk]:
            wrong.append(f"{name} did not say at /ready that {found.disk} is full")
    if not found.owing:
        wrong.append(f"nobody was affected by a full {found.disk}")
    if _FOUND not in found.advice:
        wrong.append(f"the doctor did not find the full {found.disk}")
    if found.healed_s is None:
        wrong.append(f"not all were ready {HEAL_S:g} s after there was room for {found.disk}")
    return wrong


def _options(parser: ArgumentParser) -> None:
    standard = Plan()
    add_load_options(parser, standard.load)
    parser.add_argument("--rounds", type=int, default=standard.rounds, help="per disk")
    parser.add_argument("--disk", action="append", choices=standard.disks, help="all of them")
    parser.add_argument("--full", type=float, default=standard.full_s, help="seconds")
    parser.add_argument("--work", type=float, default=standard.work_s, help="longest, seconds")


async def _main(options: Namespace) -> Outcome:
    why_not = why_no_loop_disks()
    if why_not is not None:
        return not_proven(why_not)
    plan = Plan(
        load=load_of(options, Plan().load),
        disks=tuple(options.disk or Plan().disks),
        rounds=options.rounds,
        full_s=options.full,
        work_s=options.work,
    )
    with scratch_home(options.home) as home:
        verdict = await disk_full(home, plan)
    return verdict.outcome()


DISK_FULL = Experiment(
    "disk-full",
    "the disks of the servers are full under load, one at a time; no promise may break, all heals",
    _options,
    _main,
)
