"""Tasks in flight while something is done to the house, and the judgement afterwards.

Whatever is done, the promises are the same: accepted work ends or lies with a human, nothing
opaque goes out twice, nothing goes out without a grant, the log is gap-free and chained, what
people read is what a replay gives, and nothing is left lying about.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
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
from benchmarks.lib.experiment import Outcome, progress
from benchmarks.lib.fates import Fates
from benchmarks.lib.kill_report import kill_figures, share_in_flight
from benchmarks.lib.log_tail import LogTail
from benchmarks.lib.nemesis import Kill
from benchmarks.lib.person import Person
from benchmarks.lib.playground_record import read_record
from benchmarks.lib.runbooks import Accepted, Runbooks
from benchmarks.lib.service_logs import events_swept
from benchmarks.lib.supervised import Wards

__all__ = ["ENOUGH", "Endured", "Load", "Scene", "Verdict", "endure", "judge", "read_evidence"]

ENVIRONMENT = "staging"
ENOUGH = 0.9
"""Share of tasks that faults must really have met; below it the run shows nothing."""
READ_PER_S = 500
"""Events that are read and parsed at least, however busy the machine is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """The work that is in flight.

    Attributes:
        tasks: in flight at any time, until the last fault is over.
        servers: of the fleet; each task uses one or two of its own.
        seed: of intents.
        delay_ms: that each write takes at the fleet, so that faults find calls in flight.
        lost_answers: servers of which one write each is applied and never answered.
        patience_s: from the last fault's end until everything must be at rest.
    """

    tasks: int = 50
    servers: int = 400
    seed: int = 1
    delay_ms: int = 500
    lost_answers: int = 20
    patience_s: float = 120.0

    def stack(self) -> StackOptions:
        """The stack for it: everything, with short windows."""
        return StackOptions(
            servers=self.servers,
            environment=ENVIRONMENT,
            canary_window=timedelta(seconds=0.5),
            wave_window=timedelta(seconds=0.5),
        )


@dataclass(slots=True)
class Endured:
    """What a run leaves behind, beside the log."""

    faults: list[Kill] = field(default_factory=list)
    """What was done: `part` is its kind, `back_at` when it was over."""
    accepted: dict[UUID, Accepted] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    rest_s: float = 0.0


@dataclass(slots=True)
class Scene:
    """The stage on which something is done, while tasks are in flight."""

    wards: Wards
    crew: Crew
    tail: LogTail
    endured: Endured
    enough: asyncio.Event
    """Set: no new tasks. It is, at the latest, when the body returns."""

    @property
    def stack(self) -> Stack:
        """The running stack."""
        return self.wards.stack

    @contextmanager
    def fault(self, kind: str) -> Iterator[Kill]:
        """Note a fault that lasts as long as the block, and how many tasks it found in flight."""
        fault = Kill(kind, time.time(), self.crew.in_flight)
        self.endured.faults.append(fault)
        yield fault
        fault.back_at = time.time()


@dataclass(frozen=True, slots=True)
class Verdict:
    """A judged run."""

    figures: dict[str, object]
    violations: tuple[str, ...]
    void: str | None
    evidence: Evidence
    heads: Sequence[Head]

    def outcome(self) -> Outcome:
        """What the command line tells."""
        return Outcome(self.figures, self.violations, self.void)


Body = Callable[[Scene], Awaitable[None]]
"""What is done; returns when all of it is over, and adds to `Endured.broken` what it finds."""

Enter = Callable[[Stack, str], Awaitable[Person]]

TrueTime = Callable[[datetime], datetime]


async def endure(
    wards: Wards,
    load: Load,
    body: Body,
    enter: Enter = Person.connect,
    *,
    keep: bool = True,
) -> Endured:
    """Keep tasks in flight while `body` runs, then let all come to rest.

    Args:
        wards: a fresh stack, up.
        load: how much work.
        body: see `Body`; called once at least half of the tasks execute.
        enter: makes the two people.
        keep: whether the scene's tail holds what it heard; `judge` reads everything anew anyway.
    """
    stack, endured, loop = wards.stack, Endured(), asyncio.get_running_loop()
    runbooks = Runbooks(load.seed, load.servers, ENVIRONMENT)
    await _set_delays(stack, load, runbooks)
    operator = await enter(stack, "operator")
    approver = await enter(stack, "approver")
    crew = Crew(operator, approver, runbooks)
    endured.accepted = crew.accepted
    enough = asyncio.Event()
    try:
        async with LogTail(stack.postgres.dsn(), crew.hear, keep=keep) as tail:
            await crew.listen(tail)
            slots = [asyncio.create_task(crew.keep_busy(enough)) for _ in range(load.tasks)]
            if not await tail.until(lambda: crew.executing >= load.tasks / 2, load.patience_s):
                endured.broken.append(f"only {crew.executing} of {load.tasks} tasks began")
            try:
                await body(Scene(wards, crew, tail, endured, enough))
            finally:
                enough.set()
            over = loop.time()
            progress(f"all faults are over; {crew.in_flight} tasks in flight")
            await asyncio.wait(slots, timeout=load.patience_s)
            # Others may have asked for something, too: who decides on it stays as long.
            left = load.patience_s - (loop.time() - over)
            await tail.until(lambda: not crew.in_flight, max(left, 0.0))
            endured.rest_s = loop.time() - over
            for slot in slots:
                slot.cancel()
            await asyncio.wait(slots)
            await crew.close()
    finally:
        await operator.close()
        await approver.close()
    return endured


async def judge(
    stack: Stack,
    load: Load,
    endured: Endured,
    *,
    await_bus: bool = True,
    true_time: TrueTime | None = None,
) -> Verdict:
    """Hold what is left against every promise.

    Args:
        stack: whole again, and at rest or late.
        load: what was in flight.
        endured: what `endure` returned.
        await_bus: wait until the bus, too, holds nothing any more.
        true_time: from what the database's clock said to what it should have; None: the same.
    """
    left, settled_s = await settle(stack, load.patience_s / 2, await_bus=await_bus)
    began = time.monotonic()
    evidence, heads = await read_evidence(stack, endured, true_time)
    violations = [
        *endured.broken,
        *check_acceptance(evidence),
        *check_effects(evidence),
        *check_authority(evidence),
        *check_honesty(evidence),
        *check_history(evidence, heads),
        *left,
        *await check_projections(stack, len(evidence.events), load.patience_s / 2),
    ]
    in_flight = share_in_flight(endured.faults, load.tasks)
    hit = _share_met(evidence, endured.faults)
    told = kill_figures(evidence, endured.faults)
    figures: dict[str, object] = {
        "n": len(evidence.accepted),
        "seed": load.seed,
        "tasks_in_flight": load.tasks,
        "tasks": dict(Counter(fate.state for _, fate in evidence.fates)),
        "faults": told["kills"],
        "in_flight_at_fault": told["in_flight_at_kill"],
        "open_writes_at_fault": told["open_writes_at_kill"],
        "task_s": told["task_s"],
        "share_in_flight_at_fault": round(in_flight, 3),
        "share_of_tasks_hit": round(hit, 3),
        "all_at_rest_after_last_fault_s": round(endured.rest_s, 1),
        "nothing_left_after_s": round(settled_s, 1),
        "events": len(evidence.events),
        "events_swept": events_swept(stack),
        "requests": dict(Counter(str(request.outcome) for request in evidence.requests)),
        "judged_in_s": round(time.monotonic() - began, 1),
    }
    void = None
    if min(in_flight, hit) < ENOUGH:
        void = f"{in_flight:.0%} in flight at a fault, {hit:.0%} of tasks hit; {ENOUGH:.0%} wanted"
    return Verdict(figures, tuple(violations), void, evidence, heads)


async def read_evidence(
    stack: Stack,
    endured: Endured,
    true_time: TrueTime | None = None,
    *,
    lenient: bool = False,
) -> tuple[Evidence, list[Head]]:
    """Read everything anew: what was followed meanwhile may have been lost in a crash since."""
    fates = Fates()
    connection = await asyncpg.connect(stack.postgres.dsn())
    try:
        head = await connection.fetchval("select max(position) from smartops_log.events")
        rows = await connection.fetch("select * from smartops_log.heads")
        blobs = await connection.fetch("select digest, content from smartops_log.blobs")
    finally:
        await connection.close()
    dsn = stack.postgres.dsn()
    async with LogTail(dsn, fates.hear, true_time=true_time, lenient=lenient) as tail:
        await tail.until(lambda: len(tail.events) >= head, 60 + head / READ_PER_S)
    fleet = {str(server["id"]): server for server in await stack.fleet()}
    evidence = Evidence(
        accepted=endured.accepted,
        events=tail.events,
        fates=fates,
        requests=read_record(stack.home / "playground.record.jsonl"),
        fleet=fleet,
        blobs={bytes(row[0]): bytes(row[1]) for row in blobs},
    )
    return evidence, [Head(*row) for row in rows]


def _share_met(evidence: Evidence, faults: Sequence[Kill]) -> float:
    """Share of all tasks that were under way while at least one fault lasted."""
    if not evidence.accepted:
        return 0.0
    met = 0
    for task, accepted in evidence.accepted.items():
        end = evidence.fates[task].settled_at or float("inf")
        met += any(
            accepted.at <= (fault.back_at or float("inf")) and fault.at <= end for fault in faults
        )
    return met / len(evidence.accepted)


async def _set_delays(stack: Stack, load: Load, runbooks: Runbooks) -> None:
    faults: list[dict[str, object]] = [
        {"mode": "delay", "operation": operation, "value": load.delay_ms}
        for operation in ("set_version", "restart")
    ]
    faults += [
        {"mode": "apply_then_drop", "server": server, "times": 1}
        for server in runbooks.first_servers(load.lost_answers)
    ]
    for fault in faults:
        await stack.ask_fleet("POST", "/admin/faults", fault)
