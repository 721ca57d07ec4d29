"""What people give beforehand: voices handed over, and plans agreed to, by whom and how long."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from smartops.contracts.commands import (
    ApprovalDelegate,
    DelegationRevoke,
    StandingGive,
    StandingRevoke,
)
from smartops.contracts.events import (
    ActorDelegated,
    ActorDelegationEnded,
    ActorMapped,
    StandingGiven,
    StandingRevoked,
)
from smartops.contracts.folds import ActorView, evolve_actor
from smartops.contracts.ids import actor_id
from smartops.contracts.standing import StandingClass
from smartops.contracts.wire import Environment, RiskLevel
from smartops.policy.mandates.delegation import delegate, end_delegation, handed_to
from smartops.policy.mandates.offers import Standing, evolve_standing
from smartops.policy.mandates.standing import Giver, give, revoke
from smartops.runtime.decision import Decision
from support.approvals import NOW
from support.given import Given, given
from support.plans import TENANT

MONTH = timedelta(days=30)
IDENT = UUID("44444444-4444-5444-8444-444444444444")
OTHER = UUID("55555555-5555-5555-8555-555555555555")
TOMORROW = NOW + timedelta(days=1)
EVERYWHERE = tuple(Environment)


def mapped(name: str, *roles: str, disabled: bool = False) -> ActorMapped:
    """Somebody, as the directory has him."""
    actor = actor_id(TENANT, name)
    held = (name, f"{name}-at-work")
    return ActorMapped(actor=actor, name=name, principals=held, roles=roles, disabled=disabled)


BEN = mapped("ben", "approver", "break-glass")
EVE = mapped("eve")


def known(who: ActorMapped = BEN) -> Given[ActorView]:
    """An actor."""
    return given(ActorView(), evolve_actor, who)


def handing(
    to: ActorMapped | None = EVE, ident: UUID = IDENT, by: str = "ben-at-work", **fields: Any
) -> Callable[[ActorView], Decision]:
    """Somebody hands his voice to another."""
    asked: dict[str, Any] = {
        "to": to.actor if to is not None else OTHER,
        "roles": ("approver",),
        "environments": (Environment.STAGING,),
        "until": TOMORROW,
        "reason": "on leave",
    }
    command = ApprovalDelegate.model_validate(asked | fields)
    return lambda view: delegate(view, to, command, ident, by, NOW, MONTH)


# --- Voices handed over -------------------------------------------------------------------------


def test_who_hands_over_a_voice_says_to_whom_for_what_and_until_when() -> None:
    told = known().when(handing()).then(ActorDelegated).event(ActorDelegated)
    assert (told.actor, told.to, told.roles, told.until) == (
        BEN.actor,
        EVE.actor,
        ("approver",),
        TOMORROW,
    )


def test_a_voice_is_handed_over_by_field_only_as_far_as_it_can_be() -> None:
    refused = {
        ("not_found", "to"): handing(None),
        ("own_voice", "to"): handing(BEN),
        ("not_yours", "roles"): handing(roles=("senior-approver",)),
        ("past", "until"): handing(until=NOW),
        ("too_long", "until"): handing(until=NOW + MONTH + timedelta(seconds=1)),
    }
    for (code, field), deed in refused.items():
        known().when(deed).then_refused(code, field)
    known().when(handing(mapped("eve", disabled=True))).then_refused("not_found", "to")
    known(mapped("ben", "approver", disabled=True)).when(handing()).then_refused("unmapped")


def test_a_credential_that_was_taken_away_hands_over_nothing_and_takes_nothing_back() -> None:
    """Though it was the giver's a moment ago, for a process that has not heard of it yet."""
    given_over = known().when(handing()).after
    moved = BEN.model_copy(update={"principals": ("ben",)})
    now = given(ActorView(), evolve_actor, *given_over.history, moved)
    now.when(handing(mapped("dan"), OTHER)).then_refused("unmapped")
    command = DelegationRevoke(delegation=IDENT, reason="mine")
    now.when(lambda view: end_delegation(view, command, "ben-at-work")).then_refused("unmapped")
    now.when(lambda view: end_delegation(view, command, "ben")).then(ActorDelegationEnded)


def test_nobody_hands_over_the_glass() -> None:
    known().when(handing(roles=("break-glass",))).then_refused("not_yours", "roles")


def test_who_speaks_for_another_has_nothing_of_that_to_hand_on() -> None:
    # Eve got a voice from ben; what she holds herself is what she may give, and that is nothing.
    known(EVE).when(handing(mapped("dan"), by="eve")).then_refused("not_yours", "roles")


def test_a_voice_counts_where_and_while_it_was_handed_over() -> None:
    held = known().when(handing()).after.state.delegations

    def roles(
        who: UUID = EVE.actor,
        where: Environment = Environment.STAGING,
        roles: tuple[str, ...] = BEN.roles,
        now: datetime = NOW,
    ) -> tuple[str, ...]:
        return handed_to(held, who, where, roles, now)

    assert roles() == ("approver",)
    assert roles(who=OTHER) == ()
    assert roles(where=Environment.PRODUCTION) == ()
    assert roles(now=TOMORROW) == ()
    assert roles(roles=()) == (), "what the giver has lost, nobody has from him"


def test_a_voice_taken_back_is_gone_at_once_and_taking_it_back_again_is_no_error() -> None:
    given_over = known().when(handing()).after
    command = DelegationRevoke(delegation=IDENT, reason="back again")
    ended = given_over.when(lambda view: end_delegation(view, command, "ben-at-work"))
    ended.then(ActorDelegationEnded)
    assert ended.after.state.delegations == ()
    ended.after.when(lambda view: end_delegation(view, command, "ben")).then_answered("ended")


def test_nobody_takes_back_what_another_handed_over() -> None:
    command = DelegationRevoke(delegation=IDENT, reason="no")
    known(EVE).when(lambda view: end_delegation(view, command, "eve")).then_refused(
        "not_found", "delegation"
    )


# --- Plans agreed to beforehand -----------------------------------------------------------------


def giver(*roles: str, name: str = "sue", **fields: Any) -> Giver:
    """Somebody who agrees beforehand."""
    told: dict[str, Any] = {
        "principal": name,
        "authtype": "oidc",
        "actor": actor_id(TENANT, name),
        "name": name,
        "roles": roles,
    }
    return Giver(**told | fields)


def giving(who: Giver, *, permitted: bool = False, **fields: Any) -> Callable[[Standing], Decision]:
    """Somebody agrees beforehand."""
    plans = StandingClass(
        agent="drift",
        tools=("apply_patch",),
        environments=fields.pop("environments", (Environment.STAGING,)),
        max_targets=5,
        max_risk_level=RiskLevel.MEDIUM,
    )
    told: dict[str, Any] = {"plans": plans, "max_uses": 3, "until": TOMORROW, "reason": "nightly"}
    command = StandingGive.model_validate(told | fields)
    return lambda standing: give(
        standing, command, IDENT, who, NOW, longest=MONTH, local_permitted=permitted
    )


def nothing() -> Given[Standing]:
    """Nobody has agreed to anything."""
    return given(Standing(), evolve_standing)


def test_who_holds_the_role_agrees_to_a_class_of_plans() -> None:
    told = nothing().when(giving(giver("approver"))).then(StandingGiven).event(StandingGiven)
    assert (told.standing, told.by.actor_name) == (IDENT, "sue")
    assert (told.max_uses, told.until) == (3, TOMORROW)


def test_who_lacks_the_role_or_is_nobody_agrees_to_nothing() -> None:
    nothing().when(giving(giver("operator"))).then_refused("forbidden")
    nothing().when(giving(giver("approver", actor=None))).then_refused("unmapped")
    nothing().when(giving(giver("approver", disabled=True))).then_refused("unmapped")


def test_production_is_agreed_to_by_name_by_a_senior_with_credentials_that_prove_who_that_is() -> (
    None
):
    here = {"environments": (Environment.PRODUCTION,)}
    field = "plans.environments"
    nothing().when(giving(giver("approver"), **here)).then_refused("forbidden", field)
    local = giver("senior-approver", authtype="local")
    nothing().when(giving(local, **here)).then_refused("forbidden", field)
    nothing().when(giving(local, permitted=True, **here)).then(StandingGiven)
    nothing().when(giving(giver("senior-approver"), **here)).then(StandingGiven)


def test_a_standing_word_has_an_end_within_reach() -> None:
    nothing().when(giving(giver("approver"), until=NOW)).then_refused("past", "until")
    far = NOW + MONTH + timedelta(seconds=1)
    nothing().when(giving(giver("approver"), until=far)).then_refused("too_long", "until")


def test_a_standing_word_is_taken_back_by_its_giver_or_by_who_could_give_one() -> None:
    word = nothing().when(giving(giver("approver"))).after
    command = StandingRevoke(standing=IDENT, reason="enough")
    stranger = giver(name="eve")
    word.when(lambda standing: revoke(standing, command, stranger)).then_refused("forbidden")
    for who in (giver(), giver("approver", name="ben")):
        taken = word.when(lambda standing, by=who: revoke(standing, command, by))
        taken.then(StandingRevoked)
        again = taken.after.when(lambda standing, by=who: revoke(standing, command, by))
        again.then_answered("revoked")
    nothing().when(lambda standing: revoke(standing, command, giver("approver"))).then_refused(
        "not_found", "standing"
    )
