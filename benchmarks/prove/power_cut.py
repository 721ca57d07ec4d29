"""Power is lost under load: what was acknowledged is there, and nothing happens twice.

The database's node, the bus's node, or the machine with everything on it goes dark at seeded
moments: every process is gone, and on its disks everything that was not made durable. It comes
back by itself. The fleet, which is the world outside, keeps its own record all the while.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from argparse import ArgumentParser, Namespace
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from smartops.contracts.catalogue import PLANNER, POLICY
from smartops.devstack.errors import ServerStartError
from smartops.devstack.stack import Stack
from smartops.devstack.supervisor import RestartPolicy

from benchmarks.lib.checks.evidence import Evidence
from benchmarks.lib.checks.outsiders import held_by_stream
from benchmarks.lib.experiment import Experiment, Outcome, progress
from benchmarks.lib.fates import Fates
from benchmarks.lib.figures import spread
from benchmarks.lib.herald import Herald
from benchmarks.lib.home import scratch_home
from benchmarks.lib.load_options import add_load_options, load_of
from benchmarks.lib.log_tail import Said
from benchmarks.lib.loop_disk import why_no_loop_disks
from benchmarks.lib.machine import machine, versions
from benchmarks.lib.not_proven import not_proven
from benchmarks.lib.ordeal import ENOUGH, Endured, Load, Scene, Verdict, endure, judge
from benchmarks.lib.person import Person
from benchmarks.lib.power import BACK_S, NODES, Cut, Power
from benchmarks.lib.server_disks import BUS, DATA, server_disks
from benchmarks.lib.superuser import on_the_bus
from benchmarks.lib.supervised import Wards, supervised_stack

__all__ = ["CONTROLS", "POWER_CUT", "Plan", "gone", "power_cut", "void_because"]

_GIB = 1 << 30
SIZES = {DATA: 4 * _GIB, BUS: 32 * _GIB}
"""The images take only the room that is written. The bus wants to see room for its limits."""

CONTROLS = ("fsync-off", "sync-late")
"""The database without fsync; the bus with its own default, a flush every two minutes."""

_UNREAD = 3
"""Commands that are acknowledged and unread whenever the bus goes dark."""

_AT_ONCE = RestartPolicy(steady_after=timedelta(seconds=1))
"""Who comes up after a cut has not failed before: pauses need not grow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What loses its power, and how often.

    Attributes:
        load: the work in flight.
        node: see `NODES`.
        cuts: how often.
        work_s: of work between two cuts, at least a fifth of it.
        control: one of `CONTROLS`, with which a promise must break.
    """

    load: Load = field(default_factory=lambda: Load(tasks=20, servers=1500))
    node: str = "machine"
    cuts: int = 20
    work_s: float = 4.0
    control: str | None = None


@dataclass(slots=True)
class _Seen:
    herald: Herald = field(default_factory=Herald)
    cuts: list[Cut] = field(default_factory=list)
    committed: Sequence[Said] = ()
    """All that could be read in the log before the end, in order."""
    beyond_repair: str | None = None


async def power_cut(home: Path, plan: Plan) -> Verdict:
    """Run it on a fresh home."""
    seen = _Seen()
    options = plan.load.stack()
    if plan.control == "fsync-off":
        options = replace(options, postgres_settings={"fsync": "off"})
    if plan.control == "sync-late":
        options = replace(options, bus_config=_flushing_late)
    async with (
        server_disks(home, SIZES) as disks,
        supervised_stack(home, options, policy=_AT_ONCE) as wards,
    ):
        stack, power = wards.stack, Power(wards, disks)
        progress(f"{plan.node}: up: {', '.join(wards.names())}")
        about = {"machine": machine(), "versions": await versions(stack)}
        for disk in disks.values():
            disk.flush()  # What is cut has run for long: only what is written now is at stake.
        with power.watched():
            endured = await endure(wards, plan.load, _cuts(plan, power, seen))
            if seen.beyond_repair is not None:
                return _end_of(plan, endured, seen, about)
            progress(f"{plan.node}: all at rest; checking")
            verdict = await judge(stack, plan.load, endured)
            verdict = await _judged(stack, plan, verdict, seen, about)
        for name in reversed(list(stack.services)):  # Before the servers, which started last.
            await stack.supervisor.release(name)
        return verdict


def _cuts(plan: Plan, power: Power, seen: _Seen) -> Callable[[Scene], Awaitable[None]]:
    async def body(scene: Scene) -> None:
        moments = random.Random(f"{plan.load.seed} {plan.node}")
        seen.committed = scene.tail.events
        seen.herald.accepted = scene.crew.accepted
        for number in range(1, plan.cuts + 1):
            await scene.tail.until(lambda: False, plan.work_s * moments.uniform(0.2, 1.0))
            with scene.fault(plan.node):
                try:
                    if BUS in NODES[plan.node]:
                        async with _unread(scene.wards, plan.node, seen.herald, number):
                            cut = await power.cut(plan.node)
                    else:
                        cut = await power.cut(plan.node)
                except (ServerStartError, TimeoutError) as error:
                    seen.beyond_repair = f"cut {number}: {error or 'not all served again'}"
                    return
            seen.cuts.append(cut)
            gone = ", ".join(f"{it.unflushed} of {it.written}" for it in cut.lost)
            progress(
                f"{plan.node}: cut {number} of {plan.cuts}, {scene.crew.in_flight} tasks in"
                f" flight, up after {cut.down_s:.1f} s; unflushed records gone: {gone}"
            )

    return body


@asynccontextmanager
async def _unread(wards: Wards, node: str, herald: Herald, number: int) -> AsyncIterator[None]:
    """Let commands be acknowledged that only the bus has when it goes dark.

    Who should read them stands still, and is killed: they may lie in its socket already.
    """
    deciders = (PLANNER, POLICY)
    for name in deciders:
        os.kill(wards.stack.services[name].pid, signal.SIGSTOP)
    async with on_the_bus(wards.stack, "operator") as nats:
        person = Person(wards.stack, "operator", nats)
        for which in range(_UNREAD):
            await herald.ask(person, f"unread-{number}-{which}")
    restarts = {} if node == "machine" else {name: wards.kill(name) for name in deciders}
    yield
    async with asyncio.timeout(BACK_S):
        for name, restart in restarts.items():
            await wards.back(name, restart)


async def _judged(
    stack: Stack, plan: Plan, verdict: Verdict, seen: _Seen, about: dict[str, object]
) -> Verdict:
    held = await held_by_stream(stack, plan.load.patience_s)
    lost, votes = gone(seen.committed, verdict.evidence), _unheard(verdict.evidence)
    found = list(verdict.violations)
    if lost:
        found.append(f"{lost} events that had been read in the log are not there any more")
    if votes:
        found.append(f"{votes} votes were acknowledged and never heard of again")
    if held.missing:
        found.append(f"{held.missing} published events are not in the event stream")
    figures = {
        **verdict.figures,
        **_figures(plan, seen),
        "commands_unread_at_cuts": dict(seen.herald.answers),
        "events_seen_before": len(seen.committed),
        "events_gone": lost,
        "votes_gone": votes,
        "events_missing_in_stream": held.missing,
        "messages_repeated": held.repeated,
        **about,
    }
    void = verdict.void or void_because(seen.cuts)
    if void is None and BUS in NODES[plan.node] and not seen.herald.answers["acknowledged"]:
        void = "no command was acknowledged and unread at a cut"
    return Verdict(figures, tuple(found), void, verdict.evidence, verdict.heads)


def gone(committed: Sequence[Said], evidence: Evidence) -> int:
    """Whoever could read an event may rely on it: it must stand where it stood."""
    now = {said.row.position: said.row.hash for said in evidence.events}
    return sum(now.get(said.row.position) != said.row.hash for said in committed)


def _unheard(evidence: Evidence) -> int:
    """Approvers say each vote until it is acknowledged: no task may still wait for one."""
    return sum(fate.state == "needs_approval" for _, fate in evidence.fates)


def _figures(plan: Plan, seen: _Seen) -> dict[str, object]:
    lost = [it for cut in seen.cuts for it in cut.lost]
    return {
        "node": plan.node,
        "control": plan.control,
        "cuts": len(seen.cuts),
        "up_again_s": spread([cut.down_s for cut in seen.cuts]),
        "canaries": {
            "disks_cut": len(lost),
            "flushed_records_gone": sum(it.flushed for it in lost),
            "unflushed_records": sum(it.written for it in lost),
            "unflushed_records_gone": sum(it.unflushed for it in lost),
            "disks_without_loss": sum(not it.unflushed for it in lost),
        },
    }


def void_because(cuts: Sequence[Cut]) -> str | None:
    """Why the cuts were none; see `canary`."""
    lost = [it for cut in cuts for it in cut.lost]
    if any(it.flushed for it in lost):
        return "a flushed record was lost: this disk does not keep its word"
    taken = sum(it.unflushed > 0 for it in lost)
    if not lost or taken < ENOUGH * len(lost):
        return f"only {taken} of {len(lost)} cuts of a disk took what was not flushed"
    return None


def _end_of(plan: Plan, endured: Endured, seen: _Seen, about: dict[str, object]) -> Verdict:
    """A server did not come up: there is nothing more to be checked."""
    why = str(seen.beyond_repair)
    figures = {"n": len(endured.accepted), "seed": plan.load.seed, **_figures(plan, seen), **about}
    nothing = Evidence(endured.accepted, (), Fates(), (), {}, {})
    return Verdict(figures, (why,), None, nothing, ())


def _flushing_late(config: str) -> str:
    late = config.replace("sync_interval: always", "sync_interval: 2m")
    if late == config:
        raise RuntimeError("the server's configuration has no sync_interval to be changed")
    return late


def _options(parser: ArgumentParser) -> None:
    standard = Plan()
    add_load_options(parser, standard.load)
    parser.add_argument("--cuts", type=int, default=standard.cuts, help="of each node")
    parser.add_argument("--node", action="append", choices=list(NODES), help="all of them")
    parser.add_argument("--work", type=float, default=standard.work_s, help="longest, seconds")
    parser.add_argument(
        "--control", choices=CONTROLS, help="take durability away: the run must be broken"
    )


async def _main(options: Namespace) -> Outcome:
    why_not = why_no_loop_disks()
    if why_not is not None:
        return not_proven(why_not)
    load = load_of(options, Plan().load)
    figures: dict[str, object] = {"seed": load.seed}
    violations: list[str] = []
    voids: list[str] = []
    for node in options.node or NODES:
        plan = Plan(
            load=load, node=node, cuts=options.cuts, work_s=options.work, control=options.control
        )
        with scratch_home(options.home and options.home / node) as home:
            verdict = await power_cut(home, plan)
        figures[node] = verdict.figures
        violations += [f"{node}: {one}" for one in verdict.violations]
        voids += [f"{node}: {verdict.void}"] if verdict.void is not None else []
    return Outcome(figures, tuple(violations), "; ".join(voids) or None)


POWER_CUT = Experiment(
    "power-cut",
    "power is lost under load, with all that was not flushed; no promise may break",
    _options,
    _main,
)
