"""The gateway kills itself before and after each step of a call, for each kind of tool.

Dispatched, sent, applied, answered, recorded, acknowledged: at each of these moments, just before
and just after, the process that carries the calls is gone at once, with calls of tools that dedupe
by key, that can be read back, and of which nobody can tell, all exactly there. Its supervisor
starts another one. Calls left to a person are settled by the truth, which the fleet's own record
tells; then every task must come to its end, with every change made once.
"""

from __future__ import annotations

import asyncio
import json
import random
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from uuid import UUID, uuid4

from smartops.contracts.catalogue import GATEWAY
from smartops.contracts.events import ToolCallSettled, ToolCallUncertain
from smartops.contracts.ids import task_id
from smartops.devstack.stack import StackOptions

from benchmarks.lib.crash_points import POINTS, VARIABLE, Arming, Point
from benchmarks.lib.crash_verdict import Asked, Heard, judge_crashes
from benchmarks.lib.experiment import Experiment, Outcome, progress
from benchmarks.lib.home import scratch_home
from benchmarks.lib.log_tail import LogTail
from benchmarks.lib.machine import machine
from benchmarks.lib.person import Person
from benchmarks.lib.playground_record import read_record
from benchmarks.lib.supervised import Wards, supervised_stack

__all__ = ["CRASH_SWEEP", "KINDS", "Plan", "crash_sweep"]

ENVIRONMENT = "staging"

SETTINGS = ("checkout.timeout-ms", "checkout.retries", "search.page-size", "search.cache-seconds")
"""All that the fleet's configuration store holds: as many probeable calls fit into one crash."""

KINDS = {
    "idempotent": ("apply_patch", "set_version"),
    "probeable": ("set_config_value", "set_config"),
    "opaque": ("restart_server", "restart"),
}
"""The tool of each kind, and what the fleet calls its operation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much.

    Attributes:
        seed: of the order of the points in each round.
        rounds: crashes per point.
        together: calls of each kind at the point, per crash; at most four.
        points: by name; none: all.
        patience_s: for whatever must happen.
    """

    seed: int = 1
    rounds: int = 5
    together: int = 4
    points: Sequence[str] = ()
    patience_s: float = 120.0


class Sweep:
    """One run."""

    def __init__(self, plan: Plan, wards: Wards, arming: Arming) -> None:
        self.plan = plan
        self.wards = wards
        self.arming = arming
        self.heard = Heard()
        self.asked: dict[UUID, Asked] = {}
        self.missed: list[str] = []
        self.late: list[str] = []
        self.crashes: Counter[str] = Counter()
        self.tail: LogTail
        self.operator: Person
        self.approver: Person

    async def run(self) -> None:
        """All points, each as often as the plan says."""
        points = [POINTS[name] for name in self.plan.points or POINTS]
        chance = random.Random(self.plan.seed)
        stack = self.wards.stack
        self.operator = await Person.connect(stack, "operator")
        self.approver = await Person.connect(stack, "approver")
        try:
            async with LogTail(stack.postgres.dsn(), self.heard.hear) as tail:
                self.tail = tail
                for number in range(self.plan.rounds):
                    chance.shuffle(points)
                    for point in points:
                        await self._crash(point, number)
                    progress(f"round {number + 1} of {self.plan.rounds}: {self.crashes.total()}")
        finally:
            await self.operator.close()
            await self.approver.close()

    async def _crash(self, point: Point, number: int) -> None:
        tasks = await self._ask(point, number)
        for task in tasks:
            await self._until(f"{task} is to be approved", partial(self._is_asked, task))
        spoiled = []
        for task in tasks:
            asked = self.asked[task]
            fault = point.spoil(asked.target, KINDS[asked.kind][1])
            if fault is not None:
                spoiled.append(fault)
                await self.wards.stack.ask_fleet("POST", "/admin/faults", fault)
        restart = len([1 for _, text in self.wards.said if "is running again" in text]) + 1
        self.arming.arm(point, tasks)
        for task in tasks:
            required = self.heard.required[task].model_dump(mode="json")
            await self.approver.approve(str(task), required, f"approve-{task}")
        try:
            async with asyncio.timeout(self.plan.patience_s):
                await self.wards.back(GATEWAY, restart)
        except TimeoutError:
            self.missed.append(f"{point.name}, round {number + 1}")
            self.arming.disarm(point)
            await self.wards.back(GATEWAY, self.wards.kill(GATEWAY))
        else:
            self.crashes[point.name] += 1
        await self._come_to_rest(tasks)
        for task in tasks:
            await self._settle(task)
        await self._come_to_rest(tasks)

    async def _ask(self, point: Point, number: int) -> list[UUID]:
        stack = self.wards.stack
        fleet = [str(server["id"]) for server in await stack.fleet()]
        at = list(POINTS).index(point.name)
        tasks = []
        for place in range(self.plan.together):
            setting = await stack.ask_fleet("GET", f"/v1/config/{SETTINGS[place]}")
            for kind, (tool, _) in KINDS.items():
                ident = f"{point.name.replace('.', '-')}-{number}-{place}-{kind}"
                arguments: dict[str, object]
                match kind:
                    case "probeable":
                        target = SETTINGS[place]
                        arguments = {"value": ident, "expected_revision": setting["revision"]}
                    case "idempotent":
                        target = fleet[place]
                        arguments = {"version": f"3.{at}.{number}"}
                    case _:
                        target = fleet[self.plan.together + place]
                        arguments = {"reason": ident}
                intent = {
                    "intent": f"Do the one thing called {ident}",
                    "environment": ENVIRONMENT,
                    "context": {
                        "agent": "runbook",
                        "approval": True,
                        "steps": [
                            {
                                "tool": tool,
                                "target": target,
                                "arguments": {"asset": target, **arguments},
                            }
                        ],
                    },
                }
                await self.operator.command("intent.submit", ident, json.dumps(intent).encode())
                task = UUID(str(task_id(self.operator.key("intent.submit", ident))))
                self.asked[task] = Asked(kind, target, point.name)
                tasks.append(task)
        return tasks

    async def _come_to_rest(self, tasks: Sequence[UUID]) -> None:
        for task in tasks:
            await self._until(
                f"{task} ({self.asked[task].point}, {self.asked[task].kind}) comes to rest",
                partial(self._at_rest, task),
            )

    async def _settle(self, task: UUID) -> None:
        """What is left to a person is settled by what the fleet has written down."""
        if self.heard.fates[task].state != "escalated":
            return
        doubts = self.heard.of(task, ToolCallUncertain)
        if not doubts:
            return
        call = doubts[-1].call
        record = read_record(self.wards.stack.home / "playground.record.jsonl")
        outcome = "applied" if self.heard.effects(task, record) else "not_applied"
        self.asked[task].settled = outcome
        said = {
            "call": str(call),
            "outcome": outcome,
            "retry": outcome == "not_applied",
            "note": "as the fleet's record says",
        }
        await self.approver.command("call.settle", uuid4().hex, json.dumps(said).encode())
        await self._until(
            f"{task}: {call} is settled", lambda: bool(self.heard.of(task, ToolCallSettled))
        )
        await self._until(
            f"{task} goes on once it is settled",
            lambda: self.heard.fates[task].state != "escalated",
        )

    def _is_asked(self, task: UUID) -> bool:
        return task in self.heard.required

    def _at_rest(self, task: UUID) -> bool:
        return self.heard.fates[task].at_rest

    async def _until(self, what: str, condition: Callable[[], bool]) -> None:
        if not await self.tail.until(condition, self.plan.patience_s):
            self.late.append(what)


async def crash_sweep(home: Path, plan: Plan) -> Outcome:
    """Run it on a fresh home."""
    folder = home / "failpoints"
    arming = Arming(folder)
    options = StackOptions(
        servers=2 * plan.together,
        environment=ENVIRONMENT,
        canary_window=timedelta(seconds=0.2),
        wave_window=timedelta(seconds=0.2),
        sample_interval=timedelta(seconds=0.1),
        service_env={GATEWAY: {VARIABLE: str(folder)}},
    )
    async with supervised_stack(home, options) as wards:
        progress(f"up: {', '.join(wards.names())}")
        sweep = Sweep(plan, wards, arming)
        await sweep.run()
        record = read_record(wards.stack.home / "playground.record.jsonl")
        table, broken = judge_crashes(sweep.heard, sweep.asked, record)
        figures = {
            "n": len(sweep.asked),
            "seed": plan.seed,
            "crashes": sweep.crashes.total(),
            "double_effects": sum("took effect" in one for one in broken),
            "settled_by_person": sum(one.settled is not None for one in sweep.asked.values()),
            "table": {name: table[name] for name in POINTS if name in table},
            "machine": machine(),
        }
        void = f"never met: {'; '.join(sweep.missed)}" if sweep.missed else None
        late = [f"too late: {what}" for what in sweep.late]
        return Outcome(figures, (*broken, *late), void)


def _options(parser: ArgumentParser) -> None:
    standard = Plan()
    parser.add_argument("--seed", type=int, default=standard.seed)
    parser.add_argument("--rounds", type=int, default=standard.rounds, help="crashes per point")
    parser.add_argument(
        "--together",
        type=int,
        default=standard.together,
        choices=range(1, len(SETTINGS) + 1),
        help="calls of each kind at the point, per crash",
    )
    parser.add_argument("--point", action="append", default=[], choices=list(POINTS))
    parser.add_argument("--patience", type=float, default=standard.patience_s, help="seconds")
    parser.add_argument("--home", type=Path, help="keep the stack's data there; must be new")


async def _main(options: Namespace) -> Outcome:
    plan = Plan(
        seed=options.seed,
        rounds=options.rounds,
        together=options.together,
        points=options.point,
        patience_s=options.patience,
    )
    with scratch_home(options.home) as home:
        return await crash_sweep(home, plan)


CRASH_SWEEP = Experiment(
    "crash-sweep",
    "the gateway is killed before and after each step of a call, for each kind of tool",
    _options,
    _main,
)
