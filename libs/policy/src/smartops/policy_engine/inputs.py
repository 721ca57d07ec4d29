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
from typing import Annotated, Literal, Self, TypeAlias
from uuid import UUID

from pydantic import Field, model_validator
from smartops.contracts.canonical import canonical
from smartops.contracts.plan import PlanType
from smartops.contracts.wire import (
    Category,
    Environment,
    JsonObject,
    LongText,
    Purpose,
    Risk,
    RiskLevel,
    Scope,
    ShortText,
    TargetName,
    ToolName,
    Wire,
)
from smartops.policy_engine.verdict import Entrypoint

__all__ = [
    "INPUTS",
    "ActingFor",
    "ApprovalInput",
    "ApprovalSettings",
    "Approver",
    "AutonomyLevel",
    "AutonomyMode",
    "EvidenceInput",
    "GateInput",
    "GrantInput",
    "InputDocument",
    "LimitsInput",
    "PhaseInput",
    "PlanInput",
    "QualityInput",
    "RiskInput",
    "RiskParts",
    "StepInput",
    "ToolCallInput",
]

AutonomyLevel = Annotated[int, Field(ge=0, le=4)]
"""L0 observes, L1 suggests, L2 does reversible things alone, L3 irreversible ones once approved,
L4 is switched off."""

AutonomyMode: TypeAlias = Literal[
    "plan_only", "approve_all", "canary_only", "risk_based", "full_auto"
]
"""How much goes without a person where a plan acts, from the strictest to the loosest. None of
them lets a write in production go by itself."""

Milliseconds = Annotated[int, Field(ge=0)]

Points = Annotated[int, Field(ge=0, le=100)]
"""Whole points of a hundred; who computes fractions rounds to the strict side."""


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
    risk: Risk | None
    """The class that the tool declares; null when it is not registered."""
    scope: Scope | None
    """How far one call can reach, as the tool declares; null when it is not registered."""
    simulation_required: bool
    """The tool declares a rehearsal that must come first."""
    rehearsed: bool
    """The log shows that its rehearsal succeeded with these arguments on this target."""
    target: TargetName
    arguments: JsonObject

    @property
    def writes(self) -> bool:
        """Anything but a known read."""
        return self.category is not Category.READ


class EvidenceInput(Wire):
    """One finding that the plan rests on."""

    kind: ShortText
    """The read that found it: the name of the tool that was asked."""
    age_ms: Milliseconds
    """How long ago, by the database's clock."""


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
    changes. Take it from an inventory, not from a model's word, and not from what a plan only looks
    at: a larger number loosens limits."""
    approval_requested: bool
    """The requester or the agent wants a person to look."""
    type: PlanType
    summary: LongText
    """What it is for, in words for people; empty when the plan has none."""
    mode: AutonomyMode
    """In force for this tenant and environment."""
    max_run_ms: Milliseconds | None
    """How long the run may take; null when nothing bounds it."""
    maintenance: bool
    """Every write waits for a maintenance window."""
    evidence: tuple[EvidenceInput, ...]
    """What was found out before the plan was made; oldest first or in any order."""
    requester_roles: tuple[ShortText, ...]
    """Of the person behind the requester, as the directory has them; empty when nobody is."""
    token_budget_exhausted: bool
    """Nothing is left of what models may use here: only reads go on."""
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


class RiskParts(Wire):
    """The weighted parts of a risk score, each by itself."""

    environment: Points
    scope: Points
    history: Points
    change_size: Points
    timing: Points
    dependencies: Points
    drift: Points
    rollback: Points


class RiskInput(Wire):
    """How much can go wrong, computed from registry, log and plan."""

    score: Points
    level: RiskLevel
    parts: RiskParts


class QualityInput(Wire):
    """How well made and how well tried a plan is: five dimensions of twenty points."""

    total: Points
    structural: Annotated[int, Field(ge=0, le=20)]
    policy: Annotated[int, Field(ge=0, le=20)]
    tests: Annotated[int, Field(ge=0, le=20)]
    history: Annotated[int, Field(ge=0, le=20)]
    review: Annotated[int, Field(ge=0, le=20)]

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        parts = self.structural + self.policy + self.tests + self.history + self.review
        if self.total > parts:
            raise ValueError(f"a total of {self.total} from parts that make {parts}")
        return self


class LimitsInput(Wire):
    """How far the installation lets plans go by themselves."""

    max_assets: int = Field(ge=0)
    max_critical_assets: int = Field(ge=0)
    cooldown_ms: Milliseconds
    """Rest between two runs of one agent in one environment."""
    risk_threshold: Points
    """Highest score that goes without a person. The bundle has one too; the lower one holds."""


class GateInput(InputDocument):
    """Who must say that this plan may run? Entrypoint `gate`, asked once `plan` has allowed it."""

    task: UUID
    number: int = Field(ge=1)
    tenant: ShortText
    environment: Environment
    type: PlanType
    agent: ShortText
    agent_version: ShortText
    agent_runs: int = Field(ge=0)
    """Runs of this agent version with these tools here that have ended; 0: it is new here."""
    mode: AutonomyMode
    autonomy_level: AutonomyLevel
    """The lowest over the tools that the plan writes with."""
    writes: int = Field(ge=0)
    """Steps that do anything but read."""
    irreversible: bool
    """One of them cannot be taken back."""
    canary: bool
    """The first phase that writes is a canary."""
    changed_assets: int = Field(ge=0)
    critical_assets: int = Field(ge=0)
    """How many of the changed ones are marked as critical."""
    total_assets: int = Field(ge=1)
    risk: RiskInput
    quality: QualityInput
    limits: LimitsInput
    cooldown_left_ms: Milliseconds
    """What is left of the rest; 0 when it is over."""
    window_blocked: bool
    """The time of the decision lies in a window in which nothing goes by itself."""
    tool_modes: dict[ToolName, AutonomyMode]
    """For every tool that the plan writes with: the strictest mode that was set for it, or that
    of the environment."""
    plan_requires_approval: bool
    plan_rules: tuple[ShortText, ...]
    """What `plan` said about the same plan."""
    require_two_approvers: bool
    """The environment wants two people for what is critical."""
    approval_requested: bool

    @model_validator(mode="after")
    def _counts_agree(self) -> Self:
        if bool(self.writes) != bool(self.changed_assets):
            raise ValueError("writes change assets, and nothing else does")
        if not self.critical_assets <= self.changed_assets <= self.total_assets:
            raise ValueError("more critical assets than changed ones, or more changed than there")
        if bool(self.writes) != bool(self.tool_modes):
            raise ValueError("tool_modes names the tools that write, and no others")
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


class ActingFor(Wire):
    """In whose name somebody decides who is not that person."""

    actor: UUID
    roles: tuple[ShortText, ...]
    """Those that he holds and has handed over for this environment, until now."""
    disabled: bool


class ApprovalSettings(Wire):
    """What the installation permits."""

    local_credentials_in_production: bool


class ApprovalInput(InputDocument):
    """May this person approve or reject this plan? Entrypoint `approval`."""

    task: UUID
    tenant: ShortText
    environment: Environment
    decision: Literal["approve", "reject"]
    way: Literal["voice", "standing", "break_glass"]
    """A voice on a plan that waits; a word given beforehand, or used; or one person's alone."""
    roles: Annotated[tuple[ShortText, ...], Field(min_length=1)]
    """Whoever holds one of these may decide: those that the plan asks for, and those that were
    asked later."""
    approver: Approver
    """Who speaks, with his own roles."""
    acting_for: ActingFor | None
    """Whose voice it is, where that one has handed it over; null: the speaker's own."""
    requester: UUID | None
    """The actor who asked for the work; null when nobody known did."""
    editors: tuple[UUID, ...]
    """Every actor who edited this plan or one that it replaces."""
    settings: ApprovalSettings


INPUTS: dict[Entrypoint, type[InputDocument]] = {
    "plan": PlanInput,
    "gate": GateInput,
    "tool_call": ToolCallInput,
    "approval": ApprovalInput,
}
"""The document of each entrypoint."""
