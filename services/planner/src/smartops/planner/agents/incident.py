"""The incident agent: look at what somebody did alone, and put it before a person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import JsonValue
from smartops.contracts.constraints import UNCONSTRAINED, Constraints
from smartops.contracts.events import TaskSpec, TaskSubmitted
from smartops.contracts.plan import AgentRef
from smartops.contracts.tools import ToolDescriptor
from smartops.contracts.wire import Category, RiskLevel
from smartops.planner.agents.base import Draft, DraftPhase, Misunderstood, Question
from smartops.planner.agents.phasing import step_for

__all__ = ["IncidentAgent"]


@dataclass(frozen=True, slots=True)
class IncidentAgent:
    """Reads what the given steps name, as evidence; and again once a person has looked at it.

    Its plans change nothing and wait for a person all the same: to approve one is to close the
    case, and who is looked into cannot.
    """

    ref: AgentRef = AgentRef(name="incident", version="1.0.0")
    purpose: str = "look into what was done, by the reads given in context.steps"

    def suits(self, submitted: TaskSubmitted) -> bool:
        """Only when asked for by name."""
        del submitted
        return False

    def tools(self, submitted: TaskSubmitted) -> tuple[str, ...]:
        """Those that the steps name."""
        return tuple(dict.fromkeys(step.tool for step in submitted.context.steps))

    def specify(self, submitted: TaskSubmitted) -> TaskSpec | Misunderstood:
        """Nothing is looked into without a look."""
        if not submitted.context.steps:
            return Misunderstood("parse_error", "give the reads in context.steps")
        return TaskSpec(
            task_type="incident_investigation",
            goal=submitted.intent,
            agent=self.ref,
            environment=submitted.environment,
            tools_required=self.tools(submitted),
            risk_level=RiskLevel.HIGH,
            hitl_required=True,
        )

    def questions(self, submitted: TaskSubmitted, spec: TaskSpec) -> tuple[Question, ...]:
        """How things stand now."""
        del spec
        return tuple(
            Question(f"{step.tool}/{step.target}", step.tool, step.target, step.arguments)
            for step in submitted.context.steps
        )

    def draft(
        self,
        submitted: TaskSubmitted,
        spec: TaskSpec,
        answers: Mapping[str, JsonValue],
        tools: Mapping[str, ToolDescriptor],
        constraints: Constraints = UNCONSTRAINED,
    ) -> Draft | Misunderstood:
        """The same reads once more, after a person has looked."""
        del answers, constraints
        wanted = submitted.context.steps
        writes = [one.tool for one in wanted if tools[one.tool].category is not Category.READ]
        if writes:
            return Misunderstood("validation_error", f"{writes[0]} changes things: only reads here")
        steps = tuple(
            step_for("Review", number, tools[one.tool], one.target, one.arguments)
            for number, one in enumerate(wanted, 1)
        )
        return Draft(
            type="incident_analysis",
            summary=spec.goal[:1000],
            phases=(DraftPhase("Review", steps, parallel=False, parallelism=1),),
            total_assets=len({step.target for step in steps}),
        )
