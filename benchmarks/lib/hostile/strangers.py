"""Requests out of place: in runs that nobody granted, of other tenants, of tasks, of no run."""

from __future__ import annotations

from random import Random
from typing import Any
from uuid import UUID

from smartops.contracts.events import TaskPhaseStarted, TaskStarted, ToolCallRequested
from smartops.contracts.ids import call_id
from smartops.contracts.streams import stream
from smartops.contracts.wire import EventData, Purpose

from benchmarks.lib.hostile.adversary import Adversary
from benchmarks.lib.hostile.attack import Attack
from benchmarks.lib.hostile.drafts import Case
from benchmarks.lib.hostile.scenes import Scene

__all__ = ["Strangers"]

_TENANTS = ("globex", "initech", "acme2")
_FAR = 1000
"""Attempts that nobody else asks for."""


class Strangers:
    """Makes runs up that say they are granted ones, and asks in them for what was approved there.

    Args:
        attack: notes the cases.
        runner: with the runner's credentials.
        planner: with the planner's.
        random: of all choices.
    """

    def __init__(
        self, attack: Attack, runner: Adversary, planner: Adversary, random: Random
    ) -> None:
        self._attack = attack
        self._runner = runner
        self._planner = planner
        self._random = random
        self._asked = 0

    async def impostor(self, scene: Scene, calls: int) -> None:
        """A run of another name that says that it is the granted one, and counts anew."""
        name = stream(self._runner.tenant, "run", self._uuid())
        codes = frozenset({"run_mismatch", "grant_mismatch"})
        await self._made_up(name, scene, calls, "a run that says it is another", codes)

    async def foreign(self, scene: Scene, calls: int) -> None:
        """The granted run, as if it were another tenant's."""
        tenant = self._random.choice(_TENANTS)
        name = stream(tenant, "run", scene.grant.run)
        codes = frozenset({"no_grant"})
        await self._made_up(name, scene, calls, "another tenant", codes)

    async def in_task(self, task: UUID, version: int, scene: Scene, calls: int) -> int:
        """A step, or an undo, asked for by the planner; returns the version of its stream."""
        name = stream(self._planner.tenant, "task", task)
        codes = frozenset(
            {"not_requested", "run_mismatch", "task_mismatch", "grant_mismatch", "not_its_call"}
        )
        for _ in range(calls):
            fields = scene.asking(self._random.choice(scene.plan.steps))
            fields["task"] = self._random.choice((task, scene.task))
            fields["run"] = self._random.choice((None, scene.grant.run))
            if self._random.random() < 0.3 and scene.reversible():
                fields |= scene.taking_back(self._random.choice(scene.reversible()))
            self._asked += 1
            fields["attempt"] = self._asked  # So that no two of them are the same call.
            request = self._request(name, fields)
            case = Case(("a step asked for by the planner",), codes, request, name)
            [event] = await self._planner.say(name, version, task, [request])
            version += 1
            await self._attack.ask(case, None, event.event_id)
        return version

    async def _made_up(
        self, name: str, scene: Scene, calls: int, kind: str, codes: frozenset[str]
    ) -> None:
        opened = self._opening(scene)
        await self._runner.say(name, 0, scene.task, opened)
        version = len(opened)
        first = scene.steps(0)
        steps = [step for step in first if step.id in scene.done] or first
        for number in range(calls):
            step = steps[number // 2 % len(steps)]
            # By turns: a call of its own, which is denied, and so counts as not applied there; and
            # as the attempt behind that one a call of the run that it says it is.
            owner = scene.name if number % 2 else name
            attempt = _FAR + number
            fields = scene.asking(step) | {
                "attempt": attempt,
                "call": call_id(owner, step.id, Purpose.DO, attempt),
            }
            request = ToolCallRequested.model_validate(fields)
            [event] = await self._runner.say(name, version, scene.task, [request])
            version += 1
            await self._attack.ask(Case((kind,), codes, request, name), None, event.event_id)

    def _opening(self, scene: Scene) -> list[EventData]:
        grant, phase = scene.grant, scene.plan.header.phases[0]
        started = TaskStarted(
            task=scene.task,
            run=grant.run,
            number=grant.number,
            plan_hash=grant.plan_hash,
            document=grant.document,
            grant=grant.grant,
            environment=grant.environment,
            phases=tuple(one.name for one in scene.plan.header.phases),
            claims=(),
        )
        begun = TaskPhaseStarted(
            task=scene.task,
            run=grant.run,
            phase=0,
            name=phase.name,
            steps=len(phase.steps),
            targets=(),
        )
        return [started, begun]

    def _uuid(self) -> UUID:
        return UUID(int=self._random.getrandbits(128), version=4)

    @staticmethod
    def _request(name: str, fields: dict[str, Any]) -> ToolCallRequested:
        ident = call_id(name, fields["question"], fields["purpose"], fields["attempt"])
        return ToolCallRequested.model_validate({"call": ident, **fields})
