"""A voice counts as long as who gave it might give it again, until enough have spoken."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from smartops.contracts.events import (
    ActorMapped,
    Approval,
    TaskApprovalGranted,
    TaskApprovalRecorded,
)
from smartops.policy.gate.quorum import lapsed
from smartops.policy.gate.state import Gate, evolve
from smartops.policy.gate.voters import _once
from smartops.policy.gate.voting import voice_of
from support.approvals import Person, required, validated, voting
from support.given import Given, given
from support.plans import plan

PLAN = plan()
BEN, CYD, DAN = Person("ben"), Person("cyd"), Person("dan")
SUE = Person("sue", ("approver", "senior-approver"))
EVE = Person("eve", ())
DUTY = Person("dora", ("duty-manager",))


def mapped(person: Person, *roles: str, disabled: bool = False) -> ActorMapped:
    """Somebody, as the directory has him now."""
    return ActorMapped(
        actor=person.actor, name=person.name, principals=(), roles=roles, disabled=disabled
    )


def gone(
    voice: Approval, *now: ActorMapped, escalated: tuple[str, ...] = (), **fields: Any
) -> bool:
    """Whether a voice counts no more."""
    asked = required(PLAN, **fields)
    return bool(lapsed(asked, escalated, [voice], {one.actor: one for one in now}))


def voice(person: Person, speaking_for: Person | None = None) -> Approval:
    return voice_of(person.voter(speaking_for=speaking_for), person.actor)


def test_a_voice_stays_while_its_owner_holds_what_it_was_counted_under() -> None:
    assert not gone(voice(BEN), mapped(BEN, "approver"))
    assert not gone(voice(BEN), mapped(BEN, "senior-approver")), "who is an approver, too"
    assert not gone(voice(BEN), mapped(BEN, "approver", "operator"))


def test_who_was_switched_off_or_lost_the_role_has_no_voice_any_more() -> None:
    assert gone(voice(BEN), mapped(BEN, "approver", disabled=True))
    assert gone(voice(BEN), mapped(BEN, "operator"))
    assert gone(voice(BEN)), "nobody knows him"


def test_a_role_that_nobody_asked_for_may_go() -> None:
    both = replace(BEN, roles=("approver", "operator"))
    assert not gone(voice(both), mapped(BEN, "approver"))


def test_who_is_no_senior_any_more_is_no_senior_voice() -> None:
    asked = {"roles": ("approver", "senior-approver")}
    assert gone(voice(SUE), mapped(SUE, "approver"), **asked)
    assert not gone(voice(SUE), mapped(SUE, "approver", "senior-approver"), **asked)


def test_a_role_that_was_asked_later_is_held_to_as_well() -> None:
    late = {"escalated": ("duty-manager",)}
    assert not gone(voice(DUTY), mapped(DUTY, "duty-manager"), **late)
    assert gone(voice(DUTY), mapped(DUTY), **late)


def test_of_a_voice_for_another_both_are_looked_at() -> None:
    spoken = voice(EVE, speaking_for=BEN)
    here = mapped(EVE), mapped(BEN, "approver")
    assert not gone(spoken, *here), "who speaks needs no role"
    assert gone(spoken, mapped(EVE, disabled=True), here[1])
    assert gone(spoken, here[0], mapped(BEN, "approver", disabled=True))
    assert gone(spoken, here[0], mapped(BEN))


def test_a_voice_from_before_roles_were_noted_is_held_to_the_one_that_was_asked() -> None:
    old = voice(BEN).model_copy(update={"roles": ()})
    assert not gone(old, mapped(BEN, "approver"))
    assert gone(old, mapped(BEN, "operator"))


def once_said() -> Given[Gate]:
    """Two must agree, and ben has."""
    waiting = given(Gate(), evolve, validated(PLAN), required(PLAN, quorum=2))
    return waiting.when(lambda gate: voting(gate, BEN.voter())).after


def test_a_quorum_is_not_made_up_with_a_voice_that_lapsed() -> None:
    history = once_said()
    spoken = tuple(one.by for one in history.state.yes)
    second = history.when(lambda gate: voting(gate, CYD.voter(lapsed=spoken)))
    second.then(TaskApprovalRecorded)
    third = second.after.when(lambda gate: voting(gate, DAN.voter(lapsed=spoken)))
    granted = third.then(TaskApprovalRecorded, TaskApprovalGranted).event(TaskApprovalGranted)
    assert [one.actor for one in granted.approvals] == [CYD.actor, DAN.actor]


def test_whose_voice_has_lapsed_may_speak_anew() -> None:
    history = once_said()
    spoken = tuple(one.by for one in history.state.yes)
    again = history.when(lambda gate: voting(gate, BEN.voter(version=5, lapsed=spoken)))
    again.then(TaskApprovalRecorded)
    done = again.after.when(lambda gate: voting(gate, CYD.voter(lapsed=spoken)))
    granted = done.then(TaskApprovalRecorded, TaskApprovalGranted).event(TaskApprovalGranted)
    assert {one.actor for one in granted.approvals} == {BEN.actor, CYD.actor}


def test_of_what_was_read_twice_the_older_version_is_the_condition() -> None:
    """Else what was decided on the older one would stand though the newer one forbids it."""
    assert dict(_once([("a", 3), ("b", 1), ("a", 4)])) == {"a": 3, "b": 1}
    assert dict(_once([("a", 4), ("a", 3)])) == {"a": 3}
