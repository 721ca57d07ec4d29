"""Who owns the runner, or the database, gets nothing out that nobody approved.

Runs are paused in their first phase, with one step of it done. Somebody with the runner's password
and key then asks, in the history of these runs, for all that was not approved: another target, tool
or step, a step again, another phase, another run or task, a write that calls itself a read, an undo
of what was never done. Copies of real requests are altered on the bus. And a plan is altered in the
database while its approver still looks at it.

Judged by the fleet's own record and by the log, never by how the gateway put it.
"""

from __future__ import annotations

import asyncio
from argparse import ArgumentParser, Namespace
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import asyncpg
from smartops.contracts.canonical import raw_digest
from smartops.contracts.catalogue import AUDIT, RUNNER, SERVICES
from smartops.devstack.stack import Stack, StackOptions

from benchmarks.lib.checks.authority import check_authority
from benchmarks.lib.checks.effects import check_effects
from benchmarks.lib.checks.honesty import check_honesty
from benchmarks.lib.checks.order import check_order
from benchmarks.lib.checks.withdrawals import check_withdrawals
from benchmarks.lib.experiment import Experiment, Outcome, progress
from benchmarks.lib.forged_plans import with_other_target
from benchmarks.lib.forged_requests import FORGERIES, Forged
from benchmarks.lib.home import scratch_home
from benchmarks.lib.hostile_runner import HostileRunner
from benchmarks.lib.log_tail import LogTail
from benchmarks.lib.machine import machine
from benchmarks.lib.ordeal import Endured, read_evidence
from benchmarks.lib.person import Person
from benchmarks.lib.second_thoughts import Heard, People
from benchmarks.lib.superuser import on_the_bus
from benchmarks.lib.supervised import supervised_stack

__all__ = ["FORGERIES_PROOF", "Plan", "forgeries"]

ENVIRONMENT = "staging"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is forged.

    Attributes:
        rounds: of every kind of forgery, each on a run of its own.
        patience_s: for whatever must happen.
    """

    rounds: int = 3
    patience_s: float = 30.0


async def forgeries(home: Path, plan: Plan) -> Outcome:
    """Run it on a fresh home."""
    runs = plan.rounds * len(FORGERIES)
    options = StackOptions(
        servers=2 * (runs + plan.rounds) + 1,
        environment=ENVIRONMENT,
        services=[name for name in SERVICES if name != AUDIT],
        canary_window=timedelta(seconds=0.5),
        wave_window=timedelta(seconds=0.5),
    )
    heard, endured = Heard(), Endured()
    async with supervised_stack(home, options) as wards:
        stack = wards.stack
        progress(f"up: {', '.join(wards.names())}")
        slow = {"mode": "delay", "operation": "restart", "value": 400}
        await stack.ask_fleet("POST", "/admin/faults", slow)
        victim, *servers = [str(server["id"]) for server in await stack.fleet()]
        operator = await Person.connect(stack, "operator")
        approver = await Person.connect(stack, "approver")
        try:
            async with LogTail(stack.postgres.dsn(), heard.hear) as tail:
                people = People(stack, tail, heard, operator, approver)
                pairs = list(zip(servers[::2], servers[1::2], strict=True))
                tasks = await _paused(people, plan, pairs[:runs])
                endured.accepted.update(people.accepted)
                progress(f"{len(tasks)} runs are paused")
                asked, decided = await _forge(stack, people, plan, tasks, victim)
                progress(f"{asked} requests forged, {decided} decided")
                tampered = await _alter(stack, people, plan, pairs[runs:], victim)
                progress(f"{tampered} plans altered")
                endured.accepted.update(people.accepted)
        finally:
            await operator.close()
            await approver.close()
        evidence, _ = await read_evidence(stack, endured)
    touched = [request for request in evidence.requests if request.server == victim]
    violations = (
        *endured.broken,
        *(
            f"{request.method} {request.path} arrived, which nobody asked for"
            for request in touched
        ),
        *check_authority(evidence),
        *check_order(evidence),
        *check_effects(evidence),
        *check_honesty(evidence),
        *check_withdrawals(evidence.events),
    )
    figures = {
        "n": asked + tampered,
        "kinds": len(FORGERIES) + 1,
        "denied": dict(heard.denied),
        "plans_altered": tampered,
        "requests": dict(Counter(str(request.outcome) for request in evidence.requests)),
        "events": len(evidence.events),
        "machine": machine(),
    }
    void = f"{asked - decided} forged requests were never looked at" if decided < asked else None
    return Outcome(figures, violations, void)


async def _paused(people: People, plan: Plan, pairs: list[tuple[str, str]]) -> list[UUID]:
    """Runs on two servers each, paused in the first phase with its first step done."""

    async def one(first: str, second: str) -> UUID:
        task = await people.run(first, second)
        await people.approve(task)
        await people.tail.until(lambda: people.heard.asked[task] > 0, plan.patience_s)
        await people.take_back("run.pause", task)
        await people.tail.until(lambda: people.heard.fates[task].state == "paused", plan.patience_s)
        return task

    return list(await asyncio.gather(*(one(*pair) for pair in pairs)))


async def _forge(
    stack: Stack, people: People, plan: Plan, tasks: list[UUID], victim: str
) -> tuple[int, int]:
    async with on_the_bus(stack, RUNNER) as nats:
        runner = await HostileRunner.break_in(stack, nats)
        try:
            runs = [await runner.capture(people.heard.started[task]) for task in tasks]
            for number, run in enumerate(runs):
                forged = FORGERIES[number % len(FORGERIES)]
                other = runs[(number + 1) % len(runs)]
                await forged(Forged(runner, run, other, victim))
            return len(runner.asked), await runner.answered(plan.patience_s)
        finally:
            await runner.leave()


async def _alter(
    stack: Stack, people: People, plan: Plan, pairs: list[tuple[str, str]], victim: str
) -> int:
    """Alter plans that await approval, have them approved, and put back what was approved."""
    owner = await asyncpg.connect(stack.postgres.dsn())
    try:
        tasks = [await people.run(*pair) for pair in pairs]
        await people.tail.until(
            lambda: all(task in people.heard.required for task in tasks), plan.patience_s
        )
        await owner.execute("alter table smartops_log.blobs disable trigger all")
        await owner.execute("alter table smartops_log.blobs alter column digest drop expression")
        approved: dict[bytes, bytes] = {}
        for task, pair in zip(tasks, pairs, strict=True):
            digest = raw_digest(people.heard.required[task].document)
            approved[digest] = await owner.fetchval(
                "select content from smartops_log.blobs where digest = $1", digest
            )
            altered = with_other_target(approved[digest], pair[0], victim)
            await owner.execute(_REPLACE, digest, altered)
        handled = await _grants_handled(owner)
        for task in tasks:
            await people.approve(task)
        for _ in range(int(plan.patience_s * 10)):
            if await _grants_handled(owner) >= handled + len(tasks):
                break
            await asyncio.sleep(0.1)  # Nothing tells of a row in the inbox.
        # Whoever got past that is at it by now; give it the time to be seen at the fleet.
        await people.tail.until(lambda: any(people.heard.asked[task] for task in tasks), 2.0)
        await people.tail.until(lambda: False, 1.0)
        for digest, content in approved.items():
            await owner.execute(_REPLACE, digest, content)
        return len(approved)
    finally:
        await owner.close()


_REPLACE = "update smartops_log.blobs set content = $2 where digest = $1"


async def _grants_handled(owner: asyncpg.Connection[asyncpg.Record]) -> int:
    count: int = await owner.fetchval(
        "select count(*) from smartops_log.inbox where handler = 'runner.grants'"
    )
    return count


def _options(parser: ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=Plan().rounds, help="of every kind")
    parser.add_argument("--home", type=Path, help="keep the stack's data there; must be new")


async def _main(options: Namespace) -> Outcome:
    with scratch_home(options.home) as home:
        return await forgeries(home, Plan(rounds=options.rounds))


FORGERIES_PROOF = Experiment(
    "forgeries",
    "with the runner's and the database owner's credentials: nothing unapproved goes out",
    _options,
    _main,
)
