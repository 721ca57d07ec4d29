"""Playing a run: honest steps in their order, and hostile calls in between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from smartops.contracts.events import ToolCallRequested
from smartops.contracts.ids import call_id
from smartops.contracts.plan import Step
from smartops.contracts.wire import Purpose

from benchmarks.lib.hostile.adversary import Adversary
from benchmarks.lib.hostile.drafts import Case
from benchmarks.lib.hostile.ear import Ear, Word
from benchmarks.lib.hostile.generator import Generator
from benchmarks.lib.hostile.scenes import Kind, Scene
from benchmarks.lib.hostile.stage import Late, Stage

__all__ = ["Attack", "Control"]

_FIRST = {Kind.NOT_BEGUN: 0, Kind.MISGRANTED: 0, Kind.UNMEASURED: 0, Kind.FEW_CALLS: 3}
"""Honest steps ahead of the attack, where it is not two."""


@dataclass(slots=True)
class Control:
    """Honest calls: they must succeed, or what was denied beside them shows nothing.

    Attributes:
        asked: the events of all of them: no other request may have an effect.
        done: how many succeeded, by purpose.
        broken: why others did not.
    """

    asked: set[UUID] = field(default_factory=set)
    done: dict[str, int] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)


class Attack:
    """Plays scenes.

    Args:
        stage: begins and ends phases.
        runner: with the runner's credentials.
        ear: hears what becomes of it.
        generator: of what is hostile.
        patience_s: for an answer.
    """

    def __init__(
        self,
        stage: Stage,
        runner: Adversary,
        ear: Ear,
        generator: Generator,
        patience_s: float,
    ) -> None:
        self._stage = stage
        self._runner = runner
        self._ear = ear
        self._generator = generator
        self._patience_s = patience_s
        self.control = Control()
        self.cases: list[Case] = []

    async def play(self, scene: Scene, calls: int, others: Sequence[Scene]) -> None:
        """Bring a scene into its state, and attack it with so many calls.

        Raises:
            Late: what is honest did not happen in time.
        """
        if scene.kind is Kind.LIVE:
            await self._live(scene, calls, others)
            return
        first = _FIRST.get(scene.kind, 2)
        if scene.kind is Kind.FEW_TARGETS:
            first = len(scene.steps(0))
        for _ in range(first):
            await self._step(scene)
        if scene.kind is Kind.FEW_TARGETS:
            await self._stage.next_phase(self._runner, scene)
        await self._stage.stop(self._runner, scene)
        await self._hostile(scene, calls, others)
        if scene.kind in {Kind.REVOKED, Kind.CANCELLED, Kind.EXPIRED, Kind.ROLLING_BACK}:
            await self._take_back(scene)  # Undo is owed, whatever became of the grant.

    async def ask(self, case: Case, scene: Scene | None, event: UUID) -> None:
        """Note a hostile call that is in the log, and wait for its answer."""
        case.event = event
        self.cases.append(case)
        if not case.codes:
            return  # A repeat: nothing follows, and nothing tells so.
        word = await self._ear.answer(event, self._patience_s)
        case.answer = None if word is None else word.code or word.verdict
        if scene is not None:
            scene.note(case.request)

    async def _live(self, scene: Scene, calls: int, others: Sequence[Scene]) -> None:
        steps = len(scene.plan.steps)
        asked = 0
        for number in range(1, steps + 1):
            upto = calls * number // (steps + 1)
            await self._hostile(scene, upto - asked, others)
            asked = upto
            if scene.due() is None:
                await self._stage.next_phase(self._runner, scene)
            await self._step(scene)
        await self._hostile(scene, calls - asked, others)
        await self._look(scene)
        await self._take_back(scene)

    async def _hostile(self, scene: Scene, calls: int, others: Sequence[Scene]) -> None:
        for _ in range(calls):
            case = self._generator.case(scene, others)
            if case is not None:
                event = await self._stage.say(self._runner, scene, case.request)
                await self.ask(case, scene, event)

    async def _step(self, scene: Scene) -> None:
        step = scene.due()
        if step is None:
            raise Late(f"{scene.name} has no step left")
        if await self._honest(scene, scene.asking(step)):
            scene.done[step.id] = scene.asked[-1].call

    async def _take_back(self, scene: Scene) -> None:
        step: Step = scene.reversible()[0]
        if await self._honest(scene, scene.taking_back(step)):
            scene.undone.add(scene.done[step.id])

    async def _look(self, scene: Scene) -> None:
        await self._honest(scene, scene.looking(scene.plan.targets()[0]))

    async def _honest(self, scene: Scene, fields: dict[str, Any]) -> bool:
        """Ask for what was approved, as it was approved; true when it was done."""
        ident = call_id(scene.name, fields["question"], fields["purpose"], fields["attempt"])
        request = ToolCallRequested.model_validate({"call": ident, **fields})
        event = await self._stage.say(self._runner, scene, request)
        self.control.asked.add(event)
        word: Word | None = await self._ear.answer(event, self._patience_s)
        scene.note(request)
        purpose = str(Purpose(request.purpose))
        if word is not None and word.verdict == "completed":
            self.control.done[purpose] = self.control.done.get(purpose, 0) + 1
            return True
        what = "nothing" if word is None else f"{word.verdict} {word.code}"
        self.control.broken.append(f"honest {purpose} in a {scene.kind} run: {what}")
        return False
