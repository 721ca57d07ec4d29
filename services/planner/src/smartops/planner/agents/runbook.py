"""The runbook agent: carry out the steps that the requester spelled out, phased and watched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import JsonValue
from smartops.contracts.commands import WantedStep
from smartops.contracts.constraints import UNCONSTRAINED, Constraints
from smartops.contracts.events import TaskSpec, TaskSubmitted
from smartops.contracts.plan import AgentRef, Step
from smartops.contracts.tools import ToolDescriptor
from smartops.contracts.wire import Category, Environment, JsonObject
from smartops.planner.agents.base import Draft, DraftPhase, Misunderstood, Question
from smartops.planner.agents.outputs import bind_outputs, by_target
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
    look_first: bool = False
    """Whether its plans rest on how their targets stand when they are written."""
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
        constraints: Constraints = UNCONSTRAINED,
    ) -> Draft | Misunderstood:
        """Group by target, keep the order within each; what only looks at the whole comes last."""
        del answers
        acting, closing = by_target(submitted.context.steps)
        for target in submitted.context.scope.exclude_assets:
            acting.pop(target, None)
            closing.pop(target, None)
        if not acting and not closing:
            return Misunderstood("scope_error", "every step's target is to be left out")
        most = constraints.most(len(acting))
        cut = canary_and_waves(list(acting), len(acting), most) if acting else []
        if len(acting) == 1 and not constraints.canary_required:
            cut = [("Steps", tuple(acting))]
        if closing:
            cut.append(("Conclusion", tuple(closing)))
        phases = []
        ids: dict[int, str] = {}
        for name, targets in cut:
            steps = []
            for target in targets:
                for number, (place, wanted) in enumerate({**closing, **acting}[target], 1):
                    bound = bind_outputs(place, wanted, ids)
                    if isinstance(bound, Misunderstood):
                        return bound
                    steps.append(self._step(name, number, tools, bound))
                    ids[place] = steps[-1].id
            phases.append(self._phase(name, tuple(steps)))
        return Draft(
            type="runbook",
            summary=f"{len(ids)} steps on {len(acting)} targets in {spec.environment}: {spec.goal}"[
                :1000
            ],
            phases=tuple(phases),
            total_assets=len(acting),
            look_first=self.look_first,
            maintenance=self.windows.maintenance,
        )

    def _phase(self, name: str, steps: tuple[Step, ...]) -> DraftPhase:
        watched = any(step.tool in self.watched for step in steps)
        window = self.windows.canary if name == "Canary" else self.windows.wave
        return DraftPhase(
            name=name,
            steps=steps,
            checks=checks_for(window, self.windows.interval, self.windows.further)
            if watched
            else (),
            # Steps on one target follow each other, so the phase goes one by one.
            parallel=False,
            parallelism=1,
            rollback_if=self.windows.rollback_if if watched else "",
        )

    @staticmethod
    def _step(
        phase: str, number: int, tools: Mapping[str, ToolDescriptor], wanted: WantedStep
    ) -> Step:
        tool = tools[wanted.tool]
        undo = tools.get(tool.undo_tool or "")
        return step_for(
            phase,
            number,
            tool,
            wanted.target,
            wanted.arguments,
            undo_arguments(tool, wanted, tools),
            None if undo is None else undo.version,
        )


def undo_arguments(
    tool: ToolDescriptor, wanted: WantedStep, tools: Mapping[str, ToolDescriptor]
) -> JsonObject | None:
    """The arguments of the reverse: what the state before knows is put back, the rest stays.

    Returns:
        None if the step cannot be taken back: the tool has no reverse, or it wants an argument
        that neither the step nor the state before has.
    """
    undo = tools.get(tool.undo_tool or "")
    if tool.category is not Category.REVERSIBLE or undo is None:
        return None
    before = tools.get(tool.before or "")
    if tool.before is not None and before is None:
        return None
    known = set() if before is None else _names(before.output_schema.get("properties"))
    bound: JsonObject = {}
    for name in _names(undo.input_schema.get("properties")):
        if name in known and name != "asset":
            bound[name] = {"$before": name}
        elif name in wanted.arguments:
            bound[name] = wanted.arguments[name]
    return bound if _names(undo.input_schema.get("required")) <= set(bound) else None


def _names(listed: JsonValue) -> set[str]:
    return set(map(str, listed)) if isinstance(listed, dict | list) else set()
