"""A task's events as the services would write them, for tests of the client and the command."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from smartops.contracts import events as e
from smartops.contracts.bounds import Envelope
from smartops.contracts.canonical import canonical, digest, digest_of
from smartops.contracts.commands import IntentContext
from smartops.contracts.envelope import EventMeta, encode
from smartops.contracts.ids import principal
from smartops.contracts.plan import (
    AgentRef,
    Phase,
    Plan,
    PlanHeader,
    Precondition,
    Requester,
    Step,
    UndoTemplate,
    seal,
)
from smartops.contracts.wire import Category, Check, Environment, EventData, Purpose, RiskLevel
from smartops.sdk.event import Event

__all__ = ["BEGIN", "OPERATOR", "TASK", "Story", "assessment_of", "make_plan"]

TASK = UUID("3f2a91c4-0000-5000-8000-000000000001")
RUN = UUID("77777777-0000-5000-8000-000000000001")
BEGIN = datetime(2024, 5, 2, 9, 30, tzinfo=UTC)
OPERATOR = principal("local", "operator")
APPROVER = principal("local", "approver")
DIGEST = digest(b"")
VERSION = "2.4.1"


def make_plan(
    servers: int = 5, *, undoable: bool = True, summary: str = "Bring 5 web servers to 2.4.1"
) -> Plan:
    """A canary and a wave, each watched."""
    names = [f"web-{number:02}" for number in range(1, servers + 1)]
    undo = UndoTemplate(
        tool="fleet.set_version",
        version="1",
        arguments={"server": {"$before": "id"}, "version": {"$before": "version"}},
    )

    def step(phase: str, name: str) -> Step:
        return Step(
            id=f"{phase}/set_version/{name}",
            tool="fleet.set_version",
            version="1",
            schema_digest=DIGEST,
            category=Category.REVERSIBLE,
            target=name,
            arguments={"server": name, "version": VERSION},
            undo=undo if undoable else None,
        )

    canary, wave = [step("canary", names[0])], [step("wave", name) for name in names[1:]]
    checks = (
        Check(type="http_200", target="/health"),
        Check(type="error_rate", threshold="< 1%", window_ms=5000),
    )
    header = PlanHeader(
        task=TASK,
        number=1,
        tenant="acme",
        environment=Environment.PRODUCTION,
        type="drift_plan",
        agent=AgentRef(name="drift_agent", version="1.0.0"),
        requester=Requester(principal=OPERATOR, authtype="local"),
        goal="Fix drift on production web servers",
        summary=summary,
        evidence=(digest(b"inventory"), digest(b"golden")),
        preconditions=(
            Precondition(tool="fleet.golden", arguments={"role": "web"}, expect=DIGEST),
        ),
        total_assets=servers,
        phases=tuple(
            Phase(
                name=name,
                steps=tuple(one.hash() for one in steps),
                parallelism=4,
                checks=checks,
                rollback_if="error_rate > 1%",
            )
            for name, steps in (("canary", canary), ("wave", wave))
            if steps
        ),
    )
    return Plan(header=header, steps=(*canary, *wave))


def assessment_of(plan: Plan, **more: Any) -> bytes:
    """What policy would hash about it."""
    changed = len(plan.targets())
    values = {
        "schema_name": "smartops.assessment.v1",
        "plan_hash": plan.hash(),
        "risk_level": "high",
        "requires_approval": True,
        "reasons": [{"rule": "plan.production", "message": "production needs a person"}],
        "autonomy_level": 2,
        "blast_radius": {
            "environment": "production",
            "changed_assets": changed,
            "total_assets": plan.header.total_assets,
            "percent": 100,
            "largest_phase": changed - 1,
            "writes": changed,
            "irreversible_writes": 0,
        },
        "policy": {"bundle": DIGEST, "engine": "regorus 0.5", "input": DIGEST},
        **more,
    }
    return canonical(values)


@dataclass
class Story:
    """Makes events one after the other, a quarter of a second apart."""

    plan: Plan = field(default_factory=make_plan)
    task: UUID = TASK
    now: datetime = BEGIN
    events: list[Event] = field(default_factory=list)
    _versions: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.plan_hash, self.document_digest, self.document = seal(self.plan)
        self.assessment = assessment_of(self.plan)
        self.assessment_hash = digest(self.assessment)

    def say(
        self, data: EventData, *, stream: str = "", after: float = 0.25, cause: UUID | None = None
    ) -> Event:
        """Add an event."""
        self.now += timedelta(seconds=after)
        name = stream or f"acme/{self._category(data)}"
        version = self._versions[name] = self._versions.get(name, 0) + 1
        entity = data.call if hasattr(data, "call") else self.task
        number = len(self.events) + 1
        meta = EventMeta(
            id=uuid5(self.task, f"{name}/{version}"),
            tenant="acme",
            stream=name,
            version=version,
            entity=str(entity),
            task=self.task,
            cause=cause or uuid5(self.task, "cause"),
            party="-",
            time=self.now,
        )
        event = Event.read(encode(meta, data), position=number)
        self.events.append(event)
        return event

    def _category(self, data: EventData) -> str:
        if hasattr(data, "run") and not hasattr(data, "call") and data.run is not None:
            return f"run-{data.run}"
        if hasattr(data, "call"):
            return f"call-{data.call}"
        return f"task-{self.task}"

    # --- chapters

    def up_to_the_plan(self) -> Story:
        """Submitted, understood, evidence, planned."""
        requester = self.plan.header.requester
        self.say(
            e.TaskSubmitted(
                intent="Fix drift on production web servers",
                environment=Environment.PRODUCTION,
                context=IntentContext(),
                source="api",
                requester=requester,
                command=uuid5(self.task, "key"),
                content=DIGEST,
            )
        )
        self.say(
            e.TaskSpecified(
                spec=e.TaskSpec(
                    task_type="drift_remediation",
                    goal=self.plan.header.goal,
                    agent=self.plan.header.agent,
                    environment=Environment.PRODUCTION,
                    risk_level=RiskLevel.HIGH,
                    hitl_required=True,
                )
            )
        )
        self.call(Purpose.EVIDENCE, "fleet.inventory", "web")
        self.say(
            e.TaskEvidenceAttached(
                evidence=(
                    e.EvidenceRef(
                        digest=DIGEST,
                        kind="fleet.inventory",
                        summary="5 of 5 web servers run 2.3.9, golden is 2.4.1",
                        call=uuid5(self.task, "inventory"),
                        captured_at=self.now,
                    ),
                )
            )
        )
        self.say(
            e.TaskPlanned(
                number=1,
                plan_hash=self.plan_hash,
                document=self.document_digest,
                type="drift_plan",
                summary=self.plan.header.summary,
                environment=Environment.PRODUCTION,
                targets=len(self.plan.targets()),
                steps=len(self.plan.steps),
            )
        )
        return self

    def up_to_the_question(self) -> Story:
        """The gate asks a person."""
        self.up_to_the_plan()
        self._validated(requires_approval=True)
        self.say(
            e.TaskApprovalRequired(
                number=1,
                plan_hash=self.plan_hash,
                document=self.document_digest,
                assessment_hash=self.assessment_hash,
                environment=Environment.PRODUCTION,
                summary=self.plan.header.summary,
                risk_level=RiskLevel.HIGH,
                role="approver",
                roles=("approver",),
                quorum=1,
                requester=OPERATOR,
                reasons=("plan.production",),
                expires_at=self.now + timedelta(hours=1),
            ),
            after=0,
        )
        return self

    def approved(self, note: str = "change 4711") -> Story:
        """The person says yes."""
        voice = self.voice()
        self.say(
            e.TaskApprovalRecorded(
                number=1,
                plan_hash=self.plan_hash,
                assessment_hash=self.assessment_hash,
                decision="approve",
                by=voice,
                note=note,
            ),
            after=20,
        )
        return self.granted(voice)

    def granted(self, *voices: e.Approval) -> Story:
        """A grant, by policy itself when there are no voices."""
        if not voices:
            self._validated(requires_approval=False)
        self.say(
            e.TaskApprovalGranted(
                number=1,
                plan_hash=self.plan_hash,
                document=self.document_digest,
                assessment_hash=self.assessment_hash,
                grant=1,
                run=RUN,
                environment=Environment.PRODUCTION,
                automatic=not voices,
                approvals=voices,
                bundle=DIGEST,
                expires_at=self.now + timedelta(hours=1),
                envelope=Envelope(max_targets=1, max_calls=10),
            ),
            after=0,
            stream=f"acme/gate-{self.task}",
        )
        return self

    def started(self) -> Story:
        """The run begins."""
        self.say(
            e.TaskStarted(
                task=self.task,
                run=RUN,
                number=1,
                plan_hash=self.plan_hash,
                document=self.document_digest,
                grant=1,
                environment=Environment.PRODUCTION,
                phases=tuple(phase.name for phase in self.plan.header.phases),
                claims=self.plan.targets(),
            )
        )
        return self

    def phase(self, number: int, *, healthy: bool = True, fail: int = 0) -> Story:
        """A phase with its calls and samples; `fail` calls fail once and are repeated."""
        phase = self.plan.header.phases[number]
        steps = self.plan.by_hash()
        targets = tuple(steps[one].target for one in phase.steps)
        self.say(
            e.TaskPhaseStarted(
                task=self.task,
                run=RUN,
                phase=number,
                name=phase.name,
                steps=len(targets),
                targets=targets,
            )
        )
        for target in targets:
            if fail > 0:
                fail -= 1
                self.call(Purpose.DO, "fleet.set_version", target, outcome="failed")
                self.call(Purpose.DO, "fleet.set_version", target, attempt=2)
            else:
                self.call(Purpose.DO, "fleet.set_version", target)
        for _ in range(3):
            self.call(Purpose.OBSERVE, "fleet.probe", targets[0])
        self.say(
            e.TaskHealthChecked(
                task=self.task,
                run=RUN,
                phase=number,
                check=0,
                type="http_200",
                outcome="healthy" if healthy else "unhealthy",
                samples=3,
                failed=0 if healthy else 3,
                detail="3 of 3 samples healthy" if healthy else "0 of 3 samples healthy",
            )
        )
        if healthy:
            self.say(
                e.TaskPhaseCompleted(
                    task=self.task, run=RUN, phase=number, name=phase.name, changed=len(targets)
                )
            )
        return self

    def completed(self) -> Story:
        """The good end."""
        changed = len(self.plan.targets())
        self.say(e.TaskCompleted(task=self.task, run=RUN, changed=changed, calls=len(self.events)))
        return self

    def rolled_back(self) -> Story:
        """The canary fell ill."""
        reason = "http_200 is unhealthy in phase canary"
        self.say(e.TaskStopping(task=self.task, run=RUN, reason=reason, then="roll_back"))
        self.say(
            e.TaskRollbackStarted(
                task=self.task, run=RUN, reason=reason, phase=0, undo=(uuid5(self.task, "x"),)
            )
        )
        self.call(Purpose.UNDO, "fleet.set_version", "web-01")
        self.say(e.TaskRolledBack(task=self.task, run=RUN, reason=reason, undone=1))
        return self

    def call(
        self,
        purpose: Purpose,
        tool: str,
        target: str,
        *,
        outcome: str = "completed",
        attempt: int = 1,
    ) -> UUID:
        """A call, asked for and answered."""
        call = uuid5(self.task, f"{purpose}/{tool}/{target}/{attempt}/{len(self.events)}")
        question = f"{purpose}/{target}"
        self.say(
            e.ToolCallRequested(
                task=self.task,
                run=None if purpose is Purpose.EVIDENCE else RUN,
                call=call,
                purpose=purpose,
                tool=tool,
                version="1",
                target=target,
                question=question,
                attempt=attempt,
            ),
            after=0.01,
            stream=f"acme/run-{RUN}",
        )
        facts = e.CallFacts(
            task=self.task,
            requester="runner",
            requester_stream=f"acme/run-{RUN}",
            request=uuid5(call, "request"),
            purpose=purpose,
            tool=tool,
            version="1",
            schema_digest=DIGEST,
            target=target,
            question=question,
            attempt=attempt,
            arguments={},
            policy=e.Decided(allow=True, rules=("tool.read",), bundle=DIGEST, engine="regorus"),
        )
        match outcome:
            case "completed":
                said: EventData = e.ToolCallCompleted(
                    call=call, facts=facts, output={}, output_digest=digest_of({}), duration_ms=3
                )
            case "failed":
                said = e.ToolCallFailed(
                    call=call,
                    facts=facts,
                    error_code="busy",
                    message="the server is busy",
                    retryable=True,
                    duration_ms=3,
                )
            case _:
                said = e.ToolCallUncertain(
                    call=call, facts=facts, reason="no answer in 5 s", next="probe", send=1
                )
        self.say(said, after=0.05)
        return call

    def voice(self, name: str = "approver") -> e.Approval:
        """Somebody's voice."""
        return e.Approval(
            actor=uuid5(self.task, name),
            actor_name=name,
            principal=principal("local", name),
            authtype="local",
            actor_version=1,
        )

    def _validated(self, *, requires_approval: bool) -> None:
        self.say(
            e.TaskPlanValidated(
                number=1,
                plan_hash=self.plan_hash,
                document=self.document_digest,
                assessment_hash=self.assessment_hash,
                rules=("plan.production",) if requires_approval else ("plan.autonomy",),
                bundle=DIGEST,
                engine="regorus 0.5",
                requires_approval=requires_approval,
            )
        )
