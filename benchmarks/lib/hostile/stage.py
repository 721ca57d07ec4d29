"""Getting plans really approved, and their runs into the state in which they are attacked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from smartops.contracts.canonical import raw_digest
from smartops.contracts.events import (
    TaskApprovalRequired,
    TaskCompleted,
    TaskPhaseCompleted,
    TaskPhaseStarted,
    TaskResumed,
    TaskRollbackStarted,
    TaskStarted,
)
from smartops.contracts.ids import task_id
from smartops.contracts.plan import Plan
from smartops.contracts.wire import Category, EventData
from smartops.devstack.stack import Stack

from benchmarks.lib.hostile.adversary import Adversary
from benchmarks.lib.hostile.ear import Ear
from benchmarks.lib.hostile.scenes import Kind, Scene
from benchmarks.lib.log_tail import LogTail
from benchmarks.lib.person import Person

__all__ = ["STEPS_PER_TARGET", "Late", "Stage"]

STEPS_PER_TARGET = 6
_TOOLS = (
    "apply_patch",
    "restart_server",
    "apply_patch",
    "restart_server",
    "apply_patch",
    "apply_patch",
)
SHORT_LIVED = timedelta(seconds=2)
"""How long a grant holds that shall expire."""

_TAKEN_BACK = {
    Kind.REVOKED: "grant.revoke",
    Kind.HALTED: "run.halt",
    Kind.CANCELLED: "task.cancel",
}
_LIMITED: dict[Kind, dict[str, object]] = {
    Kind.FEW_CALLS: {"max_calls": 3},
    Kind.FEW_TARGETS: {"max_targets": 1},
    Kind.UNMEASURED: {"condition": "error_rate < 1%"},
}


class Late(RuntimeError):
    """Something honest did not happen in time: the experiment shows nothing."""


class Stage:
    """Submits intents, has them approved, and begins their runs in the runner's place."""

    def __init__(
        self,
        stack: Stack,
        tail: LogTail,
        ear: Ear,
        people: tuple[Person, Person],
        patience_s: float,
    ) -> None:
        self._stack = stack
        self.tail = tail
        self.ear = ear
        self._operator, self._approver = people
        self._patience_s = patience_s
        self._made = 0

    async def ask(self, targets: Sequence[str]) -> UUID:
        """Submit an intent; returns its task once a person's approval is awaited."""
        self._made += 1
        ident = f"hostile-{self._made}"
        steps = []
        for target in targets:
            for number, tool in enumerate(_TOOLS[:STEPS_PER_TARGET]):
                what = {"version": f"4.{self._made}.{number}"}
                if tool == "restart_server":
                    what = {"reason": f"{ident}/{number}"}
                steps.append(
                    {"tool": tool, "target": target, "arguments": {"asset": target, **what}}
                )
        intent = {
            "intent": f"Run the maintenance {ident}",
            "environment": self._stack.options.environment,
            "context": {"agent": "runbook", "steps": steps, "approval": True},
        }
        await self._operator.command("intent.submit", ident, json.dumps(intent).encode())
        task = UUID(str(task_id(self._operator.key("intent.submit", ident))))
        await self._until(lambda: task in self.ear.required, f"task {task} asks for no approval")
        return task

    async def approve(self, task: UUID, kind: Kind = Kind.LIVE) -> None:
        """Have it approved, as narrowly as the kind of its scene wants."""
        required: TaskApprovalRequired = self.ear.required[task]
        limits = dict(_LIMITED.get(kind, {}))
        if kind is Kind.EXPIRED:
            limits["expires_at"] = (datetime.now(UTC) + SHORT_LIVED).isoformat()
        vote: dict[str, object] = {
            "task": str(task),
            "plan_hash": required.plan_hash,
            "assessment_hash": required.assessment_hash,
            "decision": "approve",
        }
        if limits:
            vote["limits"] = limits
        await self._approver.command(
            "approval.decide", f"approve-{task}", json.dumps(vote).encode(), version=3
        )
        await self._until(lambda: task in self.ear.granted, f"task {task} was not granted")

    async def scene(
        self, runner: Adversary, kind: Kind, targets: Sequence[str], other: Scene | None
    ) -> Scene:
        """A run of an approved plan, begun, in its first phase; `other` is needed by some kinds."""
        task = await self.ask(targets)
        await self.approve(task, kind)
        grant = self.ear.granted[task]
        document = await runner.store.blob(runner.tenant, raw_digest(grant.document))
        plan = Plan.read(document, plan_hash=grant.plan_hash)
        scene = Scene.of(kind, runner.tenant, task, grant, plan)
        if kind is not Kind.NOT_BEGUN:
            under = other if kind is Kind.MISGRANTED and other is not None else scene
            await self.say(runner, scene, self._started(scene, under), self._phase(scene, 0))
        return scene

    async def stop(self, runner: Adversary, scene: Scene) -> None:
        """Let happen what makes all further steps of this scene unapproved."""
        name = _TAKEN_BACK.get(scene.kind)
        if name is not None:
            word = json.dumps({"task": str(scene.task), "reason": "it was a mistake"}).encode()
            await self._operator.command(name, f"{name.replace('.', '-')}-{scene.task}", word)
            await self._until(lambda: scene.task in self.ear.stopped, f"{name} was not decided")
        match scene.kind:
            case Kind.EXPIRED:
                left = scene.grant.expires_at - datetime.now(UTC)
                await asyncio.sleep(max(0.0, left.total_seconds()) + 0.05)
            case Kind.ENDED | Kind.REVIVED:
                about = {"task": scene.task, "run": scene.grant.run}
                said: list[EventData] = [TaskCompleted(**about, changed=0, calls=0)]
                if scene.kind is Kind.REVIVED:
                    said.append(TaskResumed(**about, principal="runner", reason="go on"))
                await self.say(runner, scene, *said)
            case Kind.SKIPPED:
                await self.next_phase(runner, scene)
            case Kind.ROLLING_BACK:
                back = TaskRollbackStarted(
                    task=scene.task,
                    run=scene.grant.run,
                    reason="it was a mistake",
                    phase=scene.phase,
                    then="rolled_back",
                    undo=tuple(scene.done[step.id] for step in scene.reversible()),
                )
                await self.say(runner, scene, back)
            case _:
                pass

    async def next_phase(self, runner: Adversary, scene: Scene) -> None:
        """End the phase under way and begin the next, as the runner would."""
        phase = scene.plan.header.phases[scene.phase]
        ended = TaskPhaseCompleted(
            task=scene.task,
            run=scene.grant.run,
            phase=scene.phase,
            name=phase.name,
            changed=sum(s.category is not Category.READ for s in scene.steps(scene.phase)),
        )
        begun = self._phase(scene, scene.phase + 1)
        await self.say(runner, scene, ended, begun)
        scene.phase += 1

    async def say(self, runner: Adversary, scene: Scene, *said: EventData) -> UUID:
        """Append to a scene's run; returns the id of the last event."""
        async with scene.lock:
            events = await runner.say(scene.name, scene.version, scene.task, said)
            scene.version += len(events)
        return events[-1].event_id

    def _started(self, scene: Scene, under: Scene) -> TaskStarted:
        grant = under.grant
        return TaskStarted(
            task=scene.task,
            run=scene.grant.run,
            number=grant.number,
            plan_hash=grant.plan_hash,
            document=grant.document,
            grant=grant.grant,
            environment=grant.environment,
            phases=tuple(phase.name for phase in under.plan.header.phases),
            claims=under.plan.targets(),
        )

    @staticmethod
    def _phase(scene: Scene, number: int) -> TaskPhaseStarted:
        steps = scene.steps(number)
        return TaskPhaseStarted(
            task=scene.task,
            run=scene.grant.run,
            phase=number,
            name=scene.plan.header.phases[number].name,
            steps=len(steps),
            targets=tuple(dict.fromkeys(step.target for step in steps)),
        )

    async def _until(self, condition: Callable[[], bool], why: str) -> None:
        if not await self.tail.until(condition, self._patience_s):
            raise Late(why)
