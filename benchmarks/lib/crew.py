"""The people of a chaos run: they say each command until it is taken, whatever is being killed."""

from __future__ import annotations

import asyncio
import json
import time
from uuid import UUID

from nats import errors as nats_errors
from nats.aio.msg import Msg
from smartops.bus.api import ApiError
from smartops.contracts.events import TaskApprovalRequired
from smartops.contracts.ids import task_id

from benchmarks.lib.fates import Fates
from benchmarks.lib.log_tail import LogTail, Said
from benchmarks.lib.person import Person
from benchmarks.lib.runbooks import Accepted, Runbooks

__all__ = ["Crew"]

ANSWER_S = 2.0
"""Until a command without a PubAck is said again."""
REST_S = 0.1


class Crew:
    """An operator who keeps so many tasks in flight, and an approver who approves each.

    Attributes:
        accepted: what was asked for, by task, once the command stream has it on disk.
        hesitating: while set, what is to be approved is laid aside instead.
    """

    def __init__(self, operator: Person, approver: Person, runbooks: Runbooks) -> None:
        self._operator = operator
        self._approver = approver
        self._runbooks = runbooks
        self._fates = Fates()
        self._settled: dict[UUID, asyncio.Event] = {}
        self._votes: set[asyncio.Task[None]] = set()
        self._required: dict[UUID, TaskApprovalRequired] = {}
        self._aside: list[tuple[UUID, TaskApprovalRequired]] = []
        self.hesitating = False
        self.accepted: dict[UUID, Accepted] = {}

    @property
    def laid_aside(self) -> int:
        """Approvals laid aside and not taken up again."""
        return len(self._aside)

    @property
    def in_flight(self) -> int:
        """Tasks accepted that have neither ended nor gone to a human."""
        return sum(self._fates[task].settled_at is None for task in self.accepted)

    @property
    def executing(self) -> int:
        """Tasks whose runs are under way."""
        return sum(self._fates[task].state == "executing" for task in self.accepted)

    async def listen(self, tail: LogTail) -> None:
        """Let word on the bus hasten the look at the log."""

        async def poke(_: Msg) -> None:
            tail.poke()

        for topic in ("task.approval.required", "task.completed", "task.escalated"):
            await self._approver.hear(topic, poke)

    def hear(self, said: Said) -> None:
        """Told each event of the log."""
        self._fates.hear(said)
        task = said.row.task
        if task is None:
            return
        if isinstance(said.data, TaskApprovalRequired):
            self._required[task] = said.data
            if self.hesitating:
                self._aside.append((task, said.data))
            else:
                self._begin_vote(task, said.data)
        if self._fates[task].settled_at is not None and task in self._settled:
            self._settled[task].set()

    async def keep_busy(self, enough: asyncio.Event) -> None:
        """One slot: a task, when it has come to rest the next, until there were enough."""
        while not enough.is_set():
            runbook = self._runbooks.next()
            if runbook is None:
                return
            task = UUID(str(task_id(self._operator.key("intent.submit", runbook.ident))))
            settled = self._settled[task] = asyncio.Event()
            await self._insist(self._operator, "intent.submit", runbook.ident, runbook.payload)
            self.accepted[task] = Accepted(runbook, time.time())
            await settled.wait()

    def unanswered(self) -> tuple[list[UUID], list[UUID]]:
        """Tasks whose intent was acknowledged and shows no event, and such whose vote does not."""
        intents = [task for task in self.accepted if not self._fates[task].submitted]
        votes = [task for task in self._required if self._fates[task].state == "needs_approval"]
        return intents, votes

    def take_up(self, count: int) -> None:
        """Vote now on so many of those laid aside, the oldest first."""
        taken, self._aside = self._aside[:count], self._aside[count:]
        for task, required in taken:
            self._begin_vote(task, required)

    def forget(self) -> None:
        """Never vote on what is laid aside: it waits until it expires."""
        self._aside.clear()

    async def say_again(self) -> None:
        """Give every command without an answer once more, under its own id."""
        intents, votes = self.unanswered()
        for task in intents:
            runbook = self.accepted[task].runbook
            await self._insist(self._operator, "intent.submit", runbook.ident, runbook.payload)
        for task in votes:
            await self._approve(task, self._required[task])

    async def close(self) -> None:
        """End what is still being said."""
        for vote in list(self._votes):
            vote.cancel()
        if self._votes:
            await asyncio.wait(self._votes)

    def _begin_vote(self, task: UUID, required: TaskApprovalRequired) -> None:
        vote = asyncio.create_task(self._approve(task, required))
        self._votes.add(vote)
        vote.add_done_callback(self._votes.discard)

    async def _approve(self, task: UUID, required: TaskApprovalRequired) -> None:
        vote = {
            "task": str(task),
            "plan_hash": required.plan_hash,
            "assessment_hash": required.assessment_hash,
            "decision": "approve",
        }
        ident = f"{task}-{required.number}"
        await self._insist(self._approver, "approval.decide", ident, json.dumps(vote).encode())

    @staticmethod
    async def _insist(person: Person, name: str, ident: str, payload: bytes) -> None:
        """The same command, under the same id, until its stream has it: saying it twice is safe."""
        while True:
            try:
                await person.command(name, ident, payload, timeout=ANSWER_S)
            except (nats_errors.Error, ApiError):
                await asyncio.sleep(REST_S)
            else:
                return
