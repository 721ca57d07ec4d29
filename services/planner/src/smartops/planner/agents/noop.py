"""The noop agent: three steps that do nothing, for measuring what everything else costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import JsonValue
from smartops.contracts.commands import WantedStep
from smartops.contracts.constraints import UNCONSTRAINED, Constraints
from smartops.contracts.events import TaskSpec, TaskSubmitted
from smartops.contracts.plan import AgentRef
from smartops.contracts.tools import ToolDescriptor
from smartops.contracts.wire import RiskLevel
from smartops.planner.agents.base import Draft, DraftPhase, Misunderstood, Question
from smartops.planner.agents.phasing import step_for

__all__ = ["NoopAgent"]

_TOOLS = frozenset({"noop", "noop_write"})
_STEPS = 3


@dataclass(frozen=True, slots=True)
class NoopAgent:
    """Plans no-ops: the given ones, or three reads."""

    ref: AgentRef = AgentRef(name="noop", version="1.0.0")
    purpose: str = "measure, with steps that do nothing"

    def suits(self, submitted: TaskSubmitted) -> bool:
        """Only when asked for by name."""
        del submitted
        return False

    def tools(self, submitted: TaskSubmitted) -> tuple[str, ...]:
        """Those of the steps, or the read."""
        return tuple(dict.fromkeys(step.tool for step in submitted.context.steps)) or ("noop",)

    def specify(self, submitted: TaskSubmitted) -> TaskSpec | Misunderstood:
        """Anything goes, as long as it does nothing."""
        if not _TOOLS.issuperset(self.tools(submitted)):
            return Misunderstood("validation_error", "the noop agent uses noop tools only")
        return TaskSpec(
            task_type="noop",
            goal=submitted.intent,
            agent=self.ref,
            environment=submitted.environment,
            tools_required=self.tools(submitted),
            risk_level=RiskLevel.LOW,
            hitl_required=submitted.context.approval,
        )

    def questions(self, submitted: TaskSubmitted, spec: TaskSpec) -> tuple[Question, ...]:
        """None."""
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
        """One phase, one step after the other, nothing to watch."""
        del spec, answers, constraints
        wanted = submitted.context.steps or tuple(
            WantedStep(tool="noop", target="noop", arguments={"n": number})
            for number in range(1, _STEPS + 1)
        )
        steps = tuple(
            step_for("Steps", number, tools[step.tool], step.target, step.arguments, step.arguments)
            for number, step in enumerate(wanted, 1)
        )
        return Draft(
            type="runbook",
            summary=f"{len(steps)} steps that do nothing",
            phases=(DraftPhase("Steps", steps, parallel=False, parallelism=1),),
            total_assets=len({step.target for step in steps}),
        )
