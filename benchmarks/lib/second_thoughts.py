"""People who change their minds: what they have heard, and how they take back what they said."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID, uuid4

from smartops.contracts.catalogue import POLICY
from smartops.contracts.events import (
    ActorMapped,
    CommandRefused,
    TaskApprovalGranted,
    TaskApprovalRequired,
    TaskStarted,
    ToolCallDenied,
    ToolCallRequested,
)
from smartops.contracts.ids import task_id
from smartops.contracts.wire import Purpose
from smartops.devstack.stack import Stack
from smartops.eventstore import Committed, EventStore, Trigger, Unit, Write
from smartops.runtime.recording import Cause, Recorder

from benchmarks.lib.fates import Fates
from benchmarks.lib.log_tail import LogTail, Said
from benchmarks.lib.person import Person
from benchmarks.lib.runbooks import Accepted, Runbook

__all__ = ["STEPS", "Heard", "People"]

STEPS = 3
"""Patches of one server, one after the other."""

_FIELD = {"apply_patch": "version", "restart_server": "reason"}


@dataclass(slots=True)
class Heard:
    """What was heard of the log so far."""

    fates: Fates = field(default_factory=Fates)
    started: dict[UUID, TaskStarted] = field(default_factory=dict)
    required: dict[UUID, TaskApprovalRequired] = field(default_factory=dict)
    asked: Counter[UUID] = field(default_factory=Counter)
    """Changes that each task's run has asked for."""
    granted: set[UUID] = field(default_factory=set)
    refused: Counter[str] = field(default_factory=Counter)
    denied: Counter[str] = field(default_factory=Counter)
    actors: dict[str, tuple[str, int, ActorMapped]] = field(default_factory=dict)
    """By name: stream, version, and the mapping."""

    def hear(self, said: Said) -> None:
        """Told each event of the log."""
        self.fates.hear(said)
        task = said.row.task
        match said.data:
            case ActorMapped():
                self.actors[said.data.name] = (said.row.stream, said.row.version, said.data)
            case CommandRefused():
                self.refused[said.data.code] += 1
            case TaskStarted():
                self.started[said.data.task] = said.data
            case TaskApprovalRequired() if task is not None:
                self.required[task] = said.data
            case TaskApprovalGranted() if task is not None:
                self.granted.add(task)
            case ToolCallRequested() if task is not None and said.data.purpose is Purpose.DO:
                self.asked[task] += 1
            case ToolCallDenied():
                self.denied[said.data.reason_code] += 1
            case _:
                pass


class People:
    """The operator, the approver, and who decides who they are."""

    def __init__(
        self, stack: Stack, tail: LogTail, heard: Heard, operator: Person, approver: Person
    ) -> None:
        self._stack = stack
        self._operator = operator
        self._approver = approver
        self._made = 0
        self.tail = tail
        self.heard = heard
        self.accepted: dict[UUID, Accepted] = {}
        """What was asked for, by task."""

    async def patch(self, server: str) -> UUID:
        """Ask for some patches of one server; a person must approve them."""
        tools = [("apply_patch", server)] * STEPS
        return await self._submit(tools)

    async def run(self, *servers: str) -> UUID:
        """Ask for a restart and a patch of each server, one server after the other."""
        tools = [(tool, where) for where in servers for tool in ("restart_server", "apply_patch")]
        return await self._submit(tools)

    async def _submit(self, tools: Sequence[tuple[str, str]]) -> UUID:
        self._made += 1
        ident = f"thought-{self._made}"
        steps = [
            (
                tool,
                where,
                f"3.{self._made}.{number}" if tool == "apply_patch" else f"{ident}/{number}",
            )
            for number, (tool, where) in enumerate(tools)
        ]
        wanted = [
            {"tool": tool, "target": where, "arguments": {"asset": where, _FIELD[tool]: what}}
            for tool, where, what in steps
        ]
        intent = {
            "intent": f"Run the maintenance {ident}",
            "environment": self._stack.options.environment,
            "context": {"agent": "runbook", "steps": wanted, "approval": True},
        }
        payload = json.dumps(intent).encode()
        await self._operator.command("intent.submit", ident, payload)
        task = UUID(str(task_id(self._operator.key("intent.submit", ident))))
        servers = tuple(dict.fromkeys(where for _, where in tools))
        runbook = Runbook(ident, servers, tuple(steps), payload)
        self.accepted[task] = Accepted(runbook, time.time())
        return task

    async def approve(self, task: UUID) -> None:
        """Approve what awaits approval."""
        if not await self.tail.until(lambda: task in self.heard.required, 30):
            raise RuntimeError(f"task {task} asks for no approval")
        required = self.heard.required[task].model_dump(mode="json")
        await self._approver.approve(str(task), required, f"approve-{task}")

    async def take_back(self, name: str, task: UUID) -> None:
        """Revoke, cancel, halt, or pause."""
        said = json.dumps({"task": str(task), "reason": "it was a mistake"}).encode()
        await self._operator.command(name, f"{name.replace('.', '-')}-{task}", said)

    async def map_approver(self, *, disabled: bool) -> None:
        """Say who the approver is, as policy does when its mapping was changed."""
        where, version, mapped = self.heard.actors["approver"]
        role = f"smartops_{POLICY}"
        store = await EventStore.connect(
            self._stack.postgres.dsn(role, self._stack.passwords[role])
        )
        try:
            cause = Cause(Trigger("policy.directory", uuid4()), None)
            event = Recorder(POLICY, self._stack.subjects).event(
                where,
                version + 1,
                mapped.model_copy(update={"disabled": disabled}),
                cause,
                0,
                store.db_now(),
            )
            done = await store.append(Unit([cause.trigger], [Write(where, version, [event])]))
        finally:
            await store.close(timedelta(seconds=1))
        assert isinstance(done, Committed), f"the mapping could not be changed: {done}"
        await self.tail.until(lambda: self.heard.actors["approver"][1] > version, 10)
