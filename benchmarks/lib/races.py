"""People who decide on one plan at the same moment, each something else."""

from __future__ import annotations

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from uuid import UUID

from smartops.contracts.events import (
    CommandRefused,
    TaskApprovalRequired,
    TaskCancelled,
    TaskCompleted,
    TaskFailed,
    TaskRolledBack,
)
from smartops.contracts.ids import actor_id, task_id

from benchmarks.lib.log_tail import LogTail, Said
from benchmarks.lib.person import Person
from benchmarks.lib.race_verdict import Decided

__all__ = ["ENVIRONMENT", "PERSONS", "REQUESTER", "Heard", "Races", "actor_of"]

ENVIRONMENT = "staging"
PEOPLE = tuple(f"person-{number}" for number in range(1, 8))
"""All may approve, and so might the requester. Besides: two whose one way to say yes is another."""
REQUESTER, PROXY, FIREMAN = "operator", "proxy", "fireman"

_WEIGHTS = {"approve": 6, "reject": 2, "replan": 2, "edit": 3, "cancel": 1}
_HANDLERS = {"cancel": "policy.controls", "edit": "policy.edits", "break": "policy.emergencies"}
_ANOTHER = ("edited", "planned anew")
"""Outcomes after which another plan comes."""
_EXPIRING = 4
"""Every so-manieth round is decided on as the time runs out; every second of these, behind it."""
_BEHIND_S = 1.0
_AGAIN = 0.2
"""Of what is said: said twice."""
_JITTER_S = 0.03
PERSONS: dict[str, tuple[str, ...]] = {
    REQUESTER: ("approver",),
    "approver": ("approver",),
    **dict.fromkeys(PEOPLE, ("approver",)),
    PROXY: (),
    FIREMAN: ("break-glass",),
}
_ENDS = TaskCompleted | TaskCancelled | TaskRolledBack | TaskFailed


@dataclass(slots=True)
class Heard:
    """What was heard of the log so far."""

    gates: dict[UUID, Decided] = field(default_factory=dict)
    required: dict[tuple[UUID, int], TaskApprovalRequired] = field(default_factory=dict)
    ended: dict[UUID, str] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)

    def hear(self, said: Said) -> None:
        """The next event of the log."""
        task = said.row.task
        if isinstance(said.data, CommandRefused):
            self.refused[said.data.code] += 1
        if task is None or task not in self.gates:
            return
        self.gates[task].hear(said)
        if isinstance(said.data, TaskApprovalRequired):
            self.required[task, said.data.number] = said.data
        elif isinstance(said.data, _ENDS):
            self.ended[task] = said.data.topic


class Races:
    """Lets people race.

    Attributes:
        commands: keys of all that was commanded, by the reaction that settles it.
        said: how often each thing was wished for.
        sizes: how many people raced, how often.
        stuck: what did not go on.
    """

    def __init__(
        self, seed: int, patience_s: float, tail: LogTail, heard: Heard, people: dict[str, Person]
    ) -> None:
        self._patience_s = patience_s
        self._tail = tail
        self._heard = heard
        self._people = people
        self._random = Random(seed)
        self.commands: defaultdict[str, list[UUID]] = defaultdict(list)
        self.said: Counter[str] = Counter()
        self.sizes: Counter[int] = Counter()
        self.stuck: list[str] = []

    async def hand_over(self) -> None:
        """The first of all hands a voice over."""
        given = {
            "to": str(actor_of(PROXY)),
            "roles": ["approver"],
            "environments": [ENVIRONMENT],
            "until": (datetime.now(UTC) + timedelta(days=1)).isoformat(),
            "reason": "away for the race",
        }
        giver = self._people[PEOPLE[0]]
        self.commands["policy.mandates"].append(UUID(str(giver.key("approval.delegate", "away"))))
        await giver.command("approval.delegate", "away", json.dumps(given).encode())

    async def round(self, number: int, server: str) -> None:
        """One task, and all who have a word in it."""
        heard, task = self._heard, await self._ask(number, server)
        if not await self._until(lambda: (task, 1) in heard.required):
            self.stuck.append(f"task {task} asks for no approval")
            return
        await self._race(task, number)
        nth = 1
        while await self._until(lambda: bool(heard.gates[task].outcomes[nth])):  # noqa: B023
            if heard.gates[task].outcomes[nth][0] not in _ANOTHER:
                break
            nth += 1
            gate = heard.gates[task]
            if not await self._until(
                lambda: (task, nth) in heard.required or gate.cancelled  # noqa: B023
            ):
                self.stuck.append(f"task {task}: no plan {nth} came")
                return
            if (task, nth) not in heard.required:
                return
            editors = {actor for _, actor in heard.gates[task].editors}
            free = [who for who in PEOPLE if actor_of(who) not in editors]
            await self._say(self._random.choice(free), "approve", task, nth, f"{number}-{nth}")
        else:
            self.stuck.append(f"task {task}: nothing was decided on plan {nth}")
            return
        granted = heard.gates[task].outcomes[nth][0].startswith("granted")
        if not granted:
            return
        if not await self._until(lambda: task in heard.ended):
            self.stuck.append(f"task {task} was granted and does not end")
        elif heard.ended[task] == TaskFailed.topic:
            self.stuck.append(f"task {task} was granted and failed")

    async def _ask(self, number: int, server: str) -> UUID:
        operator, ident = self._people[REQUESTER], f"race-{number}"
        steps = [
            {
                "tool": "apply_patch",
                "target": server,
                "arguments": {"asset": server, "version": f"5.{number}.0"},
            }
        ]
        intent = {
            "intent": f"Patch one server for race {number}",
            "environment": ENVIRONMENT,
            "context": {"agent": "runbook", "steps": steps, "approval": True},
        }
        task = UUID(str(task_id(operator.key("intent.submit", ident))))
        self._heard.gates[task] = Decided()
        await operator.command("intent.submit", ident, json.dumps(intent).encode())
        return task

    async def _race(self, task: UUID, number: int) -> None:
        random = self._random
        size = random.randint(2, 8)
        self.sizes[size] += 1
        racers = random.sample((*PEOPLE, REQUESTER, PROXY, FIREMAN), size)
        whats = random.choices(list(_WEIGHTS), list(_WEIGHTS.values()), k=size)
        if number % _EXPIRING == 0:
            left = self._heard.required[task, 1].expires_at - datetime.now(UTC)
            off = _BEHIND_S if number % (2 * _EXPIRING) == 0 else -_JITTER_S
            await asyncio.sleep(max(0.0, left.total_seconds() + off))
        async with asyncio.TaskGroup() as group:
            for who, wish in zip(racers, whats, strict=True):
                what = "break" if who == FIREMAN else wish
                times = 2 if random.random() < _AGAIN else 1
                for nth in range(times):
                    wait = random.random() * _JITTER_S
                    group.create_task(self._say(who, what, task, 1, f"{number}-{nth}", wait))

    async def _say(
        self, who: str, what: str, task: UUID, number: int, ident: str, wait: float = 0.0
    ) -> None:
        required = self._heard.required[task, number]
        await asyncio.sleep(wait)  # That is the race: nobody waits for anybody.
        hashes = {"plan_hash": required.plan_hash, "assessment_hash": required.assessment_hash}
        name, version = "approval.decide", 2
        said: dict[str, object] = {"task": str(task), "decision": what, **hashes}
        if who == PROXY:
            said["for_actor"] = str(actor_of(PEOPLE[0]))
        match what:
            case "replan":
                said |= {"decision": "reject", "then": "replan"}
            case "break":
                name, version = "approval.break_glass", 1
                why = "a race: nobody else is to be waited for"
                said = {"task": str(task), **hashes, "justification": why}
            case "edit":
                name, version = "plan.edit", 1
                value = f"5.{ident.partition('-')[0]}.{self._random.randint(1, 99)}"
                said = {
                    "task": str(task),
                    "plan_hash": required.plan_hash,
                    "changes": [{"tool": "apply_patch", "argument": "version", "value": value}],
                    "reason": "another version",
                }
            case "cancel":
                name, version = "task.cancel", 1
                said = {"task": str(task), "reason": "not needed any more"}
            case _:
                pass
        person = self._people[who]
        ident = f"{what}-{ident}"
        handler = _HANDLERS.get(what, "policy.decisions")
        self.commands[handler].append(UUID(str(person.key(name, ident))))
        self.said[what] += 1
        await person.command(name, ident, json.dumps(said).encode(), version=version)

    async def _until(self, condition: Callable[[], bool]) -> bool:
        return await self._tail.until(condition, self._patience_s)


def actor_of(name: str) -> UUID:
    return UUID(str(actor_id("acme", name)))
