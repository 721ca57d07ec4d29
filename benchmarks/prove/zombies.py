"""Gateways and runners that stand still past their timeouts, while others take over, and go on.

Two gateways and two runners are at work. One gateway after the other is stopped (SIGSTOP) with
calls of tools that dedupe by key, that are read back, and of which nobody can tell, held exactly
at a known place: before the dispatch is committed, between commit and send, during the call, before
the outcome is recorded. Deadlines pass; the other gateway sends again, reads back, or calls a
person. Then the first goes on (SIGCONT), with all that it was about to do. Runners are stopped at
random moments meanwhile.

A person who wants a call attempted again that the stopped gateway may yet send is refused, unless
they accept that it may happen twice. In the end that is done on purpose, with requests that hang at
the fleet: those doubles are counted, and each is told in the log.
"""

from __future__ import annotations

import itertools
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

from smartops.contracts.catalogue import GATEWAY, RUNNER
from smartops.devstack.stack import StackOptions

from benchmarks.lib.checks.authority import check_authority
from benchmarks.lib.checks.history import check_history
from benchmarks.lib.checks.withdrawals import check_withdrawals
from benchmarks.lib.crash_points import VARIABLE
from benchmarks.lib.experiment import Experiment, Outcome, progress
from benchmarks.lib.home import scratch_home
from benchmarks.lib.machine import machine, versions
from benchmarks.lib.ordeal import Endured, read_evidence
from benchmarks.lib.standstill import Standstill
from benchmarks.lib.supervised import supervised_stack
from benchmarks.lib.zombie_night import ELSEWHERE, ENVIRONMENT, HANGING, PLACES, Night, Plan
from benchmarks.lib.zombie_verdict import Trial, judge_zombies, refusals

__all__ = ["ZOMBIES", "Plan", "zombies"]


async def zombies(home: Path, plan: Plan) -> Outcome:
    """Run it on a fresh home."""
    folder = home / "failpoints"
    still = Standstill(folder)
    options = StackOptions(
        servers=plan.servers(),
        environment=ENVIRONMENT,
        canary_window=timedelta(seconds=0.2),
        wave_window=timedelta(seconds=0.2),
        sample_interval=timedelta(seconds=0.1),
        replicas={GATEWAY: 2, RUNNER: 2},
        service_env={GATEWAY: {VARIABLE: str(folder)}},
    )
    async with supervised_stack(home, options) as wards:
        stack = wards.stack
        progress(f"up: {', '.join(wards.names())}")
        told = {"machine": machine(), "versions": await versions(stack)}
        names = iter([str(server["id"]) for server in await stack.fleet()])
        night = Night(plan, stack, still, names)
        await night.run()
        evidence, heads = await read_evidence(stack, Endured())
        found = judge_zombies(evidence, night.found.trials)
        held = [trial for trial in night.found.trials.values() if trial.held]
        figures: dict[str, object] = {
            "n": len(held),
            "seed": plan.seed,
            "calls": len(night.found.trials),
            "standstills": dict(night.found.standstills),
            "double_effects": sum("took effect" in one and "times" in one for one in found.broken),
            "accepted_doubles": found.accepted_doubles,
            "late_effects": dict(found.late),
            "settlements_refused": dict(refusals(evidence.events)),
            "said_by_people": dict(Counter(trial.said for trial in held if trial.said)),
            "ends": dict(Counter(night.heard.fates[task].state for task in night.found.trials)),
            "table": {name: found.table[name] for name in _rows(found.table)},
            **told,
        }
        violations = (
            *found.broken,
            *night.found.wrong,
            *check_authority(evidence),
            *check_history(evidence, heads),
            *check_withdrawals(evidence.events),
            *(f"too late: {what}" for what in night.found.late),
        )
        return Outcome(figures, violations, _void(plan, held, found.accepted_doubles))


def _rows(table: dict[str, dict[str, Counter[str]]]) -> Iterator[str]:
    last = itertools.chain(PLACES, (HANGING, ELSEWHERE))
    return (name for name in last if name in table)


def _void(plan: Plan, held: Sequence[Trial], doubles: int) -> str | None:
    """Why so little was met that it shows nothing."""
    missed = set(plan.places or PLACES) - {trial.point for trial in held}
    if missed:
        return f"no call was held at {', '.join(sorted(missed))}"
    if doubles < plan.doubles:
        return f"only {doubles} of {plan.doubles} accepted doubles happened"
    return None


def _options(parser: ArgumentParser) -> None:
    standard = Plan()
    parser.add_argument("--seed", type=int, default=standard.seed)
    parser.add_argument("--rounds", type=int, default=standard.rounds, help="per place")
    parser.add_argument("--together", type=int, default=standard.together, help="of each kind")
    parser.add_argument("--doubles", type=int, default=standard.doubles, help="to be accepted")
    parser.add_argument("--place", action="append", default=[], choices=PLACES)
    parser.add_argument("--home", type=Path, help="keep the stack's data there; must be new")


async def _main(options: Namespace) -> Outcome:
    plan = Plan(
        seed=options.seed,
        rounds=options.rounds,
        together=options.together,
        doubles=options.doubles,
        places=options.place,
    )
    with scratch_home(options.home) as home:
        return await zombies(home, plan)


ZOMBIES = Experiment(
    "zombies",
    "gateways and runners stand still past their timeouts, others take over, then they go on",
    _options,
    _main,
)
