"""The documents that policies decide on, field by field.

Policies are written against these models and nothing else; services build their inputs with them
(`plan_input` does it from a contract's plan), so a misspelt or missing field cannot reach a policy
from our side. `canonical_bytes()` are the bytes to hand to `PolicyEngine.decide`: their digest is
what the verdict names.

Times are integers in milliseconds since 1970: a policy compares them and needs no clock. Values
that were replaced by references before they were stored stay references here.
"""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import Field, model_validator
from smartops.contracts.canonical import canonical
from smartops.contracts.wire import (
    Category,
    Environment,
    JsonObject,
    LongText,
    Purpose,
    ShortText,
    TargetName,
    ToolName,
    Wire,
)
from smartops.policy_engine.verdict import Entrypoint

__all__ = [
    "INPUTS",
    "ApprovalInput",
    "ApprovalSettings",
    "Approver",
    "AutonomyLevel",
    "GrantInput",
    "InputDocument",
    "PhaseInput",
    "PlanInput",
    "StepInput",
    "ToolCallInput",
]

AutonomyLevel = Annotated[int, Field(ge=0, le=4)]
"""L0 observes, L1 suggests, L2 does reversible things alone, L3 irreversible ones once approved,
L4 is switched off."""

Milliseconds = Annotated[int, Field(ge=0)]


class InputDocument(Wire):
    """What one entrypoint decides on."""

    def canonical_bytes(self) -> bytes:
        """RFC 8785 bytes of the document, every field present, absent values as null."""
        return canonical(self.model_dump(mode="json"))


class PhaseInput(Wire):
    """One phase of a plan."""

    name: ShortText
    assets: Annotated[tuple[TargetName, ...], Field(min_length=1)]
    """Every target of the phase's steps, each once."""
    steps: int = Field(ge=1)
    """How many steps it has."""
    writes: int = Field(ge=0)
    """How many of them do anything but read."""
    health_checks: int = Field(ge=0)
    rollback_if: LongText
    """The condition under which it is taken back; empty when none is given."""
    wait_ms: Milliseconds
    """Pause between the last call and the first health sample."""
    watch_ms: Milliseconds
    """How long it is watched, by its health checks or by `rollback_if` alone."""


class StepInput(Wire):
    """One step of a plan."""

    id: ShortText
    phase: int = Field(ge=0)
    """Index into `phases`."""
    tool: ToolName
    version: ShortText
    category: Category | None
    """From the registry, never from the plan; null when the tool is not registered."""
    registered: bool
    """The tool is registered in this version and has not changed since the plan was made."""
    reversible: bool
    """Its category is reversible and the plan says how to take it back."""
    target: TargetName
    arguments: JsonObject

    @property
    def writes(self) -> bool:
        """Anything but a known read."""
        return self.category is not Category.READ


class PlanInput(InputDocument):
    """May this plan run, and does a person have to approve it? Entrypoint `plan`."""

    task: UUID
    number: int = Field(ge=1)
    """Which plan of the task."""
    tenant: ShortText
    environment: Environment
    agent: ShortText
    requester: ShortText
    """The principal in whose name the plan was made."""
    autonomy_level: AutonomyLevel
    """What the agent may do by itself, from its `autonomy-` stream."""
    total_assets: int = Field(ge=1)
    """Assets in scope, changed or not: what shares are measured against. Never less than the plan
    touches. Take it from an inventory, not from a model's word: a larger number loosens limits."""
    approval_requested: bool
    """The requester or the agent wants a person to look."""
    phases: Annotated[tuple[PhaseInput, ...], Field(min_length=1)]
    """In the order in which they run."""
    steps: Annotated[tuple[StepInput, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _phases_agree_with_steps(self) -> Self:
        if any(step.phase >= len(self.phases) for step in self.steps):
            raise ValueError("a step belongs to no phase")
        steps = Counter(step.phase for step in self.steps)
        writes = Counter(step.phase for step in self.steps if step.writes)
        for index, phase in enumerate(self.phases):
            targets = {step.target for step in self.steps if step.phase == index}
            if (phase.steps, phase.writes) != (steps[index], writes[index]):
                raise ValueError(f"phase {index} miscounts its steps or its writes")
            if set(phase.assets) != targets or len(targets) != len(phase.assets):
                raise ValueError(f"phase {index} does not list each target of its steps once")
        return self


class GrantInput(Wire):
    """The grant under which a call would go out, as the gateway found it in the log."""

    valid: bool
    """Not revoked, superseded or used up; plan hash and step hash match; earlier phases ended."""
    environment: Environment
    expires_at_ms: Milliseconds
    automatic: bool
    """Policy gave it; no person did."""


class ToolCallInput(InputDocument):
    """May this very call go out? Entrypoint `tool_call`."""

    tenant: ShortText
    task: UUID | None
    """Null for a reader that works for no task."""
    environment: Environment
    tool: ToolName
    version: ShortText
    category: Category | None
    """From the gateway's own registry; null when the tool is not registered."""
    registered: bool
    """The registered tool has the very schema that the step was approved with."""
    purpose: Purpose
    target: ShortText
    arguments: JsonObject
    """With references; never with what they stand for."""
    halted: bool
    """The task's gate is halted. Nothing is written then, not even an undo."""
    undo_owed: bool
    """For an undo: the step's write was dispatched and has not been taken back."""
    grant: GrantInput | None
    """Null for reads and undos, which need none."""
    now_ms: Milliseconds
    """The time of the decision, from the database's clock."""


class Approver(Wire):
    """Who decides on a plan."""

    actor: UUID | None
    """The person behind the credentials; null when they are mapped to nobody."""
    roles: tuple[ShortText, ...]
    disabled: bool
    local_credentials: bool
    """The credentials are the embedded stack's own and prove no identity."""


class ApprovalSettings(Wire):
    """What the installation permits."""

    local_credentials_in_production: bool


class ApprovalInput(InputDocument):
    """May this person approve or reject this plan? Entrypoint `approval`."""

    task: UUID
    tenant: ShortText
    environment: Environment
    decision: Literal["approve", "reject"]
    approver: Approver
    requester: UUID | None
    """The actor who asked for the work; null when nobody known did."""
    editors: tuple[UUID, ...]
    """Every actor who edited this plan or one that it replaces."""
    settings: ApprovalSettings


INPUTS: dict[Entrypoint, type[InputDocument]] = {
    "plan": PlanInput,
    "tool_call": ToolCallInput,
    "approval": ApprovalInput,
}
"""The document of each entrypoint."""
