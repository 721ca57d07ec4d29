"""The modelled world: what really happened to it, against which claims are held."""

from __future__ import annotations

from collections import Counter
from uuid import UUID

from smartops.contracts.events import TaskCancelled, TaskEscalated, ToolCallDispatched
from smartops.contracts.plan import Plan
from smartops.contracts.wire import Category, Idempotence, Purpose
from smartops.runner.state import Run
from support.line_tools import TOOLS

__all__ = ["World"]


class World:
    """Changes by step, counted.

    Attributes:
        standing: whether the change of a step stands.
        effects: how often a step, or its undo, took effect.
        applied: by call, whether any of its sends took effect.
    """

    def __init__(self) -> None:
        self.standing: dict[str, bool] = {}
        self.effects: Counter[tuple[str, Purpose]] = Counter()
        self.applied: dict[UUID, bool] = {}
        self._keys: dict[tuple[str, Purpose], set[UUID]] = {}

    def land(self, sent: ToolCallDispatched) -> None:
        """The request arrives at the tool, which does what it was asked for."""
        purpose, used = sent.facts.purpose, TOOLS[sent.facts.tool]
        name = sent.facts.question.removeprefix("undo/")
        keys = self._keys.setdefault((name, purpose), set())
        self.applied[sent.call] = True
        if used.idempotence is Idempotence.IDEMPOTENT and sent.key in keys:
            return
        keys.add(sent.key)
        self.effects[name, purpose] += 1
        self.standing[name] = purpose is Purpose.DO

    def check_nothing_happened_twice(self) -> None:
        """At most one effect per step and undo, whatever the network does."""
        for (name, purpose), count in self.effects.items():
            assert count <= 1, f"{purpose} of {name} happened {count} times"

    def check_completed(self, plan: Plan) -> None:
        """Completed means that every change stands."""
        writes = {s.id for s in plan.steps if s.category is not Category.READ}
        assert {name for name, stands in self.standing.items() if stands} == writes

    def check_failed(self) -> None:
        """Failed, and not rolled back, means that nothing was ever changed."""
        assert not self.effects, f"called failed, but {dict(self.effects)}"

    def check_cancelled(self, event: TaskCancelled, run: Run) -> None:
        """What is said to be kept is what stands, up to what nobody knows."""
        unsure = {run.requests[call].question for call in run.stuck}
        known = [
            name
            for name, stands in self.standing.items()
            if stands and name not in unsure and f"undo/{name}" not in unsure
        ]
        assert len(known) <= event.kept <= len(known) + len(unsure)

    def check_escalated(self, event: TaskEscalated, run: Run) -> None:
        """Whatever stands is listed, or said to be unknown."""
        told = {run.requests[call].question for call in event.not_undone}
        unsure = {run.requests[call].question.removeprefix("undo/") for call in event.open_calls}
        stands = {name for name, is_so in self.standing.items() if is_so}
        assert stands - unsure <= told, "something stands that nobody is told of"
