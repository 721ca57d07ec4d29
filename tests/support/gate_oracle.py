"""What must be so whenever a gate says something: told from the events alone, without any fold."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from smartops.contracts.events import (
    Approval,
    StandingGiven,
    StandingRevoked,
    StandingUsed,
    TaskApprovalEscalated,
    TaskApprovalExpired,
    TaskApprovalGranted,
    TaskApprovalRecorded,
    TaskApprovalRejected,
    TaskApprovalRequired,
    TaskBreakGlassUsed,
    TaskCancelRequested,
    TaskGrantRevoked,
    TaskHalted,
    TaskPlanEditAccepted,
    TaskPlanRefused,
    TaskPlanSuperseded,
    TaskPlanValidated,
    ToolCallDispatched,
)
from smartops.contracts.ids import actor_id
from smartops.contracts.plan import Plan
from smartops.contracts.wire import EventData
from support.gate_people import PEOPLE, REQUESTED, People
from support.plans import TENANT

__all__ = ["Oracle"]

_ACTORS: dict[UUID, str] = {actor_id(TENANT, name): name for name in PEOPLE}
_SPEAKS = {
    "approver": {"approver"},
    "senior-approver": {"senior-approver", "approver"},
    "duty-manager": {"duty-manager"},
    "break-glass": {"break-glass"},
}
E = TypeVar("E", bound=EventData)
_STOPS = (TaskGrantRevoked, TaskCancelRequested)


class Oracle:
    """Listens to a gate.

    Attributes:
        plans: by number, as they were shown to people.
        decided: how each number was decided.
    """

    def __init__(self, people: People) -> None:
        self._people = people
        self.plans: dict[int, Plan] = {}
        self.decided: dict[int, str] = {}
        self._said: list[EventData] = []
        self._beforehand: TaskApprovalRecorded | None = None

    def hear(self, event: EventData, now: datetime) -> None:
        """Something is said: judged by what was said before."""
        if self._beforehand is not None:
            assert isinstance(event, TaskApprovalGranted)
            assert event.standing is not None
            assert event.approvals == (self._beforehand.by,)
            self._beforehand = None
        match event:
            case TaskApprovalRecorded() if isinstance(self._said[-1], TaskPlanValidated):
                self._beforehand = event
            case TaskApprovalRecorded():
                self._heard(event, now)
            case TaskApprovalGranted():
                self._granted(event, now)
                self._decide(event.number, "granted")
            case TaskApprovalRejected():
                self._decide(event.number, "rejected")
            case TaskApprovalExpired():
                assert now >= self._last(TaskApprovalRequired).expires_at, "expired before its time"
                self._decide(event.number, "expired")
            case TaskPlanEditAccepted():
                self._decide(event.number, "edited")
            case TaskPlanValidated():
                self._as_asked(event.number)
            case TaskPlanRefused() if not event.unasked:
                self._decide(event.number, "refused")
            case TaskPlanSuperseded(because="stale"):
                assert self.decided.pop(event.number) == "granted"
                self._decide(event.number, "stale")
            case _:
                pass
        self._said.append(event)

    def holds(self, grant: TaskApprovalGranted, said: Sequence[EventData], now: datetime) -> None:
        """A grant under which something begins to go out: nothing has ended it."""
        place = said.index(grant)
        ended = [
            type(event).__name__
            for event in said[place + 1 :]
            if isinstance(event, (*_STOPS, TaskPlanSuperseded, TaskApprovalGranted))
        ]
        ended += [type(event).__name__ for event in said if isinstance(event, TaskHalted)]
        assert not ended, f"something goes out after {ended}"
        assert now < grant.expires_at, "something goes out under a grant that has expired"

    def sent(
        self, call: ToolCallDispatched, grant: TaskApprovalGranted, now: datetime, place: int
    ) -> None:
        """A step was sent.

        Args:
            call: as dispatched.
            grant: of its run.
            now: the time then.
            place: how much the gate had said by then.
        """
        said, facts = self._said[:place], call.facts
        assert grant in said, "something went out before it was granted"
        assert (facts.plan_hash, facts.grant) == (grant.plan_hash, grant.grant)
        plan = self.plans[grant.number]
        assert plan.hash() == grant.plan_hash, "another plan than was granted is carried out"
        step = plan.by_hash()[facts.step or ""]
        assert (step.tool, step.version, step.target, step.arguments) == (
            facts.tool,
            facts.version,
            facts.target,
            facts.arguments,
        )
        if call.send == 1:
            self.holds(grant, said, now)
        else:
            # That is how one finds out whether it was done, so taking the grant back is no end.
            since = said[said.index(grant) :]
            assert not any(isinstance(event, TaskPlanSuperseded) for event in since)
            assert not any(isinstance(event, TaskHalted) for event in said)
            assert now < grant.expires_at

    # ---- who may say so --------------------------------------------------------------------

    def _heard(self, event: TaskApprovalRecorded, now: datetime) -> None:
        asked = self._last(TaskApprovalRequired)
        assert now < asked.expires_at, "a voice after its time"
        assert (asked.number, asked.plan_hash) == (event.number, event.plan_hash)
        assert event.number not in self.decided, f"a voice on what was {self.decided[event.number]}"
        by = event.by
        assert not {"off"} & self._names(by), "somebody speaks who was switched off"
        roles = PEOPLE[_ACTORS[by.actor]]
        if by.for_actor not in (None, by.actor):
            given = [
                one
                for one in self._people.given()
                if (one.actor, one.to) == (by.for_actor, by.actor)
                and now < one.until
                and asked.environment in one.environments
            ]
            roles = tuple(role for one in given for role in one.roles)
        wanted = {*asked.roles, *self._escalated()}
        assert any(wanted & _SPEAKS[role] for role in roles), f"{by.actor_name} was not asked"
        if event.decision == "approve":
            assert not by.persons & self._involved(), "who made the plan approves it"

    def _granted(self, grant: TaskApprovalGranted, now: datetime) -> None:
        validated = self._last(TaskPlanValidated)
        assert (validated.number, validated.plan_hash) == (grant.number, grant.plan_hash)
        assert self.plans[grant.number].hash() == grant.plan_hash
        assert not any(isinstance(e, TaskHalted | TaskCancelRequested) for e in self._said)
        assert now < grant.expires_at
        if grant.automatic:
            assert not validated.requires_approval
            assert not self._asked_before(), "it runs by itself, though people were asked before"
        elif grant.standing is not None:
            self._by_word(grant, grant.standing, now)
        elif grant.break_glass:
            [by] = grant.approvals
            used = self._said[-1]
            assert isinstance(used, TaskBreakGlassUsed)
            assert (used.run, used.by, used.plan_hash) == (grant.run, by, grant.plan_hash)
            assert "break-glass" in PEOPLE[_ACTORS[by.actor]]
            assert self._names(by) <= set(PEOPLE) - {"off"}
        else:
            self._by_people(grant)

    def _by_people(self, grant: TaskApprovalGranted) -> None:
        asked = self._last(TaskApprovalRequired)
        since = self._said[self._said.index(asked) :]
        heard = [
            event.by
            for event in since
            if isinstance(event, TaskApprovalRecorded) and event.decision == "approve"
        ]
        persons: set[UUID] = set()
        for voice in grant.approvals:
            assert voice in heard, "granted by a voice that nobody heard"
            assert not persons & voice.persons, "one person counts twice"
            persons |= voice.persons
        assert len(grant.approvals) >= asked.quorum, "too few agreed"
        assert not persons & self._involved(), "who made the plan is among who approved it"
        held = {role for voice in grant.approvals for r in voice.roles for role in _SPEAKS[r]}
        assert held & set(self._escalated()) or set(asked.roles) <= held, "a role is missing"

    def _by_word(self, grant: TaskApprovalGranted, ident: UUID, now: datetime) -> None:
        events = self._people.words[ident]
        [given] = [event for event in events if isinstance(event, StandingGiven)]
        uses = [event for event in events if isinstance(event, StandingUsed)]
        assert [use.use for use in uses] == list(range(1, len(uses) + 1))
        assert len(uses) <= given.max_uses, "a word was used too often"
        assert uses[-1].run == grant.run, "a word was used, and does not tell of it"
        assert not any(isinstance(event, StandingRevoked) for event in events)
        assert now < given.until
        assert grant.expires_at <= given.until
        [by] = grant.approvals
        assert by.actor == given.by.actor
        assert {"senior-approver", "approver"} & set(PEOPLE[_ACTORS[by.actor]])
        assert by.actor not in self._involved()
        assert "off" not in self._names(by)
        assert not self._asked_before(), "a word of before, though people were asked since"
        plan = self.plans[grant.number]
        assert {step.tool for step in plan.steps} <= set(given.plans.tools)
        assert len(plan.changed()) <= given.plans.max_targets

    # ---- what was said before --------------------------------------------------------------

    def _as_asked(self, number: int) -> None:
        """What people wanted of another plan is so."""
        plan, before = self.plans[number], self._said[-2:]
        left_out = {
            asset
            for event in self._said
            if isinstance(event, TaskApprovalRejected)
            for asset in event.constraints.exclude_assets
        }
        assert not left_out & set(plan.changed())
        for event in before:
            if isinstance(event, TaskPlanEditAccepted):
                assert not set(event.edit.exclude) & set(plan.targets())
                waits = {phase.wait_ms for phase in plan.header.phases}
                assert all({change.wait_ms} == waits for change in event.edit.phases)
                old = self.plans[event.number].targets()
                assert set(plan.targets()) == set(old) - set(event.edit.exclude)

    def _decide(self, number: int, how: str) -> None:
        assert number not in self.decided, f"plan {number}: {self.decided[number]}, then {how}"
        self.decided[number] = how

    def _involved(self) -> set[UUID]:
        edits = [event.by for event in self._said if isinstance(event, TaskPlanEditAccepted)]
        return {actor_id(TENANT, REQUESTED), *(actor for by in edits for actor in by.persons)}

    def _escalated(self) -> list[str]:
        asked = self._last(TaskApprovalRequired)
        since = self._said[self._said.index(asked) :]
        return [event.role for event in since if isinstance(event, TaskApprovalEscalated)]

    def _asked_before(self) -> bool:
        return any(isinstance(e, TaskApprovalRequired | TaskPlanEditAccepted) for e in self._said)

    def _last(self, kind: type[E]) -> E:
        return next(event for event in reversed(self._said) if isinstance(event, kind))

    @staticmethod
    def _names(by: Approval) -> set[str]:
        return {_ACTORS[actor] for actor in by.persons}
