"""What an agent is: a pure planner for one kind of task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from pydantic import JsonValue
from smartops.contracts.events import TaskSpec, TaskSubmitted
from smartops.contracts.plan import AgentRef, PlanType, Precondition, Step
from smartops.contracts.tools import ToolDescriptor
from smartops.contracts.wire import Check, JsonObject

__all__ = ["Agent", "Draft", "DraftPhase", "Misunderstood", "Question"]


@dataclass(frozen=True, slots=True)
class Misunderstood:
    """The agent cannot plan this; the message tells the requester what to change."""

    code: str
    """parse_error, scope_error or validation_error."""
    message: str


@dataclass(frozen=True, slots=True)
class Question:
    """A read that the plan will rest on."""

    kind: str
    tool: str
    target: str
    arguments: JsonObject


@dataclass(frozen=True, slots=True)
class DraftPhase:
    """A phase before its steps are hashed."""

    name: str
    steps: tuple[Step, ...]
    checks: tuple[Check, ...] = ()
    parallel: bool = True
    parallelism: int = 4
    wait_ms: int = 0
    rollback_if: str = ""


@dataclass(frozen=True, slots=True)
class Draft:
    """A plan before it is numbered and hashed."""

    type: PlanType
    summary: str
    phases: tuple[DraftPhase, ...]
    total_assets: int
    preconditions: tuple[Precondition, ...] = ()


class Agent(Protocol):
    """Plans one kind of task. Pure: the same task and evidence give the same plan."""

    @property
    def ref(self) -> AgentRef:
        """Name and version, as plans record them."""
        ...

    @property
    def purpose(self) -> str:
        """What it is for, in a few words, for people who asked for something else."""
        ...

    def suits(self, submitted: TaskSubmitted) -> bool:
        """Whether the intent is for this agent."""
        ...

    def tools(self, submitted: TaskSubmitted) -> tuple[str, ...]:
        """The tools that it may use for this intent."""
        ...

    def specify(self, submitted: TaskSubmitted) -> TaskSpec | Misunderstood:
        """Understand the intent."""
        ...

    def questions(self, submitted: TaskSubmitted, spec: TaskSpec) -> tuple[Question, ...]:
        """What must be known before planning; none for plans that rest on the intent alone."""
        ...

    def draft(
        self,
        submitted: TaskSubmitted,
        spec: TaskSpec,
        answers: Mapping[str, JsonValue],
        tools: Mapping[str, ToolDescriptor],
    ) -> Draft | Misunderstood:
        """Write the plan, given the answers by question kind."""
        ...
