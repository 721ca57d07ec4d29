"""An approved plan is exchanged for another wherever it lies; the gateway lets none of it out.

Plans are really approved. Then somebody puts another in the place of one: in a row of the log that
names it, in the blob under its digest, in a message about it, or in the memory of whoever runs it.
With the triggers off and the columns opened, the database's superuser can do the first two.

Twice: the real runner stands still meanwhile and goes on with what it then finds; and somebody with
the runner's credentials, who believes the false plan, begins its run and asks for its steps, under
the false plan's hash and under the real one's. The gateway must refuse each with an event. What the
real runner does by itself may be what was approved, or nothing.
"""

from __future__ import annotations

import os
import signal
from argparse import ArgumentParser, Namespace
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from random import Random
from uuid import UUID

import asyncpg
from smartops.contracts.canonical import digest, raw_digest
from smartops.contracts.catalogue import AUDIT, RUNNER, SERVICES
from smartops.contracts.events import (
    TaskPhaseStarted,
    TaskStarted,
    ToolCallCompleted,
    ToolCallDispatched,
    ToolCallRequested,
)
from smartops.contracts.ids import call_id
from smartops.contracts.plan import Step
from smartops.contracts.streams import stream
from smartops.contracts.wire import Purpose
from smartops.devstack.stack import Stack, StackOptions

from benchmarks.lib.checks.evidence import Evidence
from benchmarks.lib.experiment import Experiment, Outcome, progress
from benchmarks.lib.home import scratch_home
from benchmarks.lib.hostile.adversary import Adversary
from benchmarks.lib.hostile.ear import Ear
from benchmarks.lib.hostile.stage import Late, Stage
from benchmarks.lib.log_tail import LogTail
from benchmarks.lib.machine import machine, versions
from benchmarks.lib.ordeal import Endured, read_evidence
from benchmarks.lib.person import Person
from benchmarks.lib.plan_forgers import CHANGES, ROWS, Forged, Forger, forge
from benchmarks.lib.superuser import bus_superuser, superuser
from benchmarks.lib.supervised import supervised_stack

__all__ = ["PLAN_TAMPERING", "Plan", "plan_tampering"]

ENVIRONMENT = "staging"
MESSAGES = ("task.planned", "task.approval.granted")
PLACES = (*(f"row {name}" for name in ROWS), "blob", *(f"message {name}" for name in MESSAGES))
"""Where a plan is exchanged; memory comes on top, as everybody's who asks for it."""

_REST_S = 3.0
"""How long the real runner is watched after the last sign of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is tried.

    Attributes:
        seed: of all choices.
        rounds: of every place, each with another change.
        patience_s: for whatever must happen.
    """

    seed: int = 1
    rounds: int = 5
    patience_s: float = 30.0


class _Hands:
    """Those of somebody who may do everything, but gets no plan approved.

    Args:
        plan: of the experiment.
        stage: gets plans approved.
        thief: with the runner's credentials.
        forger: with those of the superusers.
        names: servers, two for each plan.
        victim: a server that nobody has business with.
    """

    def __init__(
        self,
        plan: Plan,
        stage: Stage,
        thief: Adversary,
        forger: Forger,
        names: Sequence[str],
        victim: str,
    ) -> None:
        self._patience_s = plan.patience_s
        self._stage = stage
        self._thief = thief
        self._forger = forger
        self._servers = zip(names[::2], names[1::2], strict=False)
        self._victim = victim
        self._random = Random(plan.seed)
        self._changes = cycle(self._random.sample(CHANGES, len(CHANGES)))
        self.forged: list[Forged] = []
        self.answers: dict[str, Counter[str]] = defaultdict(Counter)
        self.wrong: list[str] = []

    async def exchange(self, place: str) -> Forged:
        """Get a plan approved, and put another in its place there."""
        task = await self._stage.ask(next(self._servers))
        await self._stage.approve(task)
        grant = self._stage.ear.granted[task]
        real = await self._thief.store.blob(self._thief.tenant, raw_digest(grant.document))
        forged = forge(task, grant, real, next(self._changes), self._random, self._victim)
        kind, _, topic = place.partition(" ")
        match kind:
            case "row":
                await self._forger.row(topic, forged)
            case "blob":
                await self._forger.blob(forged)
            case _:
                await self._forger.message(topic, forged)
        self.forged.append(forged)
        return forged

    async def run(self, place: str, forged: Forged, *, believed: bool) -> None:
        """Begin the run of a false plan, and ask for what is false in it.

        Args:
            place: where the plan was exchanged.
            forged: the exchange.
            believed: whether the run begins under the false plan's hash; else under the real's.
        """
        header, grant = forged.false.header, forged.grant
        by_hash, real = forged.false.by_hash(), forged.real.by_hash()
        steps = [by_hash[hashed] for hashed in header.phases[0].steps]
        false = [step for step in steps if step.hash() not in real]
        if not false and not believed:
            return  # Its steps are the real plan's own, and so is what would be asked for.
        begun = (
            TaskStarted(
                task=forged.task,
                run=grant.run,
                number=grant.number,
                plan_hash=forged.false.hash() if believed else grant.plan_hash,
                document=digest(forged.document) if believed else grant.document,
                grant=grant.grant,
                environment=grant.environment,
                phases=tuple(phase.name for phase in header.phases),
                claims=forged.false.targets(),
            ),
            TaskPhaseStarted(
                task=forged.task,
                run=grant.run,
                phase=0,
                name=header.phases[0].name,
                steps=len(steps),
                targets=tuple(dict.fromkeys(step.target for step in steps)),
            ),
        )
        name = stream(self._thief.tenant, "run", grant.run)
        asked = [_request(forged, name, step) for step in (false or steps)[:2]]
        events = await self._thief.say(name, 0, forged.task, [*begun, *asked])
        for event in events[len(begun) :]:
            word = await self._stage.ear.answer(event.event_id, self._patience_s)
            answer = "nothing" if word is None else f"{word.verdict} {word.code}".strip()
            self.answers[place][answer] += 1
            if word is None or word.verdict != "denied":
                self.wrong.append(f"{place}, {forged.change}: {answer}, expected a denial")


async def plan_tampering(home: Path, plan: Plan) -> Outcome:
    """Run it on a fresh home."""
    places = [place for place in PLACES for _ in range(plan.rounds)]
    options = StackOptions(
        servers=6 * len(places) + 1,
        environment=ENVIRONMENT,
        services=[name for name in SERVICES if name != AUDIT],
        bus_users=(superuser(home),),
    )
    ear, late = Ear(), None
    async with supervised_stack(home, options) as wards:
        stack = wards.stack
        progress(f"up: {', '.join(wards.names())}")
        told = {"machine": machine(), "versions": await versions(stack)}
        victim, *names = [str(server["id"]) for server in await stack.fleet()]
        async with AsyncExitStack() as opened:
            people = []
            for who in ("operator", "approver"):
                people.append(await Person.connect(stack, who))
                opened.push_async_callback(people[-1].close)
            database = await asyncpg.connect(stack.postgres.dsn())
            opened.push_async_callback(database.close)
            tail = await opened.enter_async_context(
                LogTail(stack.postgres.dsn(), ear.hear, keep=False, lenient=True)
            )
            thief = await opened.enter_async_context(
                Adversary.break_in(RUNNER, stack, Random(plan.seed))
            )
            bus = await opened.enter_async_context(bus_superuser(stack))
            stage = Stage(stack, tail, ear, (people[0], people[1]), plan.patience_s)
            forger = Forger(database, bus, stack)
            await forger.disarm()
            hands = _Hands(plan, stage, thief, forger, names, victim)
            try:
                await _behind_the_runner(stack, tail, hands, places)
                await stack.supervisor.release(RUNNER)
                for number, place in enumerate(places * 2):
                    forged = await hands.exchange(place)
                    await hands.run(place, forged, believed=number < len(places))
            except Late as error:
                late = f"what is honest did not happen: {error}"
        evidence, _ = await read_evidence(stack, Endured(), lenient=True)
    effects = _effects(evidence, hands.forged, victim)
    figures: dict[str, object] = {
        "n": len(hands.forged),
        "seed": plan.seed,
        "changes": len(CHANGES),
        "asked": sum(found.total() for found in hands.answers.values()),
        "answers": {place: dict(found) for place, found in hands.answers.items()},
        "unapproved_effects": len(effects),
        "approved_effects": sum(one.outcome == "applied" for one in evidence.requests),
        **told,
    }
    honest = any(request.outcome == "applied" for request in evidence.requests)
    void = None if honest else "the real runner did nothing at all: it was not there"
    return Outcome(figures, (*hands.wrong, *effects), late or void)


async def _behind_the_runner(
    stack: Stack, tail: LogTail, hands: _Hands, places: Sequence[str]
) -> None:
    """Exchange plans while the real runner stands still, and let it go on."""
    processes = [one.pid for name, one in stack.services.items() if name.startswith(RUNNER)]
    for pid in processes:
        os.kill(pid, signal.SIGSTOP)
    try:
        for place in places:
            await hands.exchange(place)
    finally:
        for pid in processes:
            os.kill(pid, signal.SIGCONT)
    progress(f"{len(places)} plans exchanged behind the runner's back")
    while await _moves(tail):
        pass


async def _moves(tail: LogTail) -> bool:
    heard = tail.position
    return await tail.until(lambda: tail.position > heard, _REST_S)


def _request(forged: Forged, name: str, step: Step) -> ToolCallRequested:
    return ToolCallRequested(
        task=forged.task,
        run=forged.grant.run,
        call=call_id(name, step.id, Purpose.DO, 1),
        purpose=Purpose.DO,
        tool=step.tool,
        version=step.version,
        target=step.target,
        question=step.id,
        attempt=1,
        phase=0,
        step=step.hash(),
    )


def _effects(evidence: Evidence, forged: list[Forged], victim: str) -> list[str]:
    """Whatever went out that is no step of the plan that was really approved."""
    approved: dict[UUID, set[tuple[str, str, str]]] = {
        one.task: {(s.tool, s.target, repr(s.arguments)) for s in one.real.steps} for one in forged
    }
    found = [
        f"{request.method} {request.path} arrived, which nobody asked for"
        for request in evidence.requests
        if request.server == victim
    ]
    for said in evidence.events:
        if not isinstance(said.data, ToolCallDispatched | ToolCallCompleted):
            continue
        facts = said.data.facts
        if facts.purpose is not Purpose.DO:
            continue
        if (facts.tool, facts.target, repr(facts.arguments)) not in approved[facts.task]:
            found.append(f"{facts.tool} on {facts.target} at {said.row.position}: not approved")
    found += [
        f"{request.method} {request.path} arrived without a call"
        for request in evidence.requests
        if request.call is None
    ]
    return found


def _options(parser: ArgumentParser) -> None:
    standard = Plan()
    parser.add_argument("--seed", type=int, default=standard.seed)
    parser.add_argument("--rounds", type=int, default=standard.rounds, help="of every place")
    parser.add_argument("--home", type=Path, help="keep the stack's data there; must be new")


async def _main(options: Namespace) -> Outcome:
    with scratch_home(options.home) as home:
        return await plan_tampering(home, Plan(seed=options.seed, rounds=options.rounds))


PLAN_TAMPERING = Experiment(
    "plan-tampering",
    "an approved plan exchanged in row, blob, message and memory: the gateway refuses it",
    _options,
    _main,
)
