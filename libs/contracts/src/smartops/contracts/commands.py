"""Every command. Imperative, because it may be refused.

Who commands, and for which tenant, stands in the subject; no payload repeats it.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field
from smartops.contracts.bounds import Limits, LimitsV1
from smartops.contracts.commands_approval import (
    SHORTEST_JUSTIFICATION,
    ApprovalBreakGlass,
    ApprovalDelegate,
    DelegationRevoke,
    StandingGive,
    StandingRevoke,
)
from smartops.contracts.commands_autonomy import AutonomyLower, AutonomyRaise
from smartops.contracts.commands_bundle import (
    BundleActivate,
    BundlePropose,
    BundleShadow,
    BundleSign,
)
from smartops.contracts.commands_editing import PlanEdit
from smartops.contracts.constraints import Constraints
from smartops.contracts.wire import (
    CommandData,
    Digest,
    Environment,
    JsonObject,
    LongText,
    ShortText,
    TargetName,
    ToolName,
    Wire,
)

__all__ = [
    "SHORTEST_JUSTIFICATION",
    "ApprovalBreakGlass",
    "ApprovalDecide",
    "ApprovalDecideV1",
    "ApprovalDecideV2",
    "ApprovalDelegate",
    "AutonomyLower",
    "AutonomyRaise",
    "BundleActivate",
    "BundlePropose",
    "BundleShadow",
    "BundleSign",
    "CallReveal",
    "CallSettle",
    "DelegationRevoke",
    "GatewayParkedRetry",
    "GrantRevoke",
    "IntentContext",
    "IntentSubmit",
    "ParkedRetry",
    "PiiErase",
    "PiiToken",
    "PlanEdit",
    "PlannerParkedRetry",
    "PolicyParkedRetry",
    "RunHalt",
    "RunPause",
    "RunResume",
    "RunnerParkedRetry",
    "Scope",
    "Source",
    "StandingGive",
    "StandingRevoke",
    "Tag",
    "TaskCancel",
    "WantedStep",
]

Source = Literal["chat", "api", "scheduled", "webhook"]
Tag = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9:_.-]{0,63}$")]


class Scope(Wire):
    """Which assets an intent is about."""

    role: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,62}$")] | None = None
    asset_ids: Annotated[tuple[TargetName, ...], Field(max_length=5000)] = ()
    """Empty: all assets of the role."""
    exclude_assets: Annotated[tuple[TargetName, ...], Field(max_length=5000)] = ()


class WantedStep(Wire):
    """One step of a runbook, as the requester spells it."""

    tool: ToolName
    target: TargetName
    arguments: JsonObject = Field(default_factory=dict)


class IntentContext(Wire):
    """What the requester knows beyond the sentence."""

    agent: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$")] | None = None
    """The agent to plan with; None lets the planner choose by the intent."""
    scope: Scope = Scope()
    steps: Annotated[tuple[WantedStep, ...], Field(max_length=1000)] = ()
    """For the runbook and noop agents."""
    approval: bool = False
    """Ask a person whatever policy says."""


class IntentSubmit(CommandData):
    """Ask for something to be done."""

    name: ClassVar[str] = "intent.submit"

    intent: Annotated[str, Field(min_length=5, max_length=2000)]
    environment: Environment = Environment.PRODUCTION
    source: Source = "api"
    tags: Annotated[tuple[Tag, ...], Field(max_length=20)] = ()
    context: IntentContext = IntentContext()


class ApprovalDecideV1(CommandData):
    """Approve or reject a plan, by the hashes that were seen."""

    name: ClassVar[str] = "approval.decide"

    task: UUID
    plan_hash: Digest
    assessment_hash: Digest
    decision: Literal["approve", "reject"]
    note: LongText = ""
    limits: LimitsV1 = LimitsV1()
    """How much of the plan is approved, where that is less than all of it."""


class ApprovalDecideV2(ApprovalDecideV1):
    """Approve or reject a plan, by the hashes that were seen, and say what comes after a no."""

    schema_version: ClassVar[int] = 2

    then: Literal["archive", "replan"] = "archive"
    """After a rejection: end the task, or have another plan written."""
    constraints: Constraints = Constraints()
    """What the next plan must keep to; with archive, for the record."""
    for_actor: UUID | None = None
    """Whose voice it is, where that one has handed it over; None: one's own."""


class ApprovalDecide(ApprovalDecideV2):
    """Approve or reject a plan, by the hashes that were seen, and say what comes after a no."""

    schema_version: ClassVar[int] = 3

    limits: Limits = Limits()
    """How much of the plan is approved, and while what holds, where that is less than all of it."""

    @classmethod
    def of(cls, told: ApprovalDecideV1) -> ApprovalDecide:
        """The same in the newest version: a rejection used to end the task."""
        if isinstance(told, cls):
            return told
        return cls(**{**dict(told), "limits": Limits.of(told.limits)})


class _AboutTask(CommandData):
    task: UUID
    reason: Annotated[str, Field(min_length=1, max_length=2000)]


class TaskCancel(_AboutTask):
    """End a task: what is reversible is taken back unless the changes are to be kept."""

    name: ClassVar[str] = "task.cancel"

    keep_changes: bool = False


class GrantRevoke(_AboutTask):
    """Take the current grant back."""

    name: ClassVar[str] = "grant.revoke"


class RunHalt(_AboutTask):
    """Emergency stop: nothing goes out any more, not even undo."""

    name: ClassVar[str] = "run.halt"


class RunPause(_AboutTask):
    """Let nothing more go out until resumed."""

    name: ClassVar[str] = "run.pause"


class RunResume(_AboutTask):
    """Go on after a pause."""

    name: ClassVar[str] = "run.resume"


class CallSettle(CommandData):
    """Say of a call whose answer was lost whether it was applied, having looked."""

    name: ClassVar[str] = "call.settle"

    call: UUID
    outcome: Literal["applied", "not_applied"]
    retry: bool = False
    """Not applied: the run may attempt the step again."""
    accept_double: bool = False
    """With `retry`: also while the process that sent it lives, and so might yet send it late."""
    note: Annotated[str, Field(min_length=1, max_length=2000)]
    """How one knows."""


PiiToken = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
"""Stands for a value of the vault: in a reference, or in a placeholder within a text."""


class CallReveal(CommandData):
    """Show what stands behind tokens, to the asker alone. It goes on record, the values do not."""

    name: ClassVar[str] = "call.reveal"

    tokens: Annotated[tuple[PiiToken, ...], Field(min_length=1, max_length=100)]
    task: UUID | None = None
    """Only what this task knows, and told in its history."""
    call: UUID | None = None
    """The call whose record was read, for the record."""
    recipient: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """X25519 public key, hex, of a pair made for this command: the answer is sealed to it."""
    reason: Annotated[str, Field(min_length=1, max_length=2000)]


class PiiErase(CommandData):
    """Delete values from the vault: those behind a token, all that a task knows, or what is both.

    One of the two must be given.
    """

    name: ClassVar[str] = "pii.erase"

    token: PiiToken | None = None
    task: UUID | None = None
    reason: Annotated[str, Field(min_length=1, max_length=2000)]


class _ParkedRetry(CommandData):
    """Give one parked trigger one more try. Decided by the service that parked it, under its name.

    Each service has a command of its own, since a command has one decider, told by its name.
    """

    handler: ShortText
    """Which reaction parked it, as in `v_parked`."""
    cause: UUID
    """The parked event's id, or the parked command's key."""
    reason: Annotated[str, Field(min_length=1, max_length=2000)]
    """Why it should succeed now."""


class PlannerParkedRetry(_ParkedRetry):
    """Give a trigger that the planner parked one more try."""

    name: ClassVar[str] = "parked.retry_planner"


class PolicyParkedRetry(_ParkedRetry):
    """Give a trigger that policy parked one more try."""

    name: ClassVar[str] = "parked.retry_policy"


class RunnerParkedRetry(_ParkedRetry):
    """Give a trigger that the runner parked one more try."""

    name: ClassVar[str] = "parked.retry_runner"


class GatewayParkedRetry(_ParkedRetry):
    """Give a trigger that the tool gateway parked one more try."""

    name: ClassVar[str] = "parked.retry_tool_gateway"


ParkedRetry = PlannerParkedRetry | PolicyParkedRetry | RunnerParkedRetry | GatewayParkedRetry
"""Whichever service it is for."""
