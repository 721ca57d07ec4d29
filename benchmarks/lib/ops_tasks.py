"""The yardstick's workload: intents that are submitted, approved and carried out."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from nats.aio.msg import Msg
from smartops.contracts.ids import task_id
from smartops.devstack.stack import Stack

from benchmarks.lib.person import Person

__all__ = ["INTENT_BYTES", "Failed", "OpsTasks", "Timing", "noop_context", "noop_write_context"]

INTENT_BYTES = 300
"""Length of the intent's text."""

PATIENCE_S = 60.0
"""For one task, whatever else is in flight; unless said otherwise."""

Context = Callable[[str], dict[str, object]]
"""From a task's id in the load to the context of its intent."""

_BAD_ENDS = (
    "task.failed",
    "task.plan.refused",
    "task.paused",
    "task.escalated",
    "task.rolled_back",
    "task.cancelled",
)


class Failed(Exception):
    """A task took another way than the yardstick's: the figures would mean nothing."""


class Timing(NamedTuple):
    """One task, in seconds from its submission."""

    waiting: float
    """Until the approver heard that it waits."""
    done: float
    """Until the operator heard that it is completed."""


@dataclass(slots=True)
class _Watched:
    waiting: asyncio.Future[dict[str, Any]]
    done: asyncio.Future[None]


def noop_context(ident: str) -> dict[str, object]:
    """Three no-ops declared as reads: each step is recorded with its outcome."""
    del ident
    return {"agent": "noop", "approval": True}


def noop_write_context(ident: str) -> dict[str, object]:
    """Three no-ops declared as idempotent writes, on a target that no other task touches."""
    steps = [
        {"tool": "noop_write", "target": f"noop-{ident}", "arguments": {"n": n}}
        for n in range(1, 4)
    ]
    return {"agent": "noop", "approval": True, "steps": steps}


class OpsTasks:
    """Runs ops-tasks as two people: one submits, the other approves.

    Both follow events as they are published, over plain subscriptions: what a person's inbox and
    `--wait` do. Use as an async context manager.
    """

    def __init__(
        self,
        stack: Stack,
        context: Context,
        seed: int,
        *,
        environment: str = "sandbox",
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._stack = stack
        self._context = context
        self._environment = environment
        self._patience_s = patience_s
        self._random = random.Random(seed)
        self._prefix = f"{self._random.getrandbits(48):012x}"
        self._count = 0
        self._watched: dict[str, _Watched] = {}
        self._operator: Person
        self._approver: Person

    async def __aenter__(self) -> Self:
        self._operator = await Person.connect(self._stack, "operator")
        self._approver = await Person.connect(self._stack, "approver")
        await self._approver.hear("task.approval.required", self._asked)
        await self._operator.hear("task.completed", self._ended)
        await self._operator.hear("command.refused", self._refused)
        for topic in _BAD_ENDS:
            await self._operator.hear(topic, self._went_wrong)
        for person in (self._operator, self._approver):
            await person.nats.flush()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._operator.close()
        await self._approver.close()

    async def one(self) -> Timing:
        """Run one task.

        Raises:
            Failed: it ended otherwise than completed, or not in time.
        """
        self._count += 1
        ident = f"{self._prefix}-{self._count}"
        payload = self._payload(ident)
        task = str(task_id(self._operator.key("intent.submit", ident)))
        loop = asyncio.get_running_loop()
        watched = self._watched[task] = _Watched(loop.create_future(), loop.create_future())
        began = time.perf_counter()
        try:
            async with asyncio.timeout(self._patience_s):
                await self._operator.command("intent.submit", ident, payload)
                required = await watched.waiting
                waiting = time.perf_counter()
                await self._approver.approve(task, required, f"approve-{ident}")
                await watched.done
        except TimeoutError as error:
            stage = "its end" if watched.waiting.done() else "its approval"
            why = f"task {task}: nothing heard of {stage} in {self._patience_s:g} s"
            raise Failed(why) from error
        finally:
            del self._watched[task]
        return Timing(waiting - began, time.perf_counter() - began)

    async def sequence(self, count: int) -> list[Timing]:
        """Tasks one at a time."""
        return [await self.one() for _ in range(count)]

    async def crowd(self, count: int, in_flight: int) -> list[Timing]:
        """Tasks with so many in flight, until all are done."""
        left = iter(range(count))

        async def work() -> list[Timing]:
            return [await self.one() for _ in left]

        async with asyncio.TaskGroup() as group:
            workers = [group.create_task(work()) for _ in range(in_flight)]
        return [timing for worker in workers for timing in worker.result()]

    def _payload(self, ident: str) -> bytes:
        words = f"measure {ident} " + f"{self._random.getrandbits(1200):0300x}"
        intent = {
            "intent": words[:INTENT_BYTES],
            "environment": self._environment,
            "context": self._context(ident),
        }
        return json.dumps(intent).encode()

    async def _asked(self, message: Msg) -> None:
        event = json.loads(message.data)
        watched = self._watched.get(event["correlationid"])
        if watched is not None and not watched.waiting.done():
            watched.waiting.set_result(event["data"])

    async def _ended(self, message: Msg) -> None:
        watched = self._watched.get(message.subject.rpartition(".")[2])
        if watched is not None and not watched.done.done():
            watched.done.set_result(None)

    async def _went_wrong(self, message: Msg) -> None:
        event = json.loads(message.data)
        watched = self._watched.get(event["correlationid"])
        if watched is not None:
            self._fail(watched, f"{event['type']}: {event['data']}")

    async def _refused(self, message: Msg) -> None:
        event = json.loads(message.data)
        for watched in self._watched.values():
            self._fail(watched, f"a command was refused: {event['data']}")

    @staticmethod
    def _fail(watched: _Watched, why: str) -> None:
        future = watched.done if watched.waiting.done() else watched.waiting
        if not future.done():
            future.set_exception(Failed(why))
