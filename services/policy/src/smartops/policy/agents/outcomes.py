"""What became of plans and runs: noted in the agent's record, and held against its level.

Note and fall are one unit, with the outcome's inbox row: so an outcome counts once, and no fall is
lost between them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from smartops.contracts.catalogue import GATEWAY
from smartops.contracts.events import (
    Approval,
    AutonomyChanged,
    TaskApprovalGranted,
    TaskApprovalRejected,
    TaskApprovalRequired,
    TaskCompleted,
    TaskEscalated,
    TaskFailed,
    TaskGrantRevoked,
    TaskRolledBack,
)
from smartops.contracts.events.track import TrackOutcome
from smartops.contracts.folds import AutonomyDefault, AutonomyView, TrackView, track_stream
from smartops.contracts.plan import Plan
from smartops.contracts.streams import parse_stream, stream
from smartops.contracts.wire import Category, EventData
from smartops.policy.agents.autonomy import Why, fall, step_down
from smartops.policy.agents.levels import Levels
from smartops.policy.agents.track import Outcome, note, recent_after
from smartops.policy.gate.bounds import envelope_of
from smartops.policy.gate.state import Gate
from smartops.policy.settings import PolicySettings
from smartops.runtime.cues import Cue
from smartops.runtime.decision import Decision, Elsewhere
from smartops.runtime.reactor import Reaction, Reactor, decode
from smartops.runtime.service import Service

__all__ = ["Anomaly", "Outcomes", "Told", "anomalous", "drawn_closer", "falls"]

E = TypeVar("E", bound=EventData)

_SENIOR = "senior-approver"
"""The role whose voice counts as a senior one."""


@dataclass(frozen=True, slots=True)
class Anomaly:
    """When the last ends of runs are worse than what people trusted the agent with."""

    window: int
    """Ends of runs looked at."""
    least: int
    """Fewer say nothing yet."""
    success_percent: int
    """Below this, it is one."""


@dataclass(frozen=True, slots=True)
class Told:
    """What an event of a gate or run says about the work, and which plan it was."""

    kind: TrackOutcome | None
    """None: a breach, which is no end of its own."""
    reason: str
    run: UUID | None
    plan: Plan
    approvals: tuple[Approval, ...] = ()

    @property
    def tools(self) -> frozenset[str]:
        """What the plan writes with."""
        return frozenset(s.tool for s in self.plan.steps if s.category is not Category.READ)


def anomalous(recent: str, anomaly: Anomaly) -> bool:
    """Whether the last ends of runs are too bad. Pure."""
    seen = recent[-anomaly.window :]
    return len(seen) >= anomaly.least and 100 * seen.count("+") < anomaly.success_percent * len(
        seen
    )


def falls(
    view: AutonomyView,
    default: AutonomyDefault,
    told: Told,
    event: UUID,
    *,
    anomaly: bool,
) -> list[AutonomyChanged]:
    """What an outcome takes away. Pure.

    A rollback and a person's no cost a level each; so does an end without success, once too many
    of the last ones were. A breach takes all of them: the agent did what nobody had approved.
    """
    header = told.plan.header
    agent, version, environment = header.agent.name, header.agent.version, header.environment
    match told.kind:
        case None:
            why = Why("breach", told.reason, event, header.task)
            return fall(view, default, agent, version, environment, why)
        case "rolled_back":
            rule = "rollback"
        case "rejected":
            rule = "rejection"
        case "failed" | "escalated" if anomaly:
            rule = "anomaly"
        case _:
            return []
    why = Why(rule, told.reason, event, header.task)
    return step_down(view, default, agent, version, told.tools, environment, why)


def drawn_closer(granted: TaskApprovalGranted, plan: Plan) -> bool:
    """Whether people allowed less than the plan asks for. Pure.

    Then a run that comes to that end does what was foreseen: it stops there, and no one is to
    blame. Only beyond what its own plan needs has it done what nobody could expect.
    """
    return granted.envelope is not None and granted.envelope != envelope_of(plan)


class Outcomes:
    """Takes note of outcomes.

    Args:
        service: this process.
        gates: the gates, which know what was granted and to which plan.
        notes: the reactor of the records.
        levels: the agents' levels.
        settings: when a run of failures is an anomaly.
    """

    def __init__(
        self,
        service: Service,
        gates: Reactor[Gate],
        notes: Reactor[TrackView],
        levels: Levels,
        settings: PolicySettings,
    ) -> None:
        self._service = service
        self._gates = gates
        self._notes = notes
        self._levels = levels
        self._anomaly = Anomaly(
            settings.anomaly_window, settings.anomaly_least_runs, settings.anomaly_success_percent
        )

    async def heed(self, cue: Cue) -> Reaction:
        """A plan or run came to an outcome."""
        told = await self._told(cue, await self._service.views.event(cue, cue.claimed()))
        if told is not None:
            return await self._note(cue, told)
        newest = await self._service.store.newest(cue.stream, 1)
        return await self._service.nothing_follows(cue, newest[-1].version)

    async def _note(self, cue: Cue, told: Told) -> Reaction:
        header = told.plan.header
        agent, version, environment = header.agent.name, header.agent.version, header.environment
        levels = stream(cue.tenant, "autonomy", agent)
        fell = False

        async def decide(view: TrackView, fresh: bool) -> Decision:  # noqa: FBT001
            nonlocal fell
            recent = recent_after(view.recent, told.kind, self._anomaly.window) if told.kind else ""
            anomaly = anomalous(recent, self._anomaly)
            said, default, reads = await self._levels.read(levels, fresh=fresh)
            changes = falls(said, default, told, cue.id, anomaly=anomaly)
            fell = bool(changes)
            notes = []
            if told.kind is not None:
                outcome = self._outcome(told, told.kind)
                forget = anomaly and told.kind in ("failed", "escalated")
                notes = [note(view, outcome, self._anomaly.window, forget=forget)]
            return Decision(
                notes,
                elsewhere=[Elsewhere(levels, dict(reads)[levels], changes)] if changes else (),
            )

        name = track_stream(cue.tenant, agent, version, environment)
        # Of no task: a record belongs to the agent, and is told in the order of its notes.
        reaction = await self._notes.react(name, self._service.cause(cue, None), decide)
        if fell:
            # The next plan of this process meets the new level without a detour.
            await self._levels.read(levels, fresh=True)
        return reaction

    def _outcome(self, told: Told, kind: TrackOutcome) -> Outcome:
        header = told.plan.header
        return Outcome(
            kind=kind,
            agent=header.agent.name,
            version=header.agent.version,
            environment=header.environment,
            tools=told.tools,
            task=header.task,
            run=told.run,
            requester=header.requester.principal,
            approved=bool(told.approvals),
            senior=any(_SENIOR in voice.roles for voice in told.approvals),
            at=self._service.store.db_now(),
        )

    async def _told(self, cue: Cue, event: EventData) -> Told | None:
        """What an event says about an agent's work; None where it says nothing about it."""
        match event:
            case TaskCompleted():
                return await self._of_run(cue, event.task, event.run, "completed", "")
            case TaskRolledBack():
                return await self._of_run(cue, event.task, event.run, "rolled_back", event.reason)
            case TaskEscalated():
                return await self._of_run(cue, event.task, event.run, "escalated", event.reason)
            case TaskFailed(run=UUID() as run):
                return await self._of_run(cue, event.task, run, "failed", event.message)
            case TaskApprovalRejected():
                return await self._rejected(cue, event)
            case TaskGrantRevoked(principal=principal) if principal == GATEWAY:
                task = UUID(parse_stream(cue.stream).id)
                return await self._of_run(cue, task, event.run, None, event.reason)
            case _:
                return None

    async def _of_run(
        self, cue: Cue, task: UUID, run: UUID, kind: TrackOutcome | None, reason: str
    ) -> Told | None:
        gate = stream(cue.tenant, "gate", task)
        if kind is not None and cue.stream != stream(cue.tenant, "run", run):
            return None
        # A run that ends because policy has changed under way says nothing of the agent.
        unforeseen = kind in ("failed", "escalated")
        state = (await self._gates.folds.load(gate, fresh=unforeseen)).state
        if unforeseen and state.returned is not None and state.returned.run == run:
            return None
        known = state.grant
        granted = await self._find(
            gate, known, TaskApprovalGranted, lambda granted: granted.run == run
        )
        if granted is None:
            return None
        plan = await self._service.plans.get(cue.tenant, granted.document, granted.plan_hash)
        if kind is None and drawn_closer(granted, plan):
            return None
        return Told(kind, reason, run, plan, granted.approvals)

    async def _rejected(self, cue: Cue, event: TaskApprovalRejected) -> Told | None:
        known = (await self._gates.folds.load(cue.stream)).state.required
        required = await self._find(
            cue.stream,
            known,
            TaskApprovalRequired,
            lambda required: required.plan_hash == event.plan_hash,
        )
        if required is None:
            return None
        plan = await self._service.plans.get(cue.tenant, required.document, required.plan_hash)
        reason = f"{event.by.actor_name} rejected the plan" + (
            f": {event.note}" if event.note else ""
        )
        return Told("rejected", reason, None, plan)

    async def _find(
        self, gate: str, known: E | None, kind: type[E], fits: Callable[[E], bool]
    ) -> E | None:
        """What the gate said of this plan, which need not be its newest."""
        if known is not None and fits(known):
            return known
        said: Iterable[EventData] = map(decode, await self._service.store.read_stream(gate))
        return next((one for one in said if isinstance(one, kind) and fits(one)), None)
