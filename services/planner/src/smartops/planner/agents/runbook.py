"""The runbook agent: carry out the steps that the requester spelled out, phased and watched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import JsonValue
from smartops.contracts.commands import WantedStep
from smartops.contracts.events import TaskSpec, TaskSubmitted
from smartops.contracts.plan import AgentRef, Step
from smartops.contracts.tools import ToolDescriptor
from smartops.contracts.wire import Category, Environment, JsonObject
from smartops.planner.agents.base import Draft, DraftPhase, Misunderstood, Question
from smartops.planner.agents.phasing import (
    Windows,
    canary_and_waves,
    checks_for,
    risk_of,
    step_for,
)

__all__ = ["RunbookAgent", "undo_arguments"]


@dataclass(frozen=True, slots=True)
class RunbookAgent:
    """Steps in the order given, target by target; several targets go canary first."""

    windows: Windows
    watched: frozenset[str]
    """Tools after which their targets are watched; others act on nothing that has a health."""
    ref: AgentRef = AgentRef(name="runbook", version="1.0.0")
    purpose: str = "carry out the steps given in context.steps"

    def suits(self, submitted: TaskSubmitted) -> bool:
        """Intents that come with steps."""
        return bool(submitted.context.steps)

    def tools(self, submitted: TaskSubmitted) -> tuple[str, ...]:
        """Those that the steps name."""
        return tuple(dict.fromkeys(step.tool for step in submitted.context.steps))

    def specify(self, submitted: TaskSubmitted) -> TaskSpec | Misunderstood:
        """The steps are the goal."""
        if not submitted.context.steps:
            return Misunderstood("parse_error", "give the steps in context.steps")
        return TaskSpec(
            task_type="runbook",
            goal=submitted.intent,
            agent=self.ref,
            environment=submitted.environment,
            tools_required=self.tools(submitted),
            risk_level=risk_of(submitted.environment),
            hitl_required=submitted.environment is Environment.PRODUCTION,
        )

    def questions(self, submitted: TaskSubmitted, spec: TaskSpec) -> tuple[Question, ...]:
        """None: the requester knows."""
        del submitted, spec
        return ()

    def draft(
        self,
        submitted: TaskSubmitted,
        spec: TaskSpec,
        answers: Mapping[str, JsonValue],
        tools: Mapping[str, ToolDescriptor],
    ) -> Draft | Misunderstood:
        """Group by target, keep the order within each."""
        del answers
        by_target: dict[str, list[WantedStep]] = {}
        for wanted in submitted.context.steps:
            by_target.setdefault(wanted.target, []).append(wanted)
        cut = canary_and_waves(list(by_target), len(by_target))
        if len(by_target) == 1:
            cut = [("Steps", tuple(by_target))]
        phases = []
        for name, targets in cut:
            steps = tuple(
                self._step(name, number, tools[wanted.tool], wanted)
                for target in targets
                for number, wanted in enumerate(by_target[target], 1)
            )
            phases.append(self._phase(name, steps))
        return Draft(
            type="runbook",
            summary=f"{len(submitted.context.steps)} steps on {len(by_target)} targets "
            f"in {spec.environment}: {spec.goal}"[:1000],
            phases=tuple(phases),
            total_assets=len(by_target),
        )

    def _phase(self, name: str, steps: tuple[Step, ...]) -> DraftPhase:
        watched = any(step.tool in self.watched for step in steps)
        window = self.windows.canary if name == "Canary" else self.windows.wave
        return DraftPhase(
            name=name,
            steps=steps,
            checks=checks_for(window, self.windows.interval) if watched else (),
            # Steps on one target follow each other, so the phase goes one by one.
            parallel=False,
            parallelism=1,
            rollback_if="error_rate > 1%" if watched else "",
        )

    @staticmethod
    def _step(phase: str, number: int, tool: ToolDescriptor, wanted: WantedStep) -> Step:
        return step_for(
            phase, number, tool, wanted.target, wanted.arguments, undo_arguments(tool, wanted)
        )


def undo_arguments(tool: ToolDescriptor, wanted: WantedStep) -> JsonObject | None:
    """The arguments of the reverse: each field that the before-state knows is put back."""
    if tool.category is not Category.REVERSIBLE or tool.undo_tool is None:
        return None
    if tool.before is None:
        return dict(wanted.arguments)
    return {
        name: value if name == "asset" else {"$before": name}
        for name, value in wanted.arguments.items()
    }
