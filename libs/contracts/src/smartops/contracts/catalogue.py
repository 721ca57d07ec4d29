"""Who says what, and who reacts: every event and command with its deciding service and handlers.

The provisioner's filters, the users' permissions and the append's categories are all derived from
this page, so they cannot disagree with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from smartops.contracts import commands as c
from smartops.contracts import events as e
from smartops.contracts.wire import CommandData, EventData

__all__ = [
    "AUDIT",
    "COMMANDS",
    "EVENTS",
    "GATEWAY",
    "HANDLERS",
    "PLANNER",
    "POLICY",
    "RUNNER",
    "SERVICES",
    "CommandSpec",
    "EventSpec",
    "HandlerSpec",
    "categories_of",
    "families",
    "handler",
    "newest",
    "topics_of",
]

PLANNER = "planner"
POLICY = "policy"
RUNNER = "runner"
GATEWAY = "tool_gateway"
AUDIT = "audit"

SERVICES = (PLANNER, POLICY, RUNNER, GATEWAY, AUDIT)
"""In the order in which work meets them."""


@dataclass(frozen=True, slots=True)
class EventSpec:
    """An event and the services that may say it, each in its own category of streams."""

    data: type[EventData]
    decided_by: Mapping[str, str]
    """Service to stream category; empty for events that exist on the bus only."""
    said_by: tuple[str, ...] = ()
    """Publishers of bus-only events."""
    published: bool = True
    """False for notes that are read from the log only, mostly by their own service and audit."""

    @property
    def publishers(self) -> tuple[str, ...]:
        """The services that publish it."""
        return (tuple(self.decided_by) or self.said_by) if self.published else ()


@dataclass(frozen=True, slots=True)
class CommandSpec:
    """A command and the one service that decides it."""

    data: type[CommandData]
    service: str


@dataclass(frozen=True, slots=True)
class HandlerSpec:
    """A reaction of a service: one durable consumer, one inbox, one low-water mark."""

    name: str
    """`service.reaction`; the durable is the same with a dash."""
    service: str
    events: tuple[type[EventData], ...] = ()
    """In every version: old ones stand in the log, and may still be on their way."""
    commands: tuple[type[CommandData], ...] = ()
    party: str | None = None
    """For tool calls: only those of this requester."""
    concurrency: int = 64
    """Messages in work at once."""
    hot: bool = False
    """An event that every task meets: taken straight from the pull loop, past the framework."""
    topics: tuple[str, ...] = field(init=False, default=())

    def __post_init__(self) -> None:
        object.__setattr__(self, "topics", tuple(event.type_key() for event in self.events))

    @property
    def durable(self) -> str:
        """The JetStream consumer's name."""
        return self.name.replace(".", "-")


def _said(category: str, service: str, *events: type[EventData]) -> Iterable[EventSpec]:
    return (EventSpec(event, MappingProxyType({service: category})) for event in events)


_ALL = (
    *_said(
        "task",
        PLANNER,
        e.TaskSubmitted,
        e.TaskSpecified,
        e.TaskEvidenceAttached,
        e.TaskPlanned,
        e.TaskReopened,
    ),
    EventSpec(e.TaskFailed, MappingProxyType({PLANNER: "task", RUNNER: "run"})),
    EventSpec(e.ToolCallRequested, MappingProxyType({PLANNER: "task", RUNNER: "run"})),
    *_said(
        "gate",
        POLICY,
        e.TaskPlanValidatedV1,
        e.TaskPlanValidated,
        e.TaskPlanRefusedV1,
        e.TaskPlanRefused,
        e.TaskApprovalRequiredV1,
        e.TaskApprovalRequired,
        e.TaskApprovalRecordedV1,
        e.TaskApprovalRecordedV2,
        e.TaskApprovalRecordedV3,
        e.TaskApprovalRecorded,
        e.TaskApprovalGrantedV1,
        e.TaskApprovalGrantedV2,
        e.TaskApprovalGrantedV3,
        e.TaskApprovalGranted,
        e.TaskApprovalReminded,
        e.TaskApprovalEscalated,
        e.TaskBreakGlassUsed,
        e.TaskApprovalRejectedV1,
        e.TaskApprovalRejected,
        e.TaskPlanEditAccepted,
        e.TaskPlanSuperseded,
        e.TaskPlanReturned,
        e.TaskApprovalExpired,
        e.TaskGrantRevoked,
        e.TaskCancelRequested,
        e.TaskHalted,
    ),
    EventSpec(e.TaskCancelled, MappingProxyType({POLICY: "gate", RUNNER: "run"})),
    *_said("actor", POLICY, e.ActorMapped, e.ActorDelegated, e.ActorDelegationEnded),
    *_said("standing", POLICY, e.StandingGiven, e.StandingUsed, e.StandingRevoked),
    *_said(
        "bundle",
        POLICY,
        e.PolicyBundleProposed,
        e.PolicyBundleSigned,
        e.PolicyBundleActivatedV1,
        e.PolicyBundleActivated,
        e.PolicyBundleShadowed,
    ),
    EventSpec(e.PolicyShadowCompared, MappingProxyType({POLICY: "bundle"}), published=False),
    *_said("autonomy", POLICY, e.AutonomyChangedV1, e.AutonomyChanged, e.AutonomyDefaultSet),
    EventSpec(e.TrackNoted, MappingProxyType({POLICY: "track"}), published=False),
    *_said(
        "run",
        RUNNER,
        e.TaskStarted,
        e.TaskPhaseStarted,
        e.TaskComputationRequested,
        e.TaskComputationEnded,
        e.TaskBatchCompleted,
        e.TaskHealthCheckedV1,
        e.TaskHealthChecked,
        e.TaskConditionChecked,
        e.TaskPhaseCompleted,
        e.TaskWaiting,
        e.TaskStopping,
        e.TaskPaused,
        e.TaskResumed,
        e.TaskRollbackStarted,
        e.TaskRolledBackV1,
        e.TaskRolledBack,
        e.TaskCompleted,
        e.TaskEscalated,
        e.TaskPreconditionsStale,
    ),
    *(
        EventSpec(data, MappingProxyType({RUNNER: category}), published=False)
        for data, category in (
            (e.TaskStepSettledV1, "run"),
            (e.TaskStepSettled, "run"),
            (e.TaskStepWithheld, "run"),
            (e.TaskConditionBound, "run"),
            (e.TargetClaimed, "target"),
            (e.TargetReleased, "target"),
        )
    ),
    *(
        EventSpec(data, MappingProxyType({GATEWAY: "limit"}), published=False)
        for data in (e.LimitLeased, e.LimitReturned)
    ),
    *_said(
        "call",
        GATEWAY,
        e.ToolCallDeniedV1,
        e.ToolCallDeniedV2,
        e.ToolCallDenied,
        e.ToolCallDispatchedV1,
        e.ToolCallDispatched,
        e.ToolCallCompletedV1,
        e.ToolCallCompleted,
        e.ToolCallFailedV1,
        e.ToolCallFailed,
        e.ToolCallUncertain,
        e.ToolCallSettledV1,
        e.ToolCallSettled,
    ),
    *_said("tool", GATEWAY, e.ToolRegisteredV1, e.ToolRegistered),
    *(
        EventSpec(
            data, MappingProxyType({PLANNER: "cmd", POLICY: "cmd", RUNNER: "cmd", GATEWAY: "cmd"})
        )
        for data in (e.CommandRefusedV1, e.CommandRefused)
    ),
    EventSpec(e.CommandAnswered, MappingProxyType({POLICY: "cmd"})),
    EventSpec(
        e.ParkedRetried,
        MappingProxyType({PLANNER: "cmd", POLICY: "cmd", RUNNER: "cmd", GATEWAY: "cmd"}),
    ),
    *_said("cmd", GATEWAY, e.PiiRevealed, e.PiiErased),
    EventSpec(e.AuditAppended, MappingProxyType({}), (AUDIT,)),
)

EVENTS: Mapping[str, EventSpec] = MappingProxyType({spec.data.type_key(): spec for spec in _ALL})
"""Every version of every event, by `name.vN`."""

COMMANDS: Mapping[str, CommandSpec] = MappingProxyType(
    {
        data.type_key(): CommandSpec(data, service)
        for service, members in (
            (PLANNER, (c.IntentSubmit, c.PlannerParkedRetry)),
            (
                POLICY,
                (
                    c.ApprovalDecideV1,
                    c.ApprovalDecideV2,
                    c.ApprovalDecide,
                    c.PlanEdit,
                    c.AutonomyRaise,
                    c.AutonomyLower,
                    c.ApprovalBreakGlass,
                    c.ApprovalDelegate,
                    c.DelegationRevoke,
                    c.StandingGive,
                    c.StandingRevoke,
                    c.TaskCancel,
                    c.GrantRevoke,
                    c.RunHalt,
                    c.BundlePropose,
                    c.BundleSign,
                    c.BundleActivate,
                    c.BundleShadow,
                    c.PolicyParkedRetry,
                ),
            ),
            (RUNNER, (c.RunPause, c.RunResume, c.RunnerParkedRetry)),
            (GATEWAY, (c.CallSettle, c.CallReveal, c.PiiErase, c.GatewayParkedRetry)),
        )
        for data in members
    }
)
"""Every command, by `name.vN`."""

_OUTCOMES = (
    e.ToolCallDeniedV1,
    e.ToolCallDeniedV2,
    e.ToolCallDenied,
    e.ToolCallCompletedV1,
    e.ToolCallCompleted,
    e.ToolCallFailedV1,
    e.ToolCallFailed,
    e.ToolCallUncertain,
    e.ToolCallSettledV1,
    e.ToolCallSettled,
)

HANDLERS: tuple[HandlerSpec, ...] = (
    HandlerSpec("planner.intents", PLANNER, commands=(c.IntentSubmit,)),
    HandlerSpec("planner.evidence", PLANNER, events=_OUTCOMES, party=PLANNER),
    HandlerSpec("planner.incidents", PLANNER, events=(e.TaskBreakGlassUsed,)),
    HandlerSpec(
        "planner.replans",
        PLANNER,
        events=(
            e.TaskPlanEditAccepted,
            e.TaskApprovalRejectedV1,
            e.TaskApprovalRejected,
            e.TaskPlanSuperseded,
        ),
    ),
    HandlerSpec("policy.plans", POLICY, events=(e.TaskPlanned,), hot=True),
    HandlerSpec(
        "policy.breaches",
        POLICY,
        events=(e.ToolCallDeniedV1, e.ToolCallDeniedV2, e.ToolCallDenied),
        party=RUNNER,
    ),
    HandlerSpec("policy.conditions", POLICY, events=(e.TaskConditionChecked,)),
    # Off every task's way to its end: what it notes is for the next one.
    HandlerSpec(
        "policy.outcomes",
        POLICY,
        events=(
            e.TaskCompleted,
            e.TaskRolledBackV1,
            e.TaskRolledBack,
            e.TaskFailed,
            e.TaskEscalated,
            e.TaskApprovalRejectedV1,
            e.TaskApprovalRejected,
            e.TaskGrantRevoked,
        ),
        concurrency=256,
        hot=True,
    ),
    HandlerSpec("policy.autonomy", POLICY, commands=(c.AutonomyRaise, c.AutonomyLower)),
    HandlerSpec(
        "policy.bundles",
        POLICY,
        commands=(c.BundlePropose, c.BundleSign, c.BundleActivate, c.BundleShadow),
        concurrency=4,
    ),
    HandlerSpec(
        "policy.decisions",
        POLICY,
        commands=(c.ApprovalDecideV1, c.ApprovalDecideV2, c.ApprovalDecide),
    ),
    HandlerSpec("policy.edits", POLICY, commands=(c.PlanEdit,)),
    HandlerSpec("policy.preconditions", POLICY, events=(e.TaskPreconditionsStale,)),
    HandlerSpec("policy.returns", POLICY, events=(e.TaskPaused,)),
    HandlerSpec("policy.emergencies", POLICY, commands=(c.ApprovalBreakGlass,)),
    HandlerSpec(
        "policy.mandates",
        POLICY,
        commands=(c.ApprovalDelegate, c.DelegationRevoke, c.StandingGive, c.StandingRevoke),
    ),
    HandlerSpec("policy.controls", POLICY, commands=(c.TaskCancel, c.GrantRevoke, c.RunHalt)),
    HandlerSpec(
        "runner.grants",
        RUNNER,
        events=(
            e.TaskApprovalGrantedV1,
            e.TaskApprovalGrantedV2,
            e.TaskApprovalGrantedV3,
            e.TaskApprovalGranted,
        ),
        hot=True,
    ),
    HandlerSpec("runner.calls", RUNNER, events=_OUTCOMES, party=RUNNER, hot=True),
    HandlerSpec(
        "runner.gate",
        RUNNER,
        events=(e.TaskGrantRevoked, e.TaskCancelRequested, e.TaskHalted),
    ),
    HandlerSpec("runner.controls", RUNNER, commands=(c.RunPause, c.RunResume)),
    # Each is a child process that may compute for seconds.
    HandlerSpec("runner.computations", RUNNER, events=(e.TaskComputationRequested,), concurrency=2),
    HandlerSpec(
        "tool_gateway.calls", GATEWAY, events=(e.ToolCallRequested,), concurrency=128, hot=True
    ),
    HandlerSpec("tool_gateway.stops", GATEWAY, events=(e.TaskStopping,)),
    HandlerSpec("tool_gateway.settlements", GATEWAY, commands=(c.CallSettle,)),
    HandlerSpec("tool_gateway.privacy", GATEWAY, commands=(c.CallReveal, c.PiiErase)),
    *(
        HandlerSpec(f"{service}.parked", service, commands=(retry,), concurrency=4)
        for service, retry in (
            (PLANNER, c.PlannerParkedRetry),
            (POLICY, c.PolicyParkedRetry),
            (RUNNER, c.RunnerParkedRetry),
            (GATEWAY, c.GatewayParkedRetry),
        )
    ),
)
"""Every reaction to a message. Timers and sweeps name the same handlers."""


def handler(name: str) -> HandlerSpec:
    """The handler called `name`.

    Raises:
        KeyError: there is none.
    """
    for spec in HANDLERS:
        if spec.name == name:
            return spec
    raise KeyError(name)


_NEWEST = {
    spec.data.topic: spec.data
    for spec in sorted(EVENTS.values(), key=lambda s: s.data.schema_version)
}


def newest(model: type[EventData]) -> type[EventData]:
    """The newest version of an event."""
    return _NEWEST[model.topic]


def topics_of(service: str) -> tuple[str, ...]:
    """The topics (without version) that a service publishes."""
    return tuple(
        sorted({spec.data.topic for spec in EVENTS.values() if service in spec.publishers})
    )


def categories_of(service: str) -> tuple[str, ...]:
    """The stream categories that a service may append to."""
    return tuple(
        sorted({spec.decided_by[service] for spec in EVENTS.values() if service in spec.decided_by})
    )


def families() -> tuple[str, ...]:
    """The first tokens of all topics."""
    return tuple(sorted({spec.data.topic.partition(".")[0] for spec in EVENTS.values()}))
