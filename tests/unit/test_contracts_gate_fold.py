"""What others know of a gate: a grant holds only if what came before it says the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from uuid import UUID

import pytest
from smartops.contracts.canonical import digest
from smartops.contracts.events import (
    Approval,
    StandingGiven,
    StandingUsed,
    TaskApprovalGranted,
    TaskApprovalRecorded,
    TaskApprovalRequired,
    TaskBreakGlassUsed,
    TaskPlanValidated,
)
from smartops.contracts.folds import GateView, StandingView, evolve_gate, evolve_standing
from smartops.contracts.plan import Plan
from smartops.contracts.wire import EventData
from smartops.policy import domain
from smartops.policy.gate.state import Gate, evolve
from smartops.policy.gate.voting import voice_of
from smartops.policy.mandates.offers import Standing
from support import approvals
from support.approvals import NOW, TERMS, Person, breaking, given_word, offer_of, voting
from support.grants import grant_for
from support.plans import TASK, phase, plan, step

E = TypeVar("E", bound=EventData)

PLAN = plan(phase(step("web-1")))
OTHER = plan(phase(step("web-2")))
ANA, BEN, CYD = Person("ana"), Person("ben"), Person("cyd")
GUS = Person("gus", ("break-glass",))
SUE = Person("sue", ("senior-approver",))


def folded(events: Sequence[EventData]) -> GateView:
    """The gate after these events."""
    view = GateView()
    for event in events:
        view = evolve_gate(view, event)
    return view


def agreed(made: Plan = PLAN, quorum: int = 2) -> list[EventData]:
    """Ben and cyd let a plan run."""
    events: list[EventData] = [
        approvals.validated(made),
        approvals.required(made, quorum=quorum),
    ]
    for who in (BEN, CYD)[:quorum]:
        events += voting(_gate(events), who.voter(), made=made).events
    return events


def broken(made: Plan = PLAN) -> list[EventData]:
    """Gus breaks the glass."""
    events: list[EventData] = [approvals.validated(made), approvals.required(made)]
    return [*events, *breaking(_gate(events), GUS.voter(), made=made).events]


def by_word(made: Plan = PLAN) -> tuple[list[EventData], list[EventData]]:
    """Sue's standing word lets a plan run: what the gate says, and what the word's own stream."""
    word = given_word(SUE)
    offer = offer_of(Standing(given=word), 1)
    found = approvals.weighed()
    told = approvals.planned(made)
    decision = domain.weigh(Gate(), TASK, told, made, found, TERMS, NOW, offer)
    [elsewhere] = decision.elsewhere
    return list(decision.events), [word, *elsewhere.events]


def changed(events: Sequence[EventData], kind: type[E], **fields: Any) -> list[EventData]:
    """The same, with one row changed."""
    assert sum(isinstance(event, kind) for event in events) == 1
    return [
        event.model_copy(update=fields) if isinstance(event, kind) else event for event in events
    ]


def without(events: Sequence[EventData], kind: type[EventData]) -> list[EventData]:
    """The same, with rows gone."""
    return [event for event in events if not isinstance(event, kind)]


def voice(who: Person) -> Approval:
    """Somebody's, as it is recorded."""
    return voice_of(who.voter(), who.actor)


def _gate(events: Sequence[EventData]) -> Gate:
    gate = Gate()
    for event in events:
        gate = evolve(gate, event)
    return gate


AUTOMATIC = grant_for(PLAN)
NOBODY_ASKED = approvals.validated(PLAN).model_copy(
    update={"requires_approval": False, "assessment_hash": AUTOMATIC.assessment_hash}
)


@pytest.mark.parametrize(
    "events",
    [agreed(), agreed(quorum=1), broken(), by_word()[0], [NOBODY_ASKED, AUTOMATIC]],
    ids=["two people", "one person", "broken glass", "a standing word", "automatic"],
)
def test_a_grant_as_policy_makes_it_is_founded(events: list[EventData]) -> None:
    gate = folded(events)
    assert gate.grant is not None
    assert not gate.unfounded


FALSE = {"plan_hash": OTHER.hash(), "document": digest(b"other")}

UNFOUNDED: dict[str, Callable[[], list[EventData]]] = {
    "out of nothing": lambda: [AUTOMATIC],
    "automatic, though a person was needed": lambda: [
        NOBODY_ASKED.model_copy(update={"requires_approval": True}),
        AUTOMATIC,
    ],
    "automatic, of another plan than was validated": lambda: [
        NOBODY_ASKED,
        AUTOMATIC.model_copy(update=FALSE),
    ],
    "automatic, of another document": lambda: [
        NOBODY_ASKED,
        AUTOMATIC.model_copy(update={"document": digest(b"other")}),
    ],
    "automatic, with voices": lambda: [
        NOBODY_ASKED,
        AUTOMATIC.model_copy(update={"approvals": (voice(BEN),)}),
    ],
    "of another plan than was approved": lambda: changed(agreed(), TaskApprovalGranted, **FALSE),
    "of another document than was approved": lambda: changed(
        agreed(), TaskApprovalGranted, document=digest(b"other")
    ),
    "of another plan than was validated": lambda: changed(agreed(), TaskPlanValidated, **FALSE),
    "of another plan than people were asked about": lambda: changed(
        agreed(), TaskApprovalRequired, **FALSE
    ),
    "about which nobody was asked": lambda: without(agreed(), TaskApprovalRequired),
    "of whom nobody heard": lambda: without(agreed(), TaskApprovalRecorded),
    "of a voice for another plan": lambda: changed(agreed(quorum=1), TaskApprovalRecorded, **FALSE),
    "of a voice for another assessment": lambda: changed(
        agreed(quorum=1), TaskApprovalRecorded, assessment_hash=digest(b"another")
    ),
    "of a no": lambda: changed(agreed(quorum=1), TaskApprovalRecorded, decision="reject"),
    "of somebody else's voice": lambda: changed(
        agreed(quorum=1), TaskApprovalRecorded, by=voice(CYD)
    ),
    "of one voice, where two were needed": lambda: changed(
        agreed(), TaskApprovalGranted, approvals=(voice(BEN),)
    ),
    "of one voice, counted twice": lambda: changed(
        agreed(), TaskApprovalGranted, approvals=(voice(BEN), voice(BEN))
    ),
    "of no voice": lambda: changed(agreed(), TaskApprovalGranted, approvals=()),
    "of the requester's voice": lambda: changed(
        changed(agreed(quorum=1), TaskApprovalRecorded, by=voice(ANA)),
        TaskApprovalGranted,
        approvals=(voice(ANA),),
    ),
    "by broken glass, of which nothing is recorded": lambda: without(broken(), TaskBreakGlassUsed),
    "by broken glass, of another plan": lambda: changed(broken(), TaskBreakGlassUsed, **FALSE),
    "by broken glass, of another run": lambda: changed(broken(), TaskBreakGlassUsed, run=TASK),
    "by broken glass, of an earlier grant": lambda: changed(broken(), TaskBreakGlassUsed, grant=2),
    "by broken glass, by somebody else": lambda: changed(
        broken(), TaskBreakGlassUsed, by=voice(BEN)
    ),
    "by broken glass, about which nobody was asked": lambda: without(
        broken(), TaskApprovalRequired
    ),
    "that says it broke the glass": lambda: changed(
        agreed(), TaskApprovalGranted, break_glass=True
    ),
    "by a standing word and broken glass": lambda: changed(
        by_word()[0], TaskApprovalGranted, break_glass=True
    ),
    "by a standing word, of another plan": lambda: changed(
        by_word()[0], TaskApprovalGranted, **FALSE
    ),
    "by a standing word, of which nobody heard": lambda: without(
        by_word()[0], TaskApprovalRecorded
    ),
    "by a standing word, by another than was heard": lambda: changed(
        by_word()[0], TaskApprovalRecorded, by=voice(BEN)
    ),
    "by a standing word, of nobody": lambda: changed(
        by_word()[0], TaskApprovalGranted, approvals=()
    ),
    "by a standing word, in another's name": lambda: changed(
        by_word()[0],
        TaskApprovalGranted,
        approvals=(voice(SUE).model_copy(update={"for_actor": BEN.actor}),),
    ),
}


@pytest.mark.parametrize("spoil", UNFOUNDED.values(), ids=UNFOUNDED)
def test_a_grant_that_nothing_bears_out_is_unfounded(
    spoil: Callable[[], list[EventData]],
) -> None:
    assert folded(spoil()).unfounded


def test_a_grant_after_one_that_was_unfounded_is_judged_by_itself() -> None:
    spoilt = changed(agreed(), TaskApprovalGranted, **FALSE)
    assert not folded([*spoilt, agreed()[-1]]).unfounded


# ---- what a standing word's own stream says of a grant by it ---------------------------------


def told(events: Sequence[EventData]) -> StandingView:
    """A standing word after these events."""
    view = StandingView()
    for event in events:
        view = evolve_standing(view, event)
    return view


def granted(**fields: Any) -> TaskApprovalGranted:
    """The grant by sue's word."""
    grant = by_word()[0][-1]
    assert isinstance(grant, TaskApprovalGranted)
    return grant.model_copy(update=fields)


def test_a_grant_is_borne_out_by_the_use_that_the_word_tells_of() -> None:
    assert told(by_word()[1]).bears_out(TASK, granted())


NOT_BORNE_OUT: dict[str, Callable[[], tuple[list[EventData], UUID, TaskApprovalGranted]]] = {
    "never given": lambda: ([], TASK, granted()),
    "never used": lambda: (by_word()[1][:1], TASK, granted()),
    "given, but its word is gone": lambda: (by_word()[1][1:], TASK, granted()),
    "used for another task": lambda: (by_word()[1], UUID(int=1), granted()),
    "used for another plan": lambda: (by_word()[1], TASK, granted(plan_hash=OTHER.hash())),
    "used for another number": lambda: (by_word()[1], TASK, granted(number=2)),
    "used for another grant": lambda: (by_word()[1], TASK, granted(grant=2)),
    "used for another run": lambda: (by_word()[1], TASK, granted(run=TASK)),
    "another's word": lambda: (by_word()[1], TASK, granted(approvals=(voice(BEN),))),
    "another word": lambda: (by_word()[1], TASK, granted(standing=TASK)),
    "used too often": lambda: (changed(by_word()[1], StandingUsed, use=3), TASK, granted()),
    "for longer than the word holds": lambda: (
        changed(by_word()[1], StandingGiven, until=NOW),
        TASK,
        granted(),
    ),
}


@pytest.mark.parametrize("case", NOT_BORNE_OUT.values(), ids=NOT_BORNE_OUT)
def test_a_grant_that_its_standing_word_does_not_tell_of_is_not_borne_out(
    case: Callable[[], tuple[list[EventData], UUID, TaskApprovalGranted]],
) -> None:
    events, task, grant = case()
    assert not told(events).bears_out(task, grant)
