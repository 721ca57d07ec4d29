"""Ten thousand hostile calls and plans: whoever owns runner and planner gets nothing else done.

No runner is running, and in the end no planner: somebody with their passwords and keys speaks in
their place, in the history of runs whose plans were really approved. Each hostile call is an honest
one with one to three things wrong with it, drawn from a seed: hash, target, tool, version, id,
attempt, phase, run, task, tenant, purpose, arguments, bytes; or one that was as approved, but whose
grant was revoked, ran out, was drawn closer, or belongs to another. In between, in the same runs,
the same hands ask for what was approved: that must be done, or the run is void.

Judged by the fleet's own record and by the log: every effect goes back to one of the honest
requests, and every hostile one has left a denial with a reason that fits what was wrong with it.
"""

from __future__ import annotations

import asyncio
import math
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from uuid import UUID

from smartops.contracts.catalogue import GATEWAY, PLANNER, POLICY, RUNNER
from smartops.devstack.stack import Stack, StackOptions

from benchmarks.lib.checks.authority import check_authority
from benchmarks.lib.checks.effects import check_effects
from benchmarks.lib.checks.honesty import check_honesty
from benchmarks.lib.checks.order import check_order
from benchmarks.lib.checks.withdrawals import check_withdrawals
from benchmarks.lib.experiment import Experiment, Outcome, progress
from benchmarks.lib.home import scratch_home
from benchmarks.lib.hostile.adversary import Adversary
from benchmarks.lib.hostile.attack import Attack
from benchmarks.lib.hostile.ear import Ear
from benchmarks.lib.hostile.garbled import Garbled
from benchmarks.lib.hostile.generator import UNDER_ATTACK, Generator
from benchmarks.lib.hostile.held import hold_secret
from benchmarks.lib.hostile.intruders import foreign_history, foreign_words
from benchmarks.lib.hostile.plans import NOT_THERE, HostilePlanner
from benchmarks.lib.hostile.scenes import Kind, Scene
from benchmarks.lib.hostile.stage import Late, Stage
from benchmarks.lib.hostile.strangers import Strangers
from benchmarks.lib.hostile.verdict import by_kind, judge_cases, settled, unapproved
from benchmarks.lib.log_tail import LogTail
from benchmarks.lib.machine import machine, versions
from benchmarks.lib.ordeal import Endured, read_evidence
from benchmarks.lib.person import Person
from benchmarks.lib.supervised import supervised_stack

__all__ = ["HOSTILE_CALLS", "Plan", "hostile_calls"]

ENVIRONMENT = "staging"
_GRANTED_SHARE = 0.25
"""Of false plans: said of a task that has a grant for its real one."""

_OUTCOMES = ("tool.call.denied", "tool.call.completed", "tool.call.failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is tried.

    Attributes:
        calls: hostile calls, plans and intrusions, about.
        seed: of all choices.
        at_once: runs under attack at a time.
        per_live: hostile calls in a run that goes on.
        per_stopped: in one that may not.
        patience_s: for whatever must happen.
    """

    calls: int = 10_000
    seed: int = 1
    at_once: int = 12
    per_live: int = 70
    per_stopped: int = 30
    patience_s: float = 30.0

    def part(self, share: float) -> int:
        """So much of all calls, at least one."""
        return max(1, round(self.calls * share))

    def scenes(self) -> list[tuple[Kind, int]]:
        """Runs by kind, each with its hostile calls."""
        live = math.ceil(self.part(0.56) / self.per_live)
        made = [(Kind.LIVE, self.part(0.56) // live)] * live
        for kind in UNDER_ATTACK:
            count = math.ceil(self.part(0.03) / self.per_stopped)
            made += [(kind, max(1, self.part(0.03) // count))] * count
        ruined = math.ceil(self.part(0.02) / 4)
        return made + [(Kind.SPOILED, max(1, self.part(0.02) // ruined))] * ruined

    def tasks_without_grant(self) -> int:
        """Tasks whose plan nobody approves."""
        return math.ceil(self.part(0.02) * (1 - _GRANTED_SHARE))


@dataclass(slots=True)
class _Done:
    """What was tried beside calls."""

    approved: set[UUID] = field(default_factory=set)
    refused: Counter[str] = field(default_factory=Counter)
    let_through: list[str] = field(default_factory=list)
    plans: Counter[str] = field(default_factory=Counter)
    live: list[Scene] = field(default_factory=list)


async def hostile_calls(home: Path, plan: Plan) -> Outcome:
    """Run it on a fresh home."""
    random = Random(plan.seed)
    scenes = plan.scenes()
    random.shuffle(scenes)
    servers = 2 * (len(scenes) + plan.tasks_without_grant() + 2) + 1
    usual = StackOptions()
    options = StackOptions(
        servers=servers,
        environment=ENVIRONMENT,
        services=(PLANNER, POLICY, GATEWAY),
        service_env={GATEWAY: hold_secret(home, usual.tenant)},
    )
    ear, done = Ear(), _Done()
    async with supervised_stack(home, options) as wards:
        stack = wards.stack
        progress(f"up: {', '.join(wards.names())}, {servers} servers, {len(scenes)} runs")
        told = {"machine": machine(), "versions": await versions(stack)}
        victim, *names = [str(server["id"]) for server in await stack.fleet()]
        operator = await Person.connect(stack, "operator")
        approver = await Person.connect(stack, "approver")
        try:
            async with (
                LogTail(stack.postgres.dsn(), ear.hear, keep=False, lenient=True) as tail,
                Adversary.break_in(RUNNER, stack, Random(random.random())) as runner,
                Adversary.break_in(PLANNER, stack, Random(random.random())) as planner,
            ):
                await _listen(operator, tail)
                stage = Stage(stack, tail, ear, (operator, approver), plan.patience_s)
                generator = Generator(Random(random.random()), victim)
                attack = Attack(stage, runner, ear, generator, plan.patience_s)
                targets = _pairs(names)
                late = await _attack_runs(plan, scenes, stage, attack, runner, targets, done)
                if late is None:
                    await _attack_as_planner(
                        stack, plan, stage, attack, runner, planner, random, victim, targets, done
                    )
                await runner.flush()
                events = [case.event for case in attack.cases if case.event is not None]
                dsn, patience_s = stack.postgres.dsn(), plan.patience_s
                rows = await settled(dsn, "tool_gateway.calls", events, patience_s)
        finally:
            await operator.close()
            await approver.close()
        progress(f"{len(attack.cases)} calls asked for; checking")
        evidence, _ = await read_evidence(stack, Endured(), lenient=True)
    heard = {event: word.code or word.verdict for event, word in ear.words.items()}
    wrong, unseen = judge_cases(attack.cases, rows, heard)
    gone_out = unapproved(evidence, attack.control.asked, done.approved)
    touched = [request for request in evidence.requests if request.server == victim]
    violations = (
        *gone_out,
        *(
            f"{request.method} {request.path} arrived, which nobody asked for"
            for request in touched
        ),
        *check_authority(evidence),
        *check_order(evidence),
        *check_effects(evidence),
        *check_honesty(evidence),
        *check_withdrawals(evidence.events),
        *done.let_through,
        *wrong,
    )
    composed = Counter(len(case.kinds) for case in attack.cases)
    figures: dict[str, object] = {
        "n": len(attack.cases) + done.plans.total() + done.refused.total() + len(done.let_through),
        "seed": plan.seed,
        "unapproved_effects": len(gone_out) + len(touched),
        "wrong_answers": len(wrong),
        "calls": len(attack.cases),
        "calls_by_number_of_wrongs": dict(sorted(composed.items())),
        "kinds": by_kind(attack.cases),
        "plans": dict(sorted(done.plans.items())),
        "refused_at_the_door": dict(sorted(done.refused.items())),
        "control": {"asked": len(attack.control.asked), "done": attack.control.done},
        "effects": dict(Counter(str(request.outcome) for request in evidence.requests)),
        "runs": len(done.approved),
        "events": len(evidence.events),
        **told,
    }
    return Outcome(figures, violations, late or _void(attack, unseen))


async def _attack_runs(
    plan: Plan,
    scenes: Sequence[tuple[Kind, int]],
    stage: Stage,
    attack: Attack,
    runner: Adversary,
    targets: Iterator[tuple[str, str]],
    done: _Done,
) -> str | None:
    """All runs, some at a time; returns why that shows nothing, if so."""
    garbled = Garbled(attack, runner, Random(plan.seed))
    neighbours = [await stage.scene(runner, Kind.LIVE, next(targets), None) for _ in range(2)]
    left = iter([*((Kind.LIVE, plan.per_live // 2) for _ in neighbours), *scenes])
    waiting = iter(neighbours)
    done.live += neighbours
    done.approved |= {scene.task for scene in neighbours}

    async def work() -> None:
        for kind, calls in left:
            scene = next(waiting, None)
            if scene is None:
                scene = await stage.scene(runner, kind, next(targets), neighbours[0])
                done.approved.add(scene.task)
            others = [one for one in done.live if one is not scene]
            if kind is Kind.SPOILED:
                await garbled.ruin(scene, calls)
                continue
            await attack.play(scene, calls, others)
            if kind is Kind.LIVE and scene not in done.live:
                done.live.append(scene)
            if len(attack.cases) // 1000 > (len(attack.cases) - calls) // 1000:
                progress(f"{len(attack.cases)} hostile calls so far")

    why: str | None = None
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(plan.at_once):
                group.create_task(work())
    except* Late as late:
        why = f"what is honest did not happen: {late.exceptions[0]}"
    return why


async def _attack_as_planner(
    stack: Stack,
    plan: Plan,
    stage: Stage,
    attack: Attack,
    runner: Adversary,
    planner: Adversary,
    random: Random,
    victim: str,
    targets: Iterator[tuple[str, str]],
    done: _Done,
) -> None:
    """Plans, runs that were made up, and what no credential lets one do."""
    ear = stage.ear
    ungranted = [await stage.ask(next(targets)) for _ in range(plan.tasks_without_grant())]
    await stack.supervisor.release(PLANNER)
    progress("the planner is replaced")
    strangers = Strangers(attack, runner, planner, Random(random.random()))
    hostile = HostilePlanner(attack, planner, runner, Random(random.random()), victim)
    each = max(2, plan.part(0.02) // len(done.live))
    numbers: dict[UUID, int] = {}
    for scene in done.live[: plan.part(0.01)]:
        await strangers.impostor(scene, each)
        await strangers.foreign(scene, each)
    for number in range(plan.part(0.02)):
        task = ungranted[number % len(ungranted)]
        granted = number % round(1 / _GRANTED_SHARE) == 0
        scene = done.live[number % len(done.live)]
        task = scene.task if granted else task
        nth = numbers[task] = numbers.get(task, 1) + 1  # The first is its real plan's.
        real, version = ear.required[task], ear.versions[task]
        version = await hostile.plan(task, version, real, nth, granted=granted)
        ear.versions[task] = await strangers.in_task(task, version, scene, 1)
    for adversary in (runner, planner):
        count = plan.part(0.0075)
        for refused, let_through in (
            await foreign_history(adversary, random, done.live[0].task, count),
            await foreign_words(stack, adversary.service, random, count),
        ):
            done.refused += refused
            done.let_through += let_through
    # What is not there is looked for again and again, for long.
    said = [event for name, *_, event in hostile.said if name != NOT_THERE]
    rows = await settled(stack.postgres.dsn(), "policy.plans", said, plan.patience_s)
    await stage.tail.until(lambda: False, 0.5)  # What it decided is heard a little later.
    for name, task, plan_hash, event in hostile.said:
        done.plans[f"{name}: {_fate(ear, task, plan_hash, rows.get(event))}"] += 1


def _fate(ear: Ear, task: UUID, plan_hash: str, row: str | None) -> str:
    if row != "handled":
        return row or "looked for again and again"
    if (rule := ear.refused.get((task, plan_hash))) is not None:
        return f"refused by {rule}"
    required = ear.required.get(task)
    if required is not None and required.plan_hash == plan_hash:
        return "waits for a person"
    return "of no account: the task had a grant, a later plan or an end"


async def _listen(operator: Person, tail: LogTail) -> None:
    async def poke(_message: object) -> None:
        tail.poke()

    for topic in _OUTCOMES:
        await operator.hear(topic, poke)
    await operator.nats.flush()


def _pairs(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    return zip(names[::2], names[1::2], strict=False)


def _void(attack: Attack, unseen: int) -> str | None:
    if attack.control.broken:
        first = "; ".join(attack.control.broken[:3])
        return f"{len(attack.control.broken)} honest calls were not done: {first}"
    return f"{unseen} hostile calls were never looked at" if unseen else None


def _options(parser: ArgumentParser) -> None:
    standard = Plan()
    parser.add_argument("--calls", type=int, default=standard.calls, help="hostile ones, about")
    parser.add_argument("--seed", type=int, default=standard.seed)
    parser.add_argument("--home", type=Path, help="keep the stack's data there; must be new")


async def _main(options: Namespace) -> Outcome:
    with scratch_home(options.home) as home:
        return await hostile_calls(home, Plan(calls=options.calls, seed=options.seed))


HOSTILE_CALLS = Experiment(
    "hostile-calls",
    "10,000 generated hostile calls and plans with the runner's and planner's credentials",
    _options,
    _main,
)
