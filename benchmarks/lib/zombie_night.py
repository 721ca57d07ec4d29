"""Nights in which gateways and runners stand still: who is stopped when, and what people say."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from random import Random
from uuid import UUID, uuid4

from smartops.contracts.catalogue import GATEWAY, RUNNER
from smartops.contracts.events import (
    CommandRefused,
    ToolCallCompleted,
    ToolCallDispatched,
    ToolCallFailed,
    ToolCallSettled,
    ToolCallUncertain,
)
from smartops.contracts.ids import task_id
from smartops.devstack.stack import Stack

from benchmarks.lib.crash_points import POINTS, Point
from benchmarks.lib.crash_verdict import Heard
from benchmarks.lib.experiment import progress
from benchmarks.lib.log_tail import LogTail
from benchmarks.lib.person import Person
from benchmarks.lib.playground_record import read_record
from benchmarks.lib.standstill import Standstill
from benchmarks.lib.zombie_verdict import Trial

__all__ = ["ELSEWHERE", "ENVIRONMENT", "HANGING", "PLACES", "Found", "Night", "Plan"]

ENVIRONMENT = "staging"
SETTINGS = ("checkout.timeout-ms", "checkout.retries", "search.page-size", "search.cache-seconds")
"""All that the fleet's configuration store holds: as many calls that are read back at a time."""

PLACES = (
    "dispatch.before",
    "dispatch.after",
    "send.before",
    "apply.before",
    "apply.after",
    "reply.before",
    "reply.after",
    "outcome.before",
    "outcome.after",
    "ack.before",
)
"""Of `crash_points`, in the order in which a call meets them."""

_TOOLS = {
    "idempotent": ("apply_patch", "set_version"),
    "probeable": ("set_config_value", "set_config"),
    "opaque": ("restart_server", "restart"),
}
ELSEWHERE = "elsewhere"
HANGING = "hanging at the fleet"
_COME_S = 6.0
"""For the first call to come to the place at which it is held."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much.

    Attributes:
        seed: of moments, of who stands still and of what people decide.
        rounds: standstills per place.
        together: calls of each kind that may be held at once; of those that are read back, four.
        doubles: calls at the end of which a double is accepted.
        still_s: shortest and longest time that a gateway stands still; a call may take 5 s.
        runner_s: the same for a runner.
        places: by name; none: all.
        patience_s: for whatever must happen.
    """

    seed: int = 1
    rounds: int = 3
    together: int = 8
    doubles: int = 10
    still_s: tuple[float, float] = (7.5, 12.0)
    runner_s: tuple[float, float] = (3.0, 9.0)
    places: Sequence[str] = ()
    patience_s: float = 90.0

    def servers(self) -> int:
        """Each call has a server of its own."""
        cycles = self.rounds * len(self.places or PLACES)
        return 2 * self.together * cycles + self.doubles


@dataclass(slots=True)
class Found:
    """What was seen while it ran."""

    trials: dict[UUID, Trial] = field(default_factory=dict)
    standstills: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)


class Night:
    """One run."""

    def __init__(self, plan: Plan, stack: Stack, still: Standstill, names: Iterator[str]) -> None:
        self.plan = plan
        self.stack = stack
        self.still = still
        self.names = names
        self.random = Random(plan.seed)
        self.heard = Heard()
        self.found = Found()
        self.asked = 0
        self.tail: LogTail
        self.operator: Person
        self.approver: Person

    async def run(self) -> None:
        """All places, each as often as the plan says; then the doubles that people accept."""
        self.operator = await Person.connect(self.stack, "operator")
        self.approver = await Person.connect(self.stack, "approver")
        try:
            async with LogTail(self.stack.postgres.dsn(), self.heard.hear) as tail:
                self.tail = tail
                for number in range(self.plan.rounds):
                    for name in self.plan.places or PLACES:
                        await self._stand_still(POINTS[name])
                    progress(f"round {number + 1} of {self.plan.rounds}")
                if self.plan.doubles:
                    await self._accept_doubles()
        finally:
            self.still.all_go_on()
            await self.operator.close()
            await self.approver.close()

    # ---- one standstill ---------------------------------------------------------------------

    async def _stand_still(self, point: Point) -> None:
        tasks = [
            await self._ask(kind, place)
            for place in range(self.plan.together)
            for kind in _TOOLS
            if kind != "probeable" or place < len(SETTINGS)
        ]
        for task in tasks:
            await self._until(f"{task} is to be approved", partial(self._is_asked, task))
            one = self.found.trials[task]
            fault = point.spoil(one.target, _TOOLS[one.kind][1])
            if fault is not None:
                await self.stack.ask_fleet("POST", "/admin/faults", fault)
        runner = asyncio.create_task(self._stop_a_runner())
        begin = asyncio.Event()
        pids = [self.stack.services[name].pid for name in (GATEWAY, f"{GATEWAY}-2")]
        holding = asyncio.create_task(self.still.hold(pids, point.place, tasks, begin, _COME_S))
        await begin.wait()
        for task in tasks:
            await self._approve(task)
        held = await holding
        for task in held.tasks:
            self.found.trials[task].point, self.found.trials[task].held = point.name, True
        self.found.standstills[point.name] += 1
        await asyncio.sleep(self.random.uniform(*self.plan.still_s))
        doubtful = [task for task in tasks if self._in_doubt(task)]
        for task in doubtful:
            await self._settle(task, may_send=True)
        await runner
        self.still.go_on(held.pid)
        for task in tasks:
            await self._until(f"{task} comes to rest", partial(self._at_rest, task))
            if self._in_doubt(task):
                await self._settle(task, may_send=False)
        for task in tasks:
            await self._until(f"{task} comes to its end", partial(self._ended, task))

    async def _stop_a_runner(self) -> None:
        """One of the two stands still from some moment on, for some seconds."""
        pid = self.stack.services[self.random.choice((RUNNER, f"{RUNNER}-2"))].pid
        await asyncio.sleep(self.random.uniform(0.0, 2.0))
        self.still.stop(pid)
        self.found.standstills[RUNNER] += 1
        await asyncio.sleep(self.random.uniform(*self.plan.runner_s))
        self.still.go_on(pid)

    # ---- people -------------------------------------------------------------------------------

    async def _settle(self, task: UUID, *, may_send: bool) -> None:
        """Somebody looks at the fleet, and says what became of a call of which nobody can tell.

        Args:
            task: its only call is meant.
            may_send: its gateway stands still, and may yet send it.
        """
        trial = self.found.trials[task]
        record = read_record(self.stack.home / "playground.record.jsonl")
        if self.heard.effects(task, record):
            trial.said = "applied"
            await self._say(task, self.approver, {"outcome": "applied"})
            return
        again = {"outcome": "not_applied", "retry": True}
        if may_send:
            refused = await self._say(task, self.approver, again)
            if refused != "may_still_send":
                self.found.wrong.append(
                    f"{trial.point}, task {task}: a retry beside a sender that stands still was "
                    f"answered by {refused or 'a settlement'}"
                )
                return
            if self.random.random() < 0.5:
                return  # It is looked at again once the gateway goes on.
        if self.random.random() < 0.5:
            trial.said = "not applied, again"
            await self._say(task, self.approver, {**again, "accept_double": True})
        else:
            trial.said = "not applied"
            await self._say(task, self.approver, {"outcome": "not_applied"})

    async def _say(self, task: UUID, who: Person, said: dict[str, object]) -> str | None:
        """Settle a task's call; returns why that was refused, if it was."""
        call = self.heard.of(task, ToolCallUncertain)[-1].call
        before = len(self.heard.of(task, CommandRefused)), len(self.heard.of(task, ToolCallSettled))
        command = {"call": str(call), "note": "as the fleet's record says", **said}
        await who.command("call.settle", uuid4().hex, json.dumps(command).encode())
        await self._until(
            f"{task}: a settlement is answered",
            lambda: (
                (
                    len(self.heard.of(task, CommandRefused)),
                    len(self.heard.of(task, ToolCallSettled)),
                )
                != before
            ),
        )
        refused = self.heard.of(task, CommandRefused)
        return refused[-1].code if len(refused) > before[0] else None

    # ---- doubles that are accepted ------------------------------------------------------------

    async def _accept_doubles(self) -> None:
        """Requests hang at the fleet; people have them attempted again; then all of them happen."""
        tasks = [await self._ask("opaque", 0) for _ in range(self.plan.doubles)]
        faults = []
        for task in tasks:
            await self._until(f"{task} is to be approved", partial(self._is_asked, task))
            hang = {
                "mode": "hang",
                "server": self.found.trials[task].target,
                "operation": "restart",
                "times": 1,
            }
            faults.append(await self.stack.ask_fleet("POST", "/admin/faults", hang))
            self.found.trials[task].point = HANGING
            await self._approve(task)
        for task in tasks:
            sent = partial(self._is_sent, task)
            await self._until(f"{task} is sent", sent)
        pid = self.stack.services[GATEWAY].pid
        self.still.stop(pid)
        self.found.standstills["with requests that hang"] += 1
        for task in tasks:
            await self._until(f"{task} is in doubt", partial(self._in_doubt, task))
            for who, double, expected in (
                (self.approver, False, "may_still_send"),
                (self.operator, True, "forbidden"),
                (self.approver, True, None),
            ):
                said = {"outcome": "not_applied", "retry": True, "accept_double": double}
                answer = await self._say(task, who, said)
                if answer != expected:
                    self.found.wrong.append(f"task {task}: {said} was answered by {answer}")
            self.found.trials[task].said = "not applied, again"
            self.found.trials[task].held = True
        for task in tasks:
            await self._until(f"{task} comes to its end", partial(self._ended, task))
        await self.stack.ask_fleet("DELETE", "/admin/faults")
        self.still.go_on(pid)
        await self._until("the doubles happen", lambda: self._doubled(tasks))

    def _doubled(self, tasks: Sequence[UUID]) -> bool:
        record = read_record(self.stack.home / "playground.record.jsonl")
        return all(self.heard.effects(task, record) > 1 for task in tasks)

    # ---- asking -------------------------------------------------------------------------------

    async def _ask(self, kind: str, place: int) -> UUID:
        self.asked += 1
        ident = f"zombie-{self.asked}"
        if kind == "probeable":
            target = SETTINGS[place]
            setting = await self.stack.ask_fleet("GET", f"/v1/config/{target}")
            arguments: dict[str, object] = {
                "value": ident,
                "expected_revision": setting["revision"],
            }
        else:
            target = next(self.names)
            arguments = (
                {"version": f"3.{self.asked}.0"} if kind == "idempotent" else {"reason": ident}
            )
        step = {
            "tool": _TOOLS[kind][0],
            "target": target,
            "arguments": {"asset": target, **arguments},
        }
        intent = {
            "intent": f"Do the one thing called {ident}",
            "environment": ENVIRONMENT,
            "context": {"agent": "runbook", "approval": True, "steps": [step]},
        }
        await self.operator.command("intent.submit", ident, json.dumps(intent).encode())
        task = UUID(str(task_id(self.operator.key("intent.submit", ident))))
        self.found.trials[task] = Trial(kind, target, ELSEWHERE)
        return task

    async def _approve(self, task: UUID) -> None:
        required = self.heard.required[task].model_dump(mode="json")
        await self.approver.approve(str(task), required, f"approve-{task}")

    def _is_asked(self, task: UUID) -> bool:
        return task in self.heard.required

    def _is_sent(self, task: UUID) -> bool:
        return bool(self.heard.of(task, ToolCallDispatched))

    def _in_doubt(self, task: UUID) -> bool:
        """Whether a person is asked what became of it, and nobody has said so yet."""
        doubts = self.heard.of(task, ToolCallUncertain)
        if not doubts or doubts[-1].next != "human":
            return False
        known = (
            *self.heard.of(task, ToolCallSettled),
            *self.heard.of(task, ToolCallCompleted),
            *self.heard.of(task, ToolCallFailed),
        )
        return all(one.call != doubts[-1].call for one in known)

    def _at_rest(self, task: UUID) -> bool:
        return self.heard.fates[task].at_rest

    def _ended(self, task: UUID) -> bool:
        return self._at_rest(task) and self.heard.fates[task].state not in {
            "escalated",
            "executing",
        }

    async def _until(self, what: str, condition: Callable[[], bool]) -> None:
        if not await self.tail.until(condition, self.plan.patience_s):
            self.found.late.append(what)
