"""The plan: what is approved, hashed and carried out.

A plan document is stored as one content-addressed blob: the canonical bytes of
`{"header": ..., "steps": [...]}`. `plan_hash` is the digest of the header alone; the header lists
the hash of every step, phase by phase, so it binds them all. Approvals name `plan_hash`, the
gateway checks a call by its step hash.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, ValidationError
from smartops.contracts.canonical import canonical, digest
from smartops.contracts.errors import Malformed
from smartops.contracts.maintenance import MaintenanceWindow
from smartops.contracts.wire import (
    Category,
    Check,
    Digest,
    Environment,
    JsonObject,
    LongText,
    ShortText,
    TargetName,
    ToolName,
    Wire,
    added,
)

__all__ = [
    "MAX_STEPS",
    "AgentRef",
    "Phase",
    "Plan",
    "PlanHeader",
    "PlanType",
    "Precondition",
    "Requester",
    "Step",
    "UndoTemplate",
    "seal",
]

MAX_STEPS = 5000
"""Most steps in one plan."""

HOUR_MS = 3_600_000
LONGEST_RUN_MS = 7 * 24 * HOUR_MS
"""No plan may ask for more time than a week."""

OnTimeout = Literal["roll_back", "pause"]
"""What a run does whose time is over: wait for a person, or take its changes back."""

PlanType = Literal[
    "drift_plan",
    "patch_plan",
    "dr_runbook",
    "compliance_report",
    "incident_analysis",
    "cost_optimization_plan",
    "security_report",
    "image_spec",
    "runbook",
]


class AgentRef(Wire):
    """Which agent, in which version, wrote the plan."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
    version: Annotated[str, Field(pattern=r"^[0-9A-Za-z.+-]{1,40}$")]


class Requester(Wire):
    """In whose name the plan was made."""

    principal: Annotated[str, Field(max_length=128)]
    authtype: Annotated[str, Field(max_length=40)]


class UndoTemplate(Wire):
    """How to take a step back.

    `{"$before": "field"}` in the arguments stands for a value of the before-state that the gateway
    records when it dispatches the step.
    """

    tool: ToolName
    version: ShortText
    arguments: JsonObject


class Step(Wire):
    """One action on one target."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,199}$")]
    """phase/action/target: unique in its plan."""
    tool: ToolName
    version: ShortText
    schema_digest: Digest
    """Digest of the tool's descriptor: a tool changed after approval is refused."""
    category: Category
    """As the descriptor says; the gateway compares."""
    target: TargetName
    arguments: JsonObject
    undo: UndoTemplate | None = None

    def canonical(self) -> bytes:
        """The bytes that are hashed."""
        return self._canonical

    def hash(self) -> str:
        """The digest by which header, grant and gateway know this step."""
        return self._hash

    @cached_property
    def _canonical(self) -> bytes:
        return canonical(self.model_dump(mode="json"))

    @cached_property
    def _hash(self) -> str:
        return digest(self._canonical)


class Precondition(Wire):
    """What was seen when the plan was made and must still hold when it starts."""

    tool: ToolName
    arguments: JsonObject
    expect: Digest
    """Digest of the tool's output then, or of the fields of it that are compared."""
    version: ShortText = added("1")
    """Of the tool, as it was registered then: another one may tell other things."""
    target: TargetName | None = added(None)
    """What is looked at; None: the environment as a whole."""
    fields: Annotated[tuple[ShortText, ...], Field(max_length=50)] = added(())
    """Those of the output that must be the same, as dotted paths through lists; none compares all
    of it. What changes by itself, such as a load, is best left out."""


class Phase(Wire):
    """Steps that share a fate: carried out together, watched together, rolled back together."""

    name: ShortText
    steps: Annotated[tuple[Digest, ...], Field(min_length=1, max_length=MAX_STEPS)]
    """Step hashes in order."""
    order: Literal["sequential", "parallel"] = "parallel"
    parallelism: int = Field(default=1, ge=1, le=100)
    """Calls in flight at once, when parallel."""
    wait_ms: int = Field(default=0, ge=0, le=86_400_000)
    """Pause between the last call and the first health sample."""
    checks: Annotated[tuple[Check, ...], Field(max_length=20)] = ()
    rollback_if: LongText = ""
    """The condition under which this phase is taken back: `error_rate > 1% or queue > 100`. See
    `condition.py` for the grammar; its metrics are sampled even when no check does."""
    batch: int | None = added(None, ge=1, le=MAX_STEPS)
    """Steps that go out before health is looked at for the phase's whole window; None: all."""
    watch_ms: int | None = added(None, ge=0, le=3_600_000)
    """How long a phase without checks is watched by `rollback_if`; None: 3 s."""
    watch_interval_ms: int | None = added(None, ge=50, le=600_000)
    """Time between two samples then; None: 500 ms."""
    maintenance: MaintenanceWindow | None = added(None)
    """When its steps may go out; None: as the header says."""
    timeout_ms: int | None = added(None, ge=1000, le=LONGEST_RUN_MS)
    """How long the phase may take, waiting and watching included; None: as long as the run."""
    on_timeout: OnTimeout = added("pause")
    """What happens when it takes longer."""


class PlanHeader(Wire):
    """All that an approval binds."""

    schema_name: Literal["smartops.plan.v1"] = "smartops.plan.v1"
    task: UUID
    number: int = Field(ge=1)
    tenant: ShortText
    environment: Environment
    type: PlanType
    agent: AgentRef
    requester: Requester
    editor: Requester | None = None
    goal: LongText
    summary: LongText
    evidence: Annotated[tuple[Digest, ...], Field(max_length=200)] = ()
    preconditions: Annotated[tuple[Precondition, ...], Field(max_length=50)] = ()
    total_assets: int = Field(default=0, ge=0)
    """Size of the fleet in scope, changed or not: what batch limits are measured against."""
    approval_requested: bool = False
    """The requester wants a person to look, whatever policy says."""
    maintenance: MaintenanceWindow | None = added(None)
    """When steps may go out; None: at any time."""
    max_run_ms: int = added(4 * HOUR_MS, ge=1000, le=LONGEST_RUN_MS)
    """How long the run may take, from its start or from the last time a person resumed it."""
    on_timeout: OnTimeout = added("pause")
    """What happens when it takes longer."""
    rollback_timeout_ms: int = added(HOUR_MS // 2, ge=1000, le=LONGEST_RUN_MS)
    """How long taking back may take before a person is called."""
    phases: Annotated[tuple[Phase, ...], Field(min_length=1, max_length=100)]


class Plan(Wire):
    """Header and steps, checked against each other."""

    header: PlanHeader
    steps: Annotated[tuple[Step, ...], Field(min_length=1, max_length=MAX_STEPS)]

    def document(self) -> bytes:
        """The canonical bytes that are stored."""
        return self._document

    def hash(self) -> str:
        """`plan_hash`: the digest of the header."""
        return self._hash

    def by_hash(self) -> Mapping[str, Step]:
        """Steps by step hash."""
        return self._by_hash

    @cached_property
    def _header(self) -> bytes:
        return canonical(self.header.model_dump(mode="json"))

    @cached_property
    def _document(self) -> bytes:
        # Joined from its parts, which are hashed one by one: nothing is written out twice.
        steps = b",".join(step.canonical() for step in self.steps)
        return b'{"header":' + self._header + b',"steps":[' + steps + b"]}"

    @cached_property
    def _hash(self) -> str:
        return digest(self._header)

    @cached_property
    def _by_hash(self) -> Mapping[str, Step]:
        return MappingProxyType({step.hash(): step for step in self.steps})

    def targets(self) -> tuple[str, ...]:
        """All targets, each once, in order of first use."""
        return tuple(dict.fromkeys(step.target for step in self.steps))

    def changed(self) -> tuple[str, ...]:
        """The targets that are written to, each once, in order of first use."""
        return self._changed

    @cached_property
    def _changed(self) -> tuple[str, ...]:
        writes = (step.target for step in self.steps if step.category is not Category.READ)
        return tuple(dict.fromkeys(writes))

    @classmethod
    def read(cls, document: bytes, *, plan_hash: str) -> Plan:
        """Read a stored plan and verify it against the hash that was approved.

        Raises:
            Malformed: not a plan, not canonical, another plan's hash, or steps that the header
                does not list.
        """
        try:
            plan = cls.model_validate_json(document)
        except ValidationError as error:
            raise Malformed(f"the stored plan is no plan: {error.error_count()} errors") from error
        if plan.document() != document:
            raise Malformed("the stored plan is not in canonical form")
        if plan.hash() != plan_hash:
            raise Malformed(f"the stored plan hashes to {plan.hash()}, not to {plan_hash}")
        listed = [step for phase in plan.header.phases for step in phase.steps]
        if [step.hash() for step in plan.steps] != listed:
            raise Malformed("the steps are not those that the header lists")
        if len({step.id for step in plan.steps}) != len(plan.steps):
            raise Malformed("two steps share an id")
        return plan


def seal(plan: Plan) -> tuple[str, str, bytes]:
    """Hash and serialise a plan: `(plan_hash, document_digest, document)`."""
    return plan.hash(), digest(plan.document()), plan.document()
