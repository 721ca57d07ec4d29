"""Histories of tasks as the services write them: real events, appended through the real store."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal
from uuid import UUID, uuid4

from smartops.contracts.canonical import digest
from smartops.contracts.catalogue import EVENTS, GATEWAY, PLANNER, POLICY, RUNNER
from smartops.contracts.commands import IntentContext
from smartops.contracts.editing import Edit
from smartops.contracts.events import (
    UNASKED,
    ActorDelegated,
    ActorDelegationEnded,
    ActorMapped,
    Approval,
    CallFacts,
    Decided,
    DenialReason,
    PlanProblem,
    PolicyInForce,
    StalePrecondition,
    StandingGiven,
    StandingUsed,
    TargetClaimed,
    TargetReleased,
    TaskApprovalEscalated,
    TaskApprovalExpired,
    TaskApprovalGranted,
    TaskApprovalRecorded,
    TaskApprovalRejected,
    TaskApprovalReminded,
    TaskApprovalRequired,
    TaskBreakGlassUsed,
    TaskCancelled,
    TaskCancelRequested,
    TaskCompleted,
    TaskEscalated,
    TaskFailed,
    TaskGrantRevoked,
    TaskHalted,
    TaskHealthChecked,
    TaskPaused,
    TaskPhaseCompleted,
    TaskPhaseStarted,
    TaskPlanEditAccepted,
    TaskPlanned,
    TaskPlanRefused,
    TaskPlanSuperseded,
    TaskPlanValidated,
    TaskPreconditionsStale,
    TaskResumed,
    TaskRollbackStarted,
    TaskRolledBack,
    TaskSpec,
    TaskSpecified,
    TaskStarted,
    TaskStepSettled,
    TaskStopping,
    TaskSubmitted,
    ToolCallCompleted,
    ToolCallDenied,
    ToolCallDeniedV1,
    ToolCallDispatched,
    ToolCallRequested,
    ToolCallSettled,
    ToolCallUncertain,
    ToolRegistered,
    TrackNoted,
    TrackTotals,
)
from smartops.contracts.ids import actor_id, call_id, command_key, principal, run_id, task_id
from smartops.contracts.plan import AgentRef, Requester
from smartops.contracts.standing import StandingClass
from smartops.contracts.streams import stream
from smartops.contracts.subjects import Subjects
from smartops.contracts.wire import Environment, EventData, Idempotence, Purpose, RiskLevel
from smartops.eventstore.chain import GENESIS, chain_hash
from smartops.eventstore.results import Committed
from smartops.eventstore.rows import StoredRow
from smartops.eventstore.store import EventStore
from smartops.eventstore.units import NewEvent, Trigger, Unit, Write
from smartops.runtime.recording import Cause, Recorder
from support.registered import REGISTERED

__all__ = [
    "OPERATOR",
    "SERVICES",
    "Said",
    "Story",
    "append",
    "log_of",
    "many",
    "ops_task",
    "populate",
    "registered",
]

SERVICES = (PLANNER, POLICY, RUNNER, GATEWAY)
OPERATOR = principal("local", "operator")
_SUBJECTS = Subjects()
_RECORDERS = {service: Recorder(service, _SUBJECTS) for service in SERVICES}
_DIGEST = digest(b"anything")


@dataclass(frozen=True)
class Said:
    """One unit: what a service writes to one stream."""

    service: str
    stream: str
    events: tuple[EventData, ...]
    blobs: tuple[bytes, ...] = ()


@dataclass
class Story:
    """A task, told service by service. Each method adds what one service says at one time."""

    tenant: str
    name: str
    said: list[Said] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.task = task_id(command_key(self.tenant, OPERATOR, "intent.submit", self.name))
        self.run = run_id(self.task, 1, 1)
        self.document = f'{{"plan of":"{self.tenant}/{self.name}"}}'.encode()
        self.assessment = f'{{"assessment of":"{self.tenant}/{self.name}"}}'.encode()
        self.plan_hash = digest(self.document + b"header")
        self.approver = Approval(
            actor=actor_id(self.tenant, "ada"),
            actor_name="Ada",
            principal=principal("local", "approver"),
            authtype="local",
            actor_version=1,
        )

    def add(self, service: str, *events: EventData, blobs: tuple[bytes, ...] = ()) -> Story:
        spec = EVENTS[events[0].type_key()]
        category = spec.decided_by[service]
        ident: object = {
            "task": self.task,
            "gate": self.task,
            "run": self.run,
            "call": getattr(events[0], "call", None),
            "target": f"production/{getattr(events[0], 'target', None)}",
            "actor": getattr(events[0], "actor", None),
            "standing": getattr(events[0], "standing", None),
            "tool": "noop",
            "track": "noop/1.0.0/production",
        }[category]
        name = stream(self.tenant, category, ident)
        self.said.append(Said(service, name, events, blobs))
        return self

    def submitted(self, intent: str = "Fix drift on production web servers") -> Story:
        return self.add(
            PLANNER,
            TaskSubmitted(
                intent=intent,
                environment=Environment.PRODUCTION,
                context=IntentContext(),
                source="api",
                tags=("drift", "web"),
                requester=Requester(principal=OPERATOR, authtype="local"),
                command=command_key(self.tenant, OPERATOR, "intent.submit", self.name),
                content=_DIGEST,
            ),
            TaskSpecified(
                spec=TaskSpec(
                    task_type="drift",
                    goal=intent,
                    agent=AgentRef(name="noop", version="1"),
                    environment=Environment.PRODUCTION,
                    risk_level=RiskLevel.HIGH,
                    hitl_required=True,
                )
            ),
        )

    def planned(self, number: int = 1) -> Story:
        return self.add(
            PLANNER,
            TaskPlanned(
                number=number,
                plan_hash=self.plan_hash,
                document=digest(self.document),
                type="runbook",
                summary="Three steps",
                environment=Environment.PRODUCTION,
                targets=1,
                steps=3,
            ),
            blobs=(self.document,),
        )

    def refused(self) -> Story:
        problem = PlanProblem(stage="safety", rule="too_wide", message="a third of the fleet")
        return self.add(
            POLICY,
            TaskPlanRefused(
                number=1, plan_hash=self.plan_hash, problems=(problem,), bundle=_DIGEST, engine="e"
            ),
        )

    def validated(self, *, requires_approval: bool = True) -> TaskPlanValidated:
        return TaskPlanValidated(
            number=1,
            plan_hash=self.plan_hash,
            document=digest(self.document),
            assessment_hash=digest(self.assessment),
            rules=("production",),
            bundle=_DIGEST,
            engine="e",
            requires_approval=requires_approval,
        )

    def granted_event(self, *, automatic: bool = False) -> TaskApprovalGranted:
        return TaskApprovalGranted(
            number=1,
            plan_hash=self.plan_hash,
            document=digest(self.document),
            assessment_hash=digest(self.assessment),
            grant=1,
            run=self.run,
            environment=Environment.PRODUCTION,
            automatic=automatic,
            approvals=() if automatic else (self.approver,),
            bundle=_DIGEST,
            expires_at=datetime(2030, 1, 1, tzinfo=UTC),
            envelope=None,
        )

    def asked(self) -> Story:
        required = TaskApprovalRequired(
            number=1,
            plan_hash=self.plan_hash,
            document=digest(self.document),
            assessment_hash=digest(self.assessment),
            environment=Environment.PRODUCTION,
            summary="Three steps",
            risk_level=RiskLevel.MEDIUM,
            role="approver",
            roles=("approver",),
            quorum=1,
            requester=OPERATOR,
            reasons=("production",),
            expires_at=datetime(2030, 1, 1, tzinfo=UTC),
        )
        return self.add(POLICY, self.validated(), required, blobs=(self.assessment,))

    def let_run_by_itself(self) -> Story:
        events = (self.validated(requires_approval=False), self.granted_event(automatic=True))
        return self.add(POLICY, *events, blobs=(self.assessment,))

    def voice(self, decision: str, note: str = "") -> TaskApprovalRecorded:
        return TaskApprovalRecorded(
            number=1,
            plan_hash=self.plan_hash,
            assessment_hash=digest(self.assessment),
            decision=decision,
            by=self.approver,
            note=note,
        )

    def approved(self) -> Story:
        return self.add(POLICY, self.voice("approve", "looks right"), self.granted_event())

    def rejected(self) -> Story:
        return self.add(
            POLICY,
            self.voice("reject", "not today"),
            TaskApprovalRejected(
                number=1,
                plan_hash=self.plan_hash,
                by=self.approver,
                note="not today",
                then="archive",
            ),
        )

    def rejected_to_be_planned_anew(self) -> Story:
        said = TaskApprovalRejected(
            number=1, plan_hash=self.plan_hash, by=self.approver, note="smaller", then="replan"
        )
        return self.add(POLICY, self.voice("reject", "smaller"), said)

    def overlooked(self) -> Story:
        told = {
            "number": 1,
            "plan_hash": self.plan_hash,
            "voices": 0,
            "quorum": 1,
            "left_ms": 1000,
            "late_ms": 0,
        }
        reminded = TaskApprovalReminded(**told, prompt=0, roles=("approver",))
        escalated = TaskApprovalEscalated(
            **told, prompt=1, role="duty-manager", roles=("approver", "duty-manager")
        )
        return self.add(POLICY, reminded, escalated)

    def glass_broken(self) -> Story:
        used = TaskBreakGlassUsed(
            number=1,
            plan_hash=self.plan_hash,
            by=self.approver,
            justification="nobody else is awake",
            environment=Environment.PRODUCTION,
            summary="Three steps",
            risk_level=RiskLevel.MEDIUM,
            requester=OPERATOR,
            grant=1,
            run=self.run,
            quorum=2,
            voices=(),
        )
        granted = self.granted_event().model_copy(update={"break_glass": True})
        return self.add(POLICY, used, granted)

    def let_run_beforehand(self) -> Story:
        granted = self.granted_event().model_copy(update={"standing": self.run})
        events = (self.validated(), self.voice("approve", "given beforehand"), granted)
        return self.add(POLICY, *events, blobs=(self.assessment,))

    def agreed_beforehand(self) -> Story:
        ada = self.approver
        delegated = ActorDelegated(
            delegation=self.task,
            actor=ada.actor,
            name=ada.actor_name,
            principal=ada.principal,
            to=self.run,
            to_name="ben",
            roles=("approver",),
            environments=(Environment.STAGING,),
            until=datetime(2030, 1, 1, tzinfo=UTC),
            reason="on leave",
        )
        ended = ActorDelegationEnded(
            delegation=self.task, actor=ada.actor, principal=ada.principal, reason="back"
        )
        given = StandingGiven(
            standing=self.run,
            by=ada,
            plans=StandingClass(
                agent="drift",
                tools=("apply_patch",),
                environments=(Environment.STAGING,),
                max_targets=5,
                max_risk_level=RiskLevel.MEDIUM,
            ),
            max_uses=2,
            until=datetime(2030, 1, 1, tzinfo=UTC),
            reason="nightly",
        )
        used = StandingUsed(
            standing=self.run,
            use=1,
            task=self.task,
            number=1,
            plan_hash=self.plan_hash,
            grant=1,
            run=self.run,
        )
        return self.add(POLICY, delegated, ended).add(POLICY, given, used)

    def edited(self) -> Story:
        edit = Edit(exclude=("web-01",))
        said = TaskPlanEditAccepted(
            number=1, plan_hash=self.plan_hash, by=self.approver, edit=edit, reason="carefully"
        )
        return self.add(POLICY, said, self.superseded_event("edited"))

    def superseded_event(
        self, because: Literal["edited", "stale"], then: Literal["replan", "end"] = "replan"
    ) -> TaskPlanSuperseded:
        return TaskPlanSuperseded(
            number=1, plan_hash=self.plan_hash, because=because, then=then, detail="it changed"
        )

    def gone_stale(self) -> Story:
        one = StalePrecondition(
            place=0,
            tool="get_asset",
            target="web-01",
            arguments={},
            expected=_DIGEST,
            found=_DIGEST,
            call=self.task,
        )
        said = TaskPreconditionsStale(
            task=self.task,
            run=self.run,
            number=1,
            plan_hash=self.plan_hash,
            grant=1,
            stale=(one,),
        )
        self.add(RUNNER, said)
        return self.add(POLICY, self.superseded_event("stale"))

    def unasked(self) -> Story:
        problem = PlanProblem(stage="schema", rule=UNASKED, message="nobody asked for plan 2")
        refused = TaskPlanRefused(
            number=2, plan_hash=self.plan_hash, problems=(problem,), bundle=_DIGEST, engine="e"
        )
        self.planned(2)
        return self.add(POLICY, refused)

    def expired(self) -> Story:
        return self.add(POLICY, TaskApprovalExpired(number=1, plan_hash=self.plan_hash, late_ms=12))

    def by_person(self, kind: Callable[..., EventData], **more: object) -> Story:
        return self.add(POLICY, kind(principal=OPERATOR, reason="a person says so", **more))

    def revoked(self) -> Story:
        return self.by_person(TaskGrantRevoked, grant=1, run=self.run)

    def halted(self) -> Story:
        return self.by_person(TaskHalted, run=self.run)

    def cancel_requested(self) -> Story:
        return self.by_person(TaskCancelRequested, run=self.run)

    def cancelled_at_the_gate(self) -> Story:
        asked = TaskCancelRequested(principal=OPERATOR, reason="never mind")
        return self.add(POLICY, asked, TaskCancelled(task=self.task, reason="never mind"))

    @property
    def of_run(self) -> dict[str, UUID]:
        return {"task": self.task, "run": self.run}

    def started(self) -> Story:
        claim = TargetClaimed(**self.of_run, environment=Environment.PRODUCTION, target=self.target)
        self.add(RUNNER, claim)
        return self.add(
            RUNNER,
            TaskStarted(
                **self.of_run,
                number=1,
                plan_hash=self.plan_hash,
                document=digest(self.document),
                grant=1,
                environment=Environment.PRODUCTION,
                phases=("canary",),
                claims=(self.target,),
            ),
            TaskPhaseStarted(
                **self.of_run, phase=0, name="canary", steps=3, targets=(self.target,)
            ),
            self.request(1),
        )

    @property
    def target(self) -> str:
        return f"web-{self.name}"

    def request(self, step: int, purpose: Purpose = Purpose.DO) -> ToolCallRequested:
        return ToolCallRequested(
            **self.of_run,
            call=self.call(step, purpose),
            purpose=purpose,
            tool="noop.step",
            version="1",
            target=self.target,
            question=f"canary/{step}/{self.target}",
            attempt=1,
            phase=0,
            step=_DIGEST,
        )

    def call(self, step: int, purpose: Purpose = Purpose.DO) -> UUID:
        return call_id(
            stream(self.tenant, "run", self.run), f"canary/{step}/{self.target}", purpose, 1
        )

    def facts(self, step: int) -> CallFacts:
        return CallFacts(
            **self.of_run,
            requester=RUNNER,
            requester_stream=stream(self.tenant, "run", self.run),
            request=uuid4(),
            purpose=Purpose.DO,
            tool="noop.step",
            version="1",
            schema_digest=_DIGEST,
            target=self.target,
            question=f"canary/{step}/{self.target}",
            attempt=1,
            phase=0,
            step=_DIGEST,
            arguments={"target": self.target, "retries": step},
            plan_hash=self.plan_hash,
            grant=1,
            approvers=(self.approver.actor,),
            policy=Decided(allow=True, rules=("granted",), bundle=_DIGEST, engine="e"),
        )

    def called(self, step: int) -> Story:
        return self.add(
            GATEWAY,
            ToolCallCompleted(
                call=self.call(step),
                facts=self.facts(step),
                output={"changed": True, "step": step},
                output_digest=_DIGEST,
                duration_ms=1.25,
            ),
        )

    def dispatched(self, step: int) -> Story:
        return self.add(
            GATEWAY,
            ToolCallDispatched(
                call=self.call(step),
                facts=self.facts(step),
                idempotence=Idempotence.OPAQUE,
                key=uuid4(),
                send=1,
                incarnation=uuid4(),
                deadline=datetime(2030, 1, 1, tzinfo=UTC),
                before={"version": 1},
            ),
        )

    def uncertain(self, step: int) -> Story:
        return self.add(
            GATEWAY,
            ToolCallUncertain(
                call=self.call(step),
                facts=self.facts(step),
                reason="the answer was lost",
                next="human",
                send=1,
            ),
        )

    def settled_by_person(self, step: int, *, applied: bool) -> Story:
        return self.add(
            GATEWAY,
            ToolCallSettled(
                **self.of_run,
                call=self.call(step),
                requester=RUNNER,
                requester_stream=stream(self.tenant, "run", self.run),
                applied=applied,
                by="person",
                note="looked at it",
            ),
        )

    def denied(self, step: int) -> Story:
        return self.add(
            GATEWAY,
            ToolCallDenied(
                **self.of_run,
                call=self.call(step),
                requester=RUNNER,
                requester_stream=stream(self.tenant, "run", self.run),
                request=uuid4(),
                purpose=Purpose.DO,
                tool="noop.step",
                target=self.target,
                question=f"canary/{step}/{self.target}",
                reason_code="denied",
                reasons=(
                    DenialReason(rule="freeze", message="a change freeze is on"),
                    DenialReason(rule="night", message="it is night"),
                ),
                policy=PolicyInForce(bundle=digest(b"bundle"), engine="regorus 1"),
                grant=1,
            ),
        )

    def denied_long_ago(self, step: int) -> Story:
        """As the first version of the event told it."""
        return self.add(
            GATEWAY,
            ToolCallDeniedV1(
                **self.of_run,
                call=self.call(step),
                requester=RUNNER,
                requester_stream=stream(self.tenant, "run", self.run),
                request=uuid4(),
                purpose=Purpose.DO,
                tool="noop.step",
                target=self.target,
                question=f"canary/{step}/{self.target}",
                reason_code="denied",
                rule="freeze",
                message="a change freeze is on",
            ),
        )

    def settled(self, step: int, outcome: str = "applied") -> TaskStepSettled:
        return TaskStepSettled(
            **self.of_run,
            call=self.call(step),
            purpose=Purpose.DO,
            question=f"canary/{step}/{self.target}",
            outcome=outcome,
        )

    def went_on(self, *events: EventData) -> Story:
        return self.add(RUNNER, *events)

    def three_steps(self) -> Story:
        self.started()
        for step in (1, 2):
            self.called(step).went_on(self.settled(step), self.request(step + 1))
        return self.called(3)

    def healthy(self, outcome: str = "healthy") -> TaskHealthChecked:
        return TaskHealthChecked(
            **self.of_run,
            phase=0,
            check=0,
            type="http_200",
            outcome=outcome,
            samples=3,
            failed=0,
            detail="3 of 3 samples healthy",
        )

    def completed(self) -> Story:
        self.went_on(
            self.settled(3),
            self.healthy(),
            TaskPhaseCompleted(**self.of_run, phase=0, name="canary", changed=3),
            TaskCompleted(**self.of_run, changed=1, calls=3),
        )
        return self.released()

    def released(self) -> Story:
        return self.add(
            RUNNER,
            TargetReleased(**self.of_run, environment=Environment.PRODUCTION, target=self.target),
        )

    def stopping(self, then: str = "pause") -> TaskStopping:
        return TaskStopping(**self.of_run, reason="stop it", then=then)

    def paused(self) -> Story:
        return self.went_on(self.stopping(), TaskPaused(**self.of_run, reason="stop it"))

    def resumed(self) -> Story:
        return self.went_on(TaskResumed(**self.of_run, principal=OPERATOR))

    def rolling_back(self, then: str = "rolled_back") -> Story:
        return self.went_on(
            self.stopping("roll_back"),
            TaskRollbackStarted(
                **self.of_run, reason="unhealthy", phase=0, undo=(self.call(1),), then=then
            ),
        )

    def rolled_back(self) -> Story:
        return self.went_on(TaskRolledBack(**self.of_run, reason="unhealthy", undone=1))

    def escalated(self) -> Story:
        return self.went_on(
            TaskEscalated(**self.of_run, reason="stuck", what_to_do="look at the target")
        )

    def failed(self, *, retryable: bool = False) -> Story:
        return self.went_on(
            self.stopping("roll_back"),
            TaskFailed(**self.of_run, error_code="step_refused", message="no", retryable=retryable),
        )

    def cancelled_by_the_runner(self, undone: int = 1) -> Story:
        return self.went_on(TaskCancelled(**self.of_run, reason="cancelled", undone=undone))

    def actor(self) -> Story:
        return self.add(
            POLICY,
            ActorMapped(
                actor=actor_id(self.tenant, "olga"),
                name="Olga Operator",
                principals=(OPERATOR,),
                roles=("operator",),
            ),
        )

    def noted(self) -> Story:
        """What policy notes of the agent's work, once its run has ended well."""
        totals = TrackTotals(
            tool="*",
            runs=1,
            succeeded=1,
            rolled_back=0,
            failed=0,
            escalated=0,
            rejected=0,
            approved=1,
            senior_approvals=0,
        )
        return self.add(
            POLICY,
            TrackNoted(
                agent="noop",
                agent_version="1.0.0",
                environment=Environment.PRODUCTION,
                number=1,
                outcome="completed",
                task=self.task,
                run=self.run,
                requester=OPERATOR,
                totals=(totals,),
                complete=True,
                recent="+",
                requesters=(OPERATOR,),
            ),
        )


def registered() -> Story:
    """A tool of the platform, registered once."""
    noop = REGISTERED["noop"]
    said = ToolRegistered(descriptor=noop, digest=noop.digest())
    return Story("_platform", "who").add(GATEWAY, said)


def ops_task(tenant: str, name: str) -> Story:
    """The yardstick: asked, approved, three steps, completed; 23 events."""
    return Story(tenant, name).submitted().planned().asked().approved().three_steps().completed()


def many(tenant: str) -> list[Story]:
    """One task of every kind of ending, and some that have not ended."""

    def begin(name: str) -> Story:
        return Story(tenant, name).submitted().planned()

    def running(name: str) -> Story:
        return begin(name).asked().approved().started()

    return [
        Story(tenant, "who").actor(),
        ops_task(tenant, "done").noted(),
        begin("automatic").let_run_by_itself().three_steps().completed(),
        Story(tenant, "new").submitted(),
        begin("draft"),
        begin("refused").refused(),
        running("failed").failed(),
        begin("waiting").asked(),
        begin("rejected").asked().rejected(),
        begin("expired").asked().expired(),
        begin("overlooked").asked().overlooked(),
        begin("glass").asked().overlooked().glass_broken(),
        begin("beforehand").let_run_beforehand().agreed_beforehand(),
        begin("gone").asked().cancelled_at_the_gate(),
        running("paused").paused(),
        running("resumed").paused().resumed(),
        running("revoked").revoked().paused(),
        running("denied").denied(1).paused(),
        running("once-denied").denied_long_ago(1).paused(),
        running("back").called(1).went_on(running("back").settled(1)).rolling_back().rolled_back(),
        running("cancelled").cancel_requested().rolling_back("cancelled").cancelled_by_the_runner(),
        running("halted").halted().escalated(),
        running("unsure").dispatched(1).uncertain(1).escalated(),
        running("settled").dispatched(1).uncertain(1).settled_by_person(1, applied=False),
    ]


def log_of(stories: Sequence[Story]) -> list[StoredRow]:
    """The rows that a log would hold: one unit after the other, with a sound chain."""
    rows: list[StoredRow] = []
    versions: dict[str, int] = {}
    heads: dict[str, tuple[int, bytes]] = {}
    start = datetime(2026, 8, 7, 9, 0, tzinfo=UTC)
    for story in stories:
        cause: UUID = story.task
        for unit in story.said:
            for event in _events(unit, versions.get(unit.stream, 0), cause, story, start):
                ordinal, previous = heads.get(story.tenant, (0, GENESIS))
                version = versions[unit.stream] = versions.get(unit.stream, 0) + 1
                row = StoredRow(
                    position=len(rows) + 1,
                    tenant=story.tenant,
                    ordinal=ordinal + 1,
                    stream=unit.stream,
                    version=version,
                    event_id=event.event_id,
                    topic=event.topic,
                    task=event.task,
                    cause=event.cause,
                    party=event.party,
                    state=event.state,
                    hash=b"",
                    recorded_at=start + timedelta(seconds=len(rows)),
                )
                row = row._replace(hash=chain_hash(previous, row))
                heads[story.tenant] = (ordinal + 1, row.hash)
                rows.append(row)
                cause = event.event_id
    return rows


def _events(
    unit: Said, version: int, cause: UUID, story: Story, now: datetime
) -> Sequence[NewEvent]:
    """A unit's events as the store takes them."""
    why = Cause(Trigger("test", cause), _correlation(story))
    return [
        _RECORDERS[unit.service].event(unit.stream, version + place, data, why, place - 1, now)
        for place, data in enumerate(unit.events, start=1)
    ]


async def append(stores: Mapping[str, EventStore], story: Story) -> None:
    """Append one task's units in order, each caused by the one before."""
    versions: dict[str, int] = {}
    cause = uuid4()
    for unit in story.said:
        store = stores[unit.service]
        version = versions.get(unit.stream, 0)
        events = _events(unit, version, cause, story, store.db_now())
        result = await store.append(
            Unit(
                triggers=[Trigger("test", cause)],
                writes=[Write(unit.stream, version, events)],
                blobs=unit.blobs,
            )
        )
        assert isinstance(result, Committed), result
        versions[unit.stream] = version + len(events)
        cause = events[-1].event_id


async def populate(
    stores: Mapping[str, EventStore], stories: Sequence[Story], *, at_once: int = 64
) -> None:
    """Append many tasks, side by side."""
    queue = iter(stories)
    chunks = iter(lambda: list(itertools.islice(queue, at_once)), [])
    for chunk in chunks:
        await asyncio.gather(*(append(stores, story) for story in chunk))


def _correlation(story: Story) -> UUID | None:
    return None if story.name == "who" else story.task
