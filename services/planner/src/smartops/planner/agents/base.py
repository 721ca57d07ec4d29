"""What an agent is: a pure planner for one kind of task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from pydantic import JsonValue
from smartops.contracts.constraints import UNCONSTRAINED, Constraints
from smartops.contracts.events import TaskSpec, TaskSubmitted
from smartops.contracts.maintenance import MaintenanceWindow
from smartops.contracts.plan import HOUR_MS, AgentRef, OnTimeout, PlanType, Precondition, Step
from smartops.contracts.tools import ToolDescriptor
from smartops.contracts.wire import Check, JsonObject
from smartops.contracts.written import read_phase

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
    batch: int | None = None
    """Steps that go out before health is looked at; None: all."""
    watch_ms: int | None = None
    maintenance: MaintenanceWindow | None = None
    timeout_ms: int | None = None
    on_timeout: OnTimeout = "pause"

    @classmethod
    def written(cls, document: object, steps: tuple[Step, ...]) -> DraftPhase:
        """A phase as people write it: `{"name": "Canary", "wait_time": "30m", ...}`.

        Raises:
            Malformed: naming the field.
        """
        told = read_phase(document)
        return cls(steps=steps, parallel=told.pop("order") == "parallel", **told)


@dataclass(frozen=True, slots=True)
class Draft:
    """A plan before it is numbered and hashed."""

    type: PlanType
    summary: str
    phases: tuple[DraftPhase, ...]
    total_assets: int
    preconditions: tuple[Precondition, ...] = ()
    look_first: bool = False
    """Have the targets read before the plan is written, and rest it on what is found: for agents
    that ask nothing themselves."""
    maintenance: MaintenanceWindow | None = None
    max_run_ms: int = 4 * HOUR_MS
    on_timeout: OnTimeout = "pause"
    rollback_timeout_ms: int = HOUR_MS // 2


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
        constraints: Constraints = UNCONSTRAINED,
    ) -> Draft | Misunderstood:
        """Write the plan, given the answers by question kind.

        What is to be left out stands in the intent's scope already; how large phases may be, in the
        constraints. A plan that does not keep to them is dropped.
        """
        ...
