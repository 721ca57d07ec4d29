"""Whatever is killed: accepted work ends, nothing opaque happens twice, and the log is true.

Tasks patch and restart servers of their own, a third of the steps on a tool whose lost answer
nobody can clear up. Meanwhile every service, the bus and the database are killed (SIGKILL) at
seeded random times. Afterwards the record of the fleet is held against the log.
"""

from __future__ import annotations

import asyncio
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

import asyncpg
from smartops.contracts.catalogue import SERVICES
from smartops.devstack.stack import Stack, StackOptions
from smartops.eventstore import Head

from benchmarks.lib.checks.acceptance import check_acceptance
from benchmarks.lib.checks.authority import check_authority
from benchmarks.lib.checks.effects import check_effects
from benchmarks.lib.checks.evidence import Evidence
from benchmarks.lib.checks.history import check_history
from benchmarks.lib.checks.honesty import check_honesty
from benchmarks.lib.checks.leftovers import settle
from benchmarks.lib.checks.projections import check_projections
from benchmarks.lib.crew import Crew
from benchmarks.lib.experiment import Experiment, Outcome, progress
from benchmarks.lib.fates import Fates
from benchmarks.lib.home import scratch_home
from benchmarks.lib.kill_report import kill_figures, share_hit, share_in_flight
from benchmarks.lib.log_tail import LogTail
from benchmarks.lib.machine import machine, versions
from benchmarks.lib.nemesis import Kill, Nemesis
from benchmarks.lib.person import Person
from benchmarks.lib.playground_record import read_record
from benchmarks.lib.runbooks import Accepted, Runbooks
from benchmarks.lib.service_logs import events_swept
from benchmarks.lib.supervised import Wards, supervised_stack

__all__ = ["KILL_EVERYTHING", "Judged", "Plan", "kill_everything"]

ENOUGH = 0.9
"""Share of tasks that kills must really have met; below it the run shows nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is done to whom.

    Attributes:
        tasks: in flight at any time, until the last kill.
        kills: of each part.
        parts: who is killed; none: everybody.
        services: which services run.
        servers: of the fleet; each task uses one or two of its own.
        seed: of intents, order and pauses.
        pause_s: longest pause between two kills.
        delay_ms: that each write takes at the fleet, so that kills find calls in flight.
        lost_answers: servers of which one write each is applied and never answered.
        patience_s: from the last kill until everything must be at rest.
        await_bus: wait until the bus, too, holds nothing any more. Events that a killed process had
            in hand are long handled by then, but are given out again only after 30 s.
    """

    tasks: int = 50
    kills: int = 2
    parts: Sequence[str] = ()
    services: Sequence[str] = SERVICES
    servers: int = 400
    seed: int = 1
    pause_s: float = 2.0
    delay_ms: int = 500
    lost_answers: int = 20
    patience_s: float = 120.0
    await_bus: bool = True


@dataclass(slots=True)
class _Run:
    """What a run leaves behind, beside the log."""

    kills: list[Kill] = field(default_factory=list)
    accepted: dict[UUID, Accepted] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    rest_s: float = 0.0


class Judged(NamedTuple):
    """A finished run."""

    outcome: Outcome
    evidence: Evidence
    heads: Sequence[Head]


async def kill_everything(home: Path, plan: Plan, *, handle_signals: bool = True) -> Judged | None:
    """Run it on a fresh home; None when interrupted."""
    options = StackOptions(
        servers=plan.servers,
        environment="staging",
        canary_window=timedelta(seconds=0.5),
        wave_window=timedelta(seconds=0.5),
        services=plan.services,
    )
    figures: dict[str, object] = {
        "services": list(plan.services),
        "tasks_in_flight": plan.tasks,
        "seed": plan.seed,
        "machine": machine(),
    }
    async with supervised_stack(home, options, handle_signals=handle_signals) as wards:
        stack = wards.stack
        progress(f"up: {', '.join(wards.names())}, {plan.servers} servers")
        figures["versions"] = await versions(stack)
        run = await _run(wards, plan)
        progress("all at rest; checking")
        return await _judge(stack, plan, run, figures)
    return None


async def _run(wards: Wards, plan: Plan) -> _Run:
    stack, run, loop = wards.stack, _Run(), asyncio.get_running_loop()
    runbooks = Runbooks(plan.seed, plan.servers, "staging")
    await _set_faults(stack, plan, runbooks)
    operator = await Person.connect(stack, "operator")
    approver = await Person.connect(stack, "approver")
    crew = Crew(operator, approver, runbooks)
    run.accepted = crew.accepted
    enough = asyncio.Event()
    try:
        async with LogTail(stack.postgres.dsn(), crew.hear) as tail:
            await crew.listen(tail)
            slots = [asyncio.create_task(crew.keep_busy(enough)) for _ in range(plan.tasks)]
            if not await tail.until(lambda: crew.executing >= plan.tasks / 2, plan.patience_s):
                run.broken.append(f"only {crew.executing} of {plan.tasks} tasks began to execute")
            nemesis = Nemesis(wards, plan.seed, lambda: crew.in_flight)
            run.kills = nemesis.kills
            order = nemesis.order(plan.parts or wards.names(), plan.kills)
            await nemesis.strike(order, plan.pause_s)
            enough.set()
            last = loop.time()
            run.broken += await nemesis.all_back()
            progress(f"all parts serve again; {crew.in_flight} tasks in flight")
            await asyncio.wait(slots, timeout=plan.patience_s)
            run.rest_s = loop.time() - last
            for slot in slots:
                slot.cancel()
            await asyncio.wait(slots)
            await crew.close()
    finally:
        await operator.close()
        await approver.close()
    return run


async def _set_faults(stack: Stack, plan: Plan, runbooks: Runbooks) -> None:
    faults: list[dict[str, object]] = [
        {"mode": "delay", "operation": operation, "value": plan.delay_ms}
        for operation in ("set_version", "restart")
    ]
    faults += [
        {"mode": "apply_then_drop", "server": server, "times": 1}
        for server in runbooks.first_servers(plan.lost_answers)
    ]
    for fault in faults:
        await stack.ask_fleet("POST", "/admin/faults", fault)


async def _judge(stack: Stack, plan: Plan, run: _Run, figures: dict[str, object]) -> Judged:
    left, settled_s = await settle(stack, plan.patience_s / 2, await_bus=plan.await_bus)
    evidence, heads = await _evidence(stack, run)
    violations = [
        *run.broken,
        *check_acceptance(evidence),
        *check_effects(evidence),
        *check_authority(evidence),
        *check_honesty(evidence),
        *check_history(evidence, heads),
        *left,
    ]
    if "audit" in plan.services:
        violations += await check_projections(stack, len(evidence.events), plan.patience_s / 2)
    in_flight, hit = share_in_flight(run.kills, plan.tasks), share_hit(evidence, run.kills)
    figures |= {
        "n": len(evidence.accepted),
        "tasks": dict(Counter(fate.state for _, fate in evidence.fates)),
        **kill_figures(evidence, run.kills),
        "share_in_flight_at_kill": round(in_flight, 3),
        "share_of_tasks_hit": round(hit, 3),
        "all_at_rest_after_last_kill_s": round(run.rest_s, 1),
        "nothing_left_after_s": round(settled_s, 1),
        "events": len(evidence.events),
        "events_swept": events_swept(stack),
        "requests": dict(Counter(str(request.outcome) for request in evidence.requests)),
    }
    void = None
    if min(in_flight, hit) < ENOUGH:
        void = f"{in_flight:.0%} in flight at a kill, {hit:.0%} of tasks hit; {ENOUGH:.0%} wanted"
    return Judged(Outcome(figures, tuple(violations), void), evidence, heads)


async def _evidence(stack: Stack, run: _Run) -> tuple[Evidence, list[Head]]:
    """Read everything anew: what was followed meanwhile may have been lost in a crash since."""
    fates = Fates()
    connection = await asyncpg.connect(stack.postgres.dsn())
    try:
        head = await connection.fetchval("select max(position) from smartops_log.events")
        rows = await connection.fetch("select * from smartops_log.heads")
        blobs = await connection.fetch("select digest, content from smartops_log.blobs")
    finally:
        await connection.close()
    async with LogTail(stack.postgres.dsn(), fates.hear) as tail:
        await tail.until(lambda: len(tail.events) >= head, 60)
    fleet = {str(server["id"]): server for server in await stack.fleet()}
    evidence = Evidence(
        accepted=run.accepted,
        events=tail.events,
        fates=fates,
        requests=read_record(stack.home / "playground.record.jsonl"),
        fleet=fleet,
        blobs={bytes(row[0]): bytes(row[1]) for row in blobs},
    )
    return evidence, [Head(*row) for row in rows]


def _options(parser: ArgumentParser) -> None:
    standard = Plan()
    parser.add_argument("--tasks", type=int, default=standard.tasks, help="in flight")
    parser.add_argument("--kills", type=int, default=standard.kills, help="of each part")
    parser.add_argument("--part", action="append", default=[], help="kill only these parts")
    parser.add_argument("--servers", type=int, default=standard.servers)
    parser.add_argument("--seed", type=int, default=standard.seed)
    parser.add_argument("--pause", type=float, default=standard.pause_s, help="longest, seconds")
    parser.add_argument("--delay", type=int, default=standard.delay_ms, help="of a write, ms")
    parser.add_argument("--lost-answers", type=int, default=standard.lost_answers)
    parser.add_argument("--without", action="append", default=[], choices=SERVICES)
    parser.add_argument("--home", type=Path, help="keep the stack's data there; must be new")


async def _main(options: Namespace) -> Outcome | None:
    plan = Plan(
        tasks=options.tasks,
        kills=options.kills,
        parts=options.part,
        services=[name for name in SERVICES if name not in options.without],
        servers=options.servers,
        seed=options.seed,
        pause_s=options.pause,
        delay_ms=options.delay,
        lost_answers=options.lost_answers,
    )
    with scratch_home(options.home) as home:
        judged = await kill_everything(home, plan)
    return None if judged is None else judged.outcome


KILL_EVERYTHING = Experiment(
    "kill-everything",
    "kill -9 of every service, the bus and the database under load; no promise may break",
    _options,
    _main,
)
