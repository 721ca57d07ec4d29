"""Two to eight people decide on one plan at the same moment, each something else, while it expires.

A plan waits for a person. Some of ten people approve it, reject it for good or to have another
planned, edit or cancel it, all at once; in some rounds just as its time runs out. Among them are
the requester, one who has only the voice that another handed to him, and one who may do no more
than break the glass. Some say the same thing twice. Where an edit, or the wish for another plan,
wins, one of those who did not edit decides on what came of it.

Judged by the log: each plan has one outcome, no voice comes after it, nobody who asked or edited is
among the approvers, in his own name or another's, and what runs, run and call, names the very hash
that was granted, under which its approvers' voices stand. Every command is settled: taken, or
refused with a reason. Two processes decide, so that voices on one plan meet in the log, too.
"""

from __future__ import annotations

import asyncio
from argparse import ArgumentParser, Namespace
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from smartops.contracts.catalogue import AUDIT, POLICY, SERVICES
from smartops.devstack.stack import StackOptions

from benchmarks.lib.experiment import Experiment, Outcome, progress
from benchmarks.lib.home import scratch_home
from benchmarks.lib.hostile.verdict import settled
from benchmarks.lib.log_tail import LogTail
from benchmarks.lib.machine import machine, versions
from benchmarks.lib.ordeal import Endured, read_evidence
from benchmarks.lib.person import Person
from benchmarks.lib.race_verdict import Decided, judge, read_gates
from benchmarks.lib.races import ENVIRONMENT, PERSONS, REQUESTER, Heard, Races, actor_of
from benchmarks.lib.supervised import supervised_stack

__all__ = ["APPROVAL_RACES", "Plan", "approval_races"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much.

    Attributes:
        rounds: of one task each.
        seed: of all choices.
        at_once: rounds at a time.
        ttl_s: that people have to decide.
        patience_s: for whatever must happen.
    """

    rounds: int = 1000
    seed: int = 1
    at_once: int = 12
    ttl_s: float = 4.0
    patience_s: float = 40.0


async def approval_races(home: Path, plan: Plan) -> Outcome:
    """Run it on a fresh home."""
    heard = Heard()
    options = StackOptions(
        servers=2 * plan.at_once,
        environment=ENVIRONMENT,
        services=[name for name in SERVICES if name != AUDIT],
        replicas={POLICY: 2},
        persons=PERSONS,
        service_env={"policy": {"SMARTOPS_APPROVAL_TTL": f"PT{plan.ttl_s}S"}},
    )
    async with supervised_stack(home, options) as wards:
        stack = wards.stack
        progress(f"up: {', '.join(wards.names())}")
        told = {"machine": machine(), "versions": await versions(stack)}
        free: asyncio.Queue[str] = asyncio.Queue()
        for server in await stack.fleet():
            free.put_nowait(str(server["id"]))
        async with AsyncExitStack() as opened:
            people = {}
            for who in PERSONS:
                people[who] = await Person.connect(stack, who)
                opened.push_async_callback(people[who].close)
            tail = await opened.enter_async_context(
                LogTail(stack.postgres.dsn(), heard.hear, keep=False)
            )
            races = Races(plan.seed, plan.patience_s, tail, heard, people)
            await races.hand_over()
            left = iter(range(1, plan.rounds + 1))

            async def work() -> None:
                for number in left:
                    server = await free.get()
                    await races.round(number, server)
                    free.put_nowait(server)
                    if number % 100 == 0:
                        progress(f"{number} rounds")

            async with asyncio.TaskGroup() as group:
                for _ in range(plan.at_once):
                    group.create_task(work())
            unsettled = 0
            for handler, keys in races.commands.items():
                rows = await settled(stack.postgres.dsn(), handler, keys, plan.patience_s)
                unsettled += len(set(keys)) - len(rows)
        evidence, _ = await read_evidence(stack, Endured())
    gates = read_gates(evidence.events, heard.gates)
    wrong, first, other = judge(gates, actor_of(REQUESTER))
    figures: dict[str, object] = {
        "n": plan.rounds,
        "seed": plan.seed,
        "people_per_round": dict(sorted(races.sizes.items())),
        "commands": dict(races.said),
        "outcomes_of_first_plans": dict(first),
        "ends": dict(Counter(heard.ended.values())),
        "plans": sum(len(gate.required) for gate in gates.values()),
        "granted_in_anothers_name": _in_anothers_name(gates),
        "runs_of_another_hash": other,
        "refused": dict(heard.refused.most_common()),
        "unsettled": unsettled,
        "events": len(evidence.events),
        **told,
    }
    if unsettled:
        wrong.append(f"{unsettled} commands were never settled")
    missing = {
        *("granted", "granted alone", "rejected", "planned anew", "edited", "cancelled", "expired")
    } - set(first)
    void = f"nothing was ever {', '.join(sorted(missing))}" if missing else None
    return Outcome(figures, (*races.stuck, *wrong), void)


def _in_anothers_name(gates: dict[UUID, Decided]) -> int:
    """How often a voice that was handed over let a plan run."""
    grants = [grant for gate in gates.values() for grant in gate.grants]
    return sum(any(voice.for_actor for voice in grant.approvals) for grant in grants)


def _options(parser: ArgumentParser) -> None:
    standard = Plan()
    parser.add_argument("--rounds", type=int, default=standard.rounds)
    parser.add_argument("--seed", type=int, default=standard.seed)
    parser.add_argument("--home", type=Path, help="keep the stack's data there; must be new")


async def _main(options: Namespace) -> Outcome:
    with scratch_home(options.home) as home:
        return await approval_races(home, Plan(rounds=options.rounds, seed=options.seed))


APPROVAL_RACES = Experiment(
    "approval-races",
    "two to eight people approve, reject, edit, cancel one plan at once, while it expires",
    _options,
    _main,
)
