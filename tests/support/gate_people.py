"""The people of the modelled gate: who they are, whose voices they have, what they gave beforehand.

What policy would say of a person is played here, but for four eyes: those must be kept by the
deciders themselves.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID, uuid5

from smartops.contracts.canonical import digest
from smartops.contracts.commands import (
    ApprovalDelegate,
    DelegationRevoke,
    StandingGive,
    StandingRevoke,
)
from smartops.contracts.events import (
    ActorDelegated,
    ActorMapped,
    Approval,
    Involved,
    StandingUsed,
)
from smartops.contracts.folds import ActorView, StandingView, evolve_actor, evolve_standing
from smartops.contracts.ids import actor_id, principal
from smartops.contracts.plan import Plan
from smartops.contracts.standing import StandingClass
from smartops.contracts.wire import Environment, EventData, RiskLevel
from smartops.policy.gate.quorum import holds
from smartops.policy.gate.state import Gate
from smartops.policy.gate.voting import Voter
from smartops.policy.gate.weighing import Weighed
from smartops.policy.mandates import standing as words
from smartops.policy.mandates.delegation import delegate, end_delegation, handed_to
from smartops.policy.mandates.offers import Offer, Standing, covers
from smartops.policy.mandates.offers import evolve_standing as evolve_word
from smartops.runtime.decision import Refusal
from smartops.runtime.people import Known
from support.line_gate import fold
from support.line_tools import TOOLS, Choose
from support.plans import TASK, TENANT

__all__ = ["CREDENTIALS", "PEOPLE", "REQUESTED", "People"]

REQUESTED = "ana"
"""Who asked for the task."""

PEOPLE: dict[str, tuple[str, ...]] = {
    "ana": ("approver", "senior-approver", "break-glass"),
    "ben": ("approver", "break-glass"),
    "cyd": ("approver", "senior-approver"),
    "dot": ("approver",),
    "dan": ("duty-manager",),
    "eve": (),
    "off": ("approver", "senior-approver", "break-glass"),
}
"""Roles of each; `off` is switched off."""

CREDENTIALS = {
    **{name: name for name in PEOPLE},
    "ana-2": "ana",
    "ben-2": "ben",
    "nil": None,
}
"""Whose each is; nobody knows `nil`."""

_NAMES = UUID("77777777-7777-5777-8777-777777777777")
_MONTH = timedelta(days=30)


class People:
    """A directory, with all that its people gave and took back.

    Attributes:
        words: events of each standing word.
    """

    def __init__(self) -> None:
        self._said: dict[str, list[EventData]] = {
            name: [
                ActorMapped(
                    actor=actor_id(TENANT, name),
                    name=name,
                    principals=tuple(c for c, owner in CREDENTIALS.items() if owner == name),
                    roles=roles,
                    disabled=name == "off",
                )
            ]
            for name, roles in PEOPLE.items()
        }
        self.words: dict[UUID, list[EventData]] = {}
        self._ids = 0

    def view(self, name: str) -> ActorView:
        """Somebody, as the directory has him."""
        return fold(ActorView(), evolve_actor, self._said[name])

    def mapped(self, name: str) -> ActorMapped:
        """The same, without what he handed over."""
        mapped = self.view(name).mapped
        assert mapped is not None
        return mapped

    def given(self) -> list[ActorDelegated]:
        """All voices that are handed over, also those whose time is over."""
        return [one for name in PEOPLE for one in self.view(name).delegations]

    # ---- who speaks ------------------------------------------------------------------------

    def voter(
        self,
        credential: str,
        gate: Gate,
        now: datetime,
        *,
        way: str = "voice",
        speaking_for: str | None = None,
    ) -> Voter:
        """Who speaks, as is read for a decision; see `policy.voters`."""
        voter = Voter(principal("local", credential), "local")
        name, required = CREDENTIALS[credential], gate.required
        mapped = self.mapped(name) if name is not None else None
        if mapped is not None:
            voter = replace(voter, actor=mapped.actor, name=mapped.name, roles=mapped.roles)
        if required is None:
            return voter
        requester, editors = self.hands(gate)
        voter = replace(voter, requester_actor=requester, editors=editors)
        disabled = [mapped is not None and mapped.disabled]
        if speaking_for is not None and speaking_for != name:
            giver = self.view(speaking_for)
            assert giver.mapped is not None
            roles: tuple[str, ...] = ()
            if voter.actor is not None:
                roles = handed_to(
                    giver.delegations, voter.actor, required.environment, giver.mapped.roles, now
                )
            voter = replace(
                voter, for_actor=giver.mapped.actor, for_name=giver.mapped.name, roles=roles
            )
            if not roles:
                voter = replace(voter, refusal=Refusal("no_delegation", "no such voice"))
            disabled.append(giver.mapped.disabled)
        asked = (*required.roles, *gate.escalated)
        if way == "break_glass":
            may = "break-glass" in voter.roles and speaking_for is None
        else:
            may = any(holds(voter.roles, role) for role in asked)
        if any(disabled) or not may:
            voter = replace(voter, denials=("policy does not let you",))
        return voter

    def hands(self, gate: Gate) -> tuple[UUID, tuple[UUID, ...]]:
        """Who asked, and who edited the plan at hand or one before."""
        requester = actor_id(TENANT, REQUESTED)
        noted = [] if gate.required is None else gate.required.excluded
        editors = dict.fromkeys(one.actor for one in noted if one.actor not in (None, requester))
        for by in gate.editors:
            editors |= dict.fromkeys(by.persons)
        return requester, tuple(actor for actor in editors if actor is not None)

    def involved(self, gate: Gate) -> tuple[Involved, ...]:
        """The same, as it is noted with the next plan."""
        requester, editors = self.hands(gate)
        asked = Involved(principal="operator", actor=requester, part="requester")
        return (
            asked,
            *(Involved(principal="p", actor=one, part="editor") for one in editors),
        )

    # ---- what is given beforehand ----------------------------------------------------------

    def delegate(self, choose: Choose, now: datetime) -> None:
        """Somebody hands a voice over, or something that he does not have."""
        giver = choose(("ben", "ben", "cyd", *sorted(PEOPLE)))
        to = choose(("eve", "eve", "dot", *sorted(PEOPLE)))
        command = ApprovalDelegate(
            to=actor_id(TENANT, to),
            roles=(choose(("approver", "approver", "senior-approver", "break-glass")),),
            environments=(choose((Environment.PRODUCTION,) * 3 + (Environment.STAGING,)),),
            until=now + choose((timedelta(minutes=10), timedelta(days=1), _MONTH * 2)),
            reason="away",
        )
        receiver = self.mapped(to)
        ident = self._new()
        decision = delegate(self.view(giver), receiver, command, ident, giver, now, _MONTH)
        self._said[giver] += decision.events

    def end_delegation(self, choose: Choose) -> None:
        """Somebody takes a voice back, his own or another's."""
        given = self.given()
        if given:
            command = DelegationRevoke(delegation=choose(given).delegation, reason="back")
            taker = choose(sorted(PEOPLE))
            self._said[taker] += end_delegation(self.view(taker), command, taker).events

    def give_word(self, choose: Choose, now: datetime) -> None:
        """Somebody agrees to plans beforehand, if he may."""
        giver, ident = choose(("cyd", "cyd", "cyd", *sorted(PEOPLE))), self._new()
        command = StandingGive(
            plans=StandingClass(
                agent="runbook",
                tools=choose((tuple(TOOLS), tuple(TOOLS), ("patch",))),
                environments=(Environment.PRODUCTION,),
                max_targets=choose((2, 9, 9)),
                max_risk_level=choose((RiskLevel.MEDIUM, RiskLevel.HIGH, RiskLevel.HIGH)),
            ),
            max_uses=choose((1, 1, 2)),
            until=now + choose((timedelta(minutes=20), timedelta(days=2), timedelta(days=200))),
            reason="every night",
        )
        who = words.giver_of(giver, "local", self._known(giver))
        decision = words.give(
            Standing(), command, ident, who, now, longest=_MONTH * 3, local_permitted=True
        )
        if decision.events:
            self.words[ident] = [*decision.events]

    def take_word_back(self, choose: Choose) -> None:
        """Somebody takes a standing word back, if he may."""
        if not self.words:
            return
        ident = choose(sorted(self.words))
        taker = choose(sorted(PEOPLE))
        who = words.giver_of(taker, "local", self._known(taker))
        command = StandingRevoke(standing=ident, reason="not any more")
        word = fold(Standing(), evolve_word, self.words[ident])
        self.words[ident] += words.revoke(word, command, who).events

    def offer(self, gate: Gate, plan: Plan, weighed: Weighed, now: datetime) -> Offer | None:
        """A standing word that covers a plan; see `policy.standings`."""
        if plan.header.approval_requested or weighed.quorum > 1:
            return None
        requester, editors = self.hands(gate)
        for ident, events in self.words.items():
            word = fold(Standing(), evolve_word, events)
            assert word.given is not None
            giver = self.mapped(word.given.by.actor_name)
            shut_out = giver.disabled or giver.actor in (requester, *editors)
            if shut_out or covers(word, plan, weighed, giver.roles, now) is not None:
                continue
            voice = Approval(
                actor=giver.actor,
                actor_name=giver.name,
                principal=word.given.by.principal,
                authtype="local",
                actor_version=1,
                roles=giver.roles,
            )
            where = f"{TENANT}/standing-{ident}"
            return Offer(where, len(events), word.given, word.used, voice)
        return None

    def use_elsewhere(self, offer: Offer, now: datetime) -> None:
        """Another task is let through by the same word first."""
        ident, use = offer.given.standing, offer.used + 1
        assert use <= offer.given.max_uses
        assert now < offer.given.until
        used = StandingUsed(
            standing=ident,
            use=use,
            task=self._new(),
            number=1,
            plan_hash=digest(b"another"),
            grant=1,
            run=self._new(),
        )
        self.words[ident].append(used)

    def standing(self, ident: UUID) -> StandingView:
        """A standing word, as the gateway knows it."""
        return fold(StandingView(), evolve_standing, self.words.get(ident, []))

    def _known(self, name: str) -> Known:
        mapped = self.mapped(name)
        return Known(f"{TENANT}/actor-{mapped.actor}", 1, mapped, ())

    def _new(self) -> UUID:
        self._ids += 1
        return uuid5(_NAMES, f"{TASK}/{self._ids}")
