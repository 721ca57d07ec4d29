"""What was taken back in the same moment is taken back: revocations race against calls.

The fleet is slow to show a server, and each call looks at its server first. As soon as a run asks
for its first call, a person revokes the grant, cancels the task, or halts it: so the gateway, which
knows the gate as it was, decides while the gate's word comes into the log. In the same way an
approver loses the right to vote while policy still knows them as one who has it.

Judged by the log alone: whatever stands behind a withdrawal must not rest on what was withdrawn.
"""

from __future__ import annotations

import asyncio
import random
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from smartops.contracts.catalogue import AUDIT, SERVICES
from smartops.devstack.stack import StackOptions

from benchmarks.lib.checks.withdrawals import check_withdrawals
from benchmarks.lib.experiment import Experiment, Outcome, progress
from benchmarks.lib.home import scratch_home
from benchmarks.lib.log_tail import LogTail
from benchmarks.lib.machine import machine
from benchmarks.lib.person import Person
from benchmarks.lib.second_thoughts import STEPS, Heard, People
from benchmarks.lib.supervised import supervised_stack

__all__ = ["WITHDRAWALS", "Plan", "withdrawals"]

ENVIRONMENT = "staging"
WITHDRAW = ("grant.revoke", "task.cancel", "run.halt")
_DENIED = {"revoked", "cancelled", "halted"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is taken back.

    Attributes:
        seed: of which of its calls a task is taken back at.
        rounds: of one task per way of taking it back, all at once, and of one vote.
        look_ms: that the fleet takes to show a server.
        patience_s: for whatever must happen.
    """

    seed: int = 1
    rounds: int = 10
    look_ms: int = 600
    patience_s: float = 30.0


async def withdrawals(home: Path, plan: Plan) -> Outcome:
    """Run it on a fresh home."""
    options = StackOptions(
        servers=plan.rounds * (len(WITHDRAW) + 1),
        environment=ENVIRONMENT,
        services=[name for name in SERVICES if name != AUDIT],
        canary_window=timedelta(seconds=0.5),
        wave_window=timedelta(seconds=0.5),
    )
    heard, broken = Heard(), list[str]()
    async with supervised_stack(home, options) as wards:
        stack = wards.stack
        progress(f"up: {', '.join(wards.names())}")
        slow = {"mode": "delay", "operation": "get_server", "value": plan.look_ms}
        await stack.ask_fleet("POST", "/admin/faults", slow)
        operator = await Person.connect(stack, "operator")
        approver = await Person.connect(stack, "approver")
        try:
            async with LogTail(stack.postgres.dsn(), heard.hear) as tail:
                people = People(stack, tail, heard, operator, approver)
                servers = iter([str(server["id"]) for server in await stack.fleet()])
                chance = random.Random(plan.seed)
                for _ in range(plan.rounds):
                    broken += await _round(people, plan, chance, servers)
                progress(f"{plan.rounds} rounds; denied {dict(heard.denied)}")
                events = list(tail.events)
        finally:
            await operator.close()
            await approver.close()
    figures = {
        "n": plan.rounds * (len(WITHDRAW) + 1),
        "seed": plan.seed,
        "calls_denied": dict(heard.denied),
        "votes_refused": dict(heard.refused),
        "tasks": dict(Counter(fate.state for _, fate in heard.fates)),
        "events": len(events),
        "machine": machine(),
    }
    missing = _DENIED - set(heard.denied) or ({"forbidden"} - set(heard.refused))
    void = f"nothing was {', '.join(sorted(missing))}: no race was met" if missing else None
    return Outcome(figures, (*broken, *check_withdrawals(events)), void)


async def _round(
    people: People, plan: Plan, chance: random.Random, servers: Iterator[str]
) -> list[str]:
    """One task per way of taking it back, and one that somebody without a vote would approve."""
    heard = people.heard
    tasks = [await people.patch(next(servers)) for _ in WITHDRAW]
    undecided = await people.patch(next(servers))
    await asyncio.gather(*(people.approve(task) for task in tasks))
    await asyncio.gather(
        *(
            _withdraw(people, plan, name, task, chance.randint(1, STEPS))
            for name, task in zip(WITHDRAW, tasks, strict=True)
        )
    )
    # Policy has seen the approver with this right, and is not told that it is gone.
    await people.map_approver(disabled=True)
    refused = heard.refused.total()
    await people.approve(undecided)
    answered = await people.tail.until(
        lambda: heard.refused.total() > refused or undecided in heard.granted, plan.patience_s
    )
    await people.map_approver(disabled=False)
    found = [] if answered else [f"task {undecided}: a vote got no answer"]
    late = [task for task in tasks if not await _at_rest(people, plan, task)]
    return [*found, *(f"task {task} does not come to rest" for task in late)]


async def _withdraw(people: People, plan: Plan, name: str, task: UUID, call: int) -> None:
    """Take a task back as soon as its run asks for its n-th call."""
    asked = await people.tail.until(lambda: people.heard.asked[task] >= call, plan.patience_s)
    if asked:
        await people.take_back(name, task)


async def _at_rest(people: People, plan: Plan, task: UUID) -> bool:
    fates = people.heard.fates
    return await people.tail.until(lambda: fates[task].at_rest, plan.patience_s)


def _options(parser: ArgumentParser) -> None:
    standard = Plan()
    parser.add_argument("--seed", type=int, default=standard.seed)
    parser.add_argument("--rounds", type=int, default=standard.rounds)
    parser.add_argument("--look", type=int, default=standard.look_ms, help="at a server, ms")
    parser.add_argument("--home", type=Path, help="keep the stack's data there; must be new")


async def _main(options: Namespace) -> Outcome:
    plan = Plan(seed=options.seed, rounds=options.rounds, look_ms=options.look)
    with scratch_home(options.home) as home:
        return await withdrawals(home, plan)


WITHDRAWALS = Experiment(
    "withdrawals",
    "grants are revoked, tasks cancelled and halted, voters disabled while calls are decided",
    _options,
    _main,
)
