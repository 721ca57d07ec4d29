"""Tasks of several kinds at a steady rate, however long each takes: what a house sees every day.

Most are approved and carried out, some of those with writes; some are rejected by the approver, and
some called back by the operator while they wait for an answer.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self
from uuid import uuid4

from nats import errors as nats_errors
from nats.aio.msg import Msg
from smartops.bus.api import ApiError
from smartops.contracts.ids import task_id
from smartops.devstack.stack import Stack

from benchmarks.lib.ops_tasks import INTENT_BYTES, noop_context, noop_write_context
from benchmarks.lib.person import Person

__all__ = ["ENDS", "SHARES", "Ended", "SteadyLoad"]

SHARES: Mapping[str, float] = {"reads": 0.6, "writes": 0.2, "rejected": 0.1, "cancelled": 0.1}
"""Kinds of tasks, and how many of all are such."""

ENDS: Mapping[str, str] = {
    "reads": "task.completed",
    "writes": "task.completed",
    "rejected": "task.approval.rejected",
    "cancelled": "task.cancelled",
}
"""How each kind ends."""

_OTHER_ENDS = (
    "task.failed",
    "task.plan.refused",
    "task.approval.expired",
    "task.paused",
    "task.escalated",
    "task.rolled_back",
)
PATIENCE_S = 60.0
"""From a task's submission to its end."""
ABREAST_S = 20.0
"""In flight may be what comes in so many seconds: beyond that the house does not keep up."""


class Ended(NamedTuple):
    """A task that has ended as it should."""

    began_s: float
    """When it was submitted, in seconds from the load's begin."""
    kind: str
    took_s: float
    """Until its end was heard."""


@dataclass(slots=True)
class _Watched:
    kind: str
    required: asyncio.Future[dict[str, Any]]
    end: asyncio.Future[str]


class SteadyLoad:
    """One person submits, another answers; both follow events as they are published.

    Use as an async context manager, `run` inside.

    Attributes:
        ended: tasks that went their way, in the order in which they ended.
        wrong: what went otherwise, in words.
        submitted: tasks begun.
        late_s: by how much the last task was submitted too late, because this process was busy.
    """

    def __init__(self, stack: Stack, seed: int, rate: float) -> None:
        self._stack = stack
        self._rate = rate
        self._random = random.Random(seed)
        self._prefix = f"{seed}-{uuid4().hex[:12]}"
        self._watched: dict[str, _Watched] = {}
        self._under_way: set[asyncio.Task[None]] = set()
        self._operator: Person
        self._approver: Person
        self._began = 0.0
        self.ended: list[Ended] = []
        self.wrong: Counter[str] = Counter()
        self.submitted = 0
        self.late_s = 0.0

    async def __aenter__(self) -> Self:
        self._operator = await Person.connect(self._stack, "operator")
        self._approver = await Person.connect(self._stack, "approver")
        await self._approver.hear("task.approval.required", self._asked)
        for topic in (*sorted(set(ENDS.values())), *_OTHER_ENDS):
            await self._operator.hear(topic, self._heard_of_end)
        await self._operator.hear("command.refused", self._refused)
        for person in (self._operator, self._approver):
            await person.nats.flush()
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._under_way:
            task.cancel()
        if self._under_way:
            await asyncio.wait(self._under_way)
        await self._operator.close()
        await self._approver.close()

    @property
    def in_flight(self) -> int:
        """Tasks begun that have not ended."""
        return len(self._under_way)

    @property
    def too_many(self) -> bool:
        """Whether so many are in flight that the house evidently does not keep up."""
        return len(self._under_way) > max(20.0, ABREAST_S * self._rate)

    async def run(self, seconds: float) -> None:
        """Begin tasks for so long, by chance but at the rate; returns when the last has ended.

        Returns early, with what is in flight, once there are `too_many`.
        """
        self._began = due = time.perf_counter()
        kinds, shares = list(SHARES), list(SHARES.values())
        while (due := due + self._random.expovariate(self._rate)) < self._began + seconds:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            if self.too_many:
                return
            self.late_s = time.perf_counter() - due
            self.submitted += 1
            [kind] = self._random.choices(kinds, shares)
            task = asyncio.create_task(self._one(self.submitted, kind))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
        if self._under_way:
            await asyncio.wait(self._under_way)

    async def _one(self, number: int, kind: str) -> None:
        ident = f"{self._prefix}-{number}"
        name = str(task_id(self._operator.key("intent.submit", ident)))
        loop = asyncio.get_running_loop()
        watched = self._watched[name] = _Watched(kind, loop.create_future(), loop.create_future())
        began = time.perf_counter()
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._operator.command("intent.submit", ident, self._payload(ident, kind))
                required = await watched.required
                if not watched.end.done():
                    await self._answer(name, kind, required)
                end = await watched.end
        except TimeoutError:
            end = "nothing heard of its end" if watched.required.done() else "not asked about"
        except (nats_errors.Error, ApiError) as error:
            end = f"{type(error).__name__}: {error}"
        finally:
            del self._watched[name]
        if end == ENDS[kind]:
            now = time.perf_counter()
            self.ended.append(Ended(began - self._began, kind, now - began))
        else:
            self.wrong[f"{kind}: {end}"] += 1

    async def _answer(self, task: str, kind: str, required: Mapping[str, Any]) -> None:
        if kind == "cancelled":
            wish = {"task": task, "reason": "no longer wanted"}
            await self._operator.command("task.cancel", f"cancel-{task}", json.dumps(wish).encode())
            return
        vote = {
            "task": task,
            "plan_hash": required["plan_hash"],
            "assessment_hash": required["assessment_hash"],
            "decision": "reject" if kind == "rejected" else "approve",
        }
        await self._approver.command("approval.decide", f"vote-{task}", json.dumps(vote).encode())

    def _payload(self, ident: str, kind: str) -> bytes:
        words = f"soak {ident} " + f"{self._random.getrandbits(1200):0300x}"
        context = noop_write_context if kind == "writes" else noop_context
        intent = {
            "intent": words[:INTENT_BYTES],
            "environment": "sandbox",
            "context": context(ident),
        }
        return json.dumps(intent).encode()

    async def _asked(self, message: Msg) -> None:
        event = json.loads(message.data)
        watched = self._watched.get(event["correlationid"])
        if watched is not None and not watched.required.done():
            watched.required.set_result(event["data"])

    async def _heard_of_end(self, message: Msg) -> None:
        event = json.loads(message.data)
        watched = self._watched.get(event["correlationid"])
        if watched is None:
            return
        if not watched.end.done():
            watched.end.set_result(event["type"].removeprefix("smartops.").rpartition(".v")[0])
        if not watched.required.done():
            watched.required.set_result({})

    async def _refused(self, message: Msg) -> None:
        data = json.loads(message.data)["data"]
        self.wrong[f"{data['name']} was refused: {data['code']}"] += 1
