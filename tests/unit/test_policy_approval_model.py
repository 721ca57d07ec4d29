"""The gate against any crowd: no grant without enough distinct, authorised, uninvolved people.

Or with a standing word that holds and is counted, or by a broken glass that is on record.
"""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta
from itertools import combinations
from uuid import UUID

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from smartops.contracts.events import (
    ActorDelegated,
    ActorMapped,
    Approval,
    StandingRevoked,
    TaskApprovalEscalated,
    TaskApprovalGranted,
    TaskBreakGlassUsed,
)
from smartops.contracts.folds import ActorView, GateView, evolve_actor, evolve_gate
from smartops.contracts.ids import actor_id
from smartops.contracts.wire import Environment, EventData
from smartops.policy import domain
from smartops.policy.gate.quorum import holds, lapsed
from smartops.policy.gate.state import Gate, evolve
from smartops.policy.mandates.delegation import handed_to
from smartops.policy.mandates.offers import Standing, covers, evolve_standing
from smartops.runtime.decision import Decision, Elsewhere, Refusal
from support.approvals import (
    NOW,
    TERMS,
    Person,
    breaking,
    given_word,
    offer_of,
    planned,
    voting,
    weighed,
)
from support.plans import TASK, TENANT, plan

PEOPLE = {
    "ana": ("approver", "senior-approver", "break-glass"),  # Asked for the work.
    "edd": ("approver",),  # Edited the plan.
    "ben": ("approver",),
    "cyd": ("approver",),
    "sue": ("senior-approver",),
    "dora": ("duty-manager",),
    "gus": ("break-glass",),
    "eve": (),
}
INVOLVED = {actor_id(TENANT, "ana"), actor_id(TENANT, "edd")}
NAMES = {actor_id(TENANT, name): name for name in PEOPLE}
PLAN = plan()
WHERE = PLAN.header.environment


class Crowd(RuleBasedStateMachine):
    """One plan, and everybody who would like to let it run."""

    @initialize(
        quorum=st.integers(1, 3),
        roles=st.sampled_from(
            [("approver",), ("approver", "senior-approver"), ("senior-approver",)]
        ),
    )
    def begin(self, quorum: int, roles: tuple[str, ...]) -> None:
        self.quorum, self.roles = quorum, roles
        self.now = NOW
        self.actors = {
            name: evolve_actor(
                ActorView(),
                ActorMapped(actor=actor_id(TENANT, name), name=name, principals=(), roles=held),
            )
            for name, held in PEOPLE.items()
        }
        self.standing = Standing()
        self.standing_version = 0
        self.standing_grants = 0
        self.another_task()

    # --- what happens

    @precondition(lambda self: self.gate.grant is not None or self.gate.outcome is not None)
    @rule()
    def another_task(self) -> None:
        self.gate, self.view = Gate(), GateView()
        self.now = NOW
        self.escalated: list[str] = []
        self.broken = False

    @precondition(lambda self: self.gate.number == 0)
    @rule(stale=st.booleans(), alone=st.integers(0, 9))
    def a_plan_arrives(self, stale: bool, alone: int) -> None:  # noqa: FBT001
        found = weighed(quorum=self.quorum, roles=self.roles, requires_approval=alone > 0)
        roles = self.actors["sue"].mapped
        assert roles is not None
        offer = None
        if covers(self.standing, PLAN, found, roles.roles, self.now) is None:
            version = self.standing_version - stale
            offer = offer_of(self.standing, version)
        decision = domain.weigh(self.gate, TASK, planned(PLAN), PLAN, found, TERMS, self.now, offer)
        if any(write.expected != self.standing_version for write in decision.elsewhere):
            return  # The append says that somebody was faster, and nothing of it happens.
        self._tell(decision)

    @rule(
        name=st.sampled_from(sorted(PEOPLE)),
        speaking_for=st.sampled_from([None, None, *sorted(PEOPLE)]),
        word=st.sampled_from(["approve"] * 9 + ["reject"]),
    )
    def somebody_speaks(self, name: str, speaking_for: str | None, word: str) -> None:
        mapped = self.actors[name].mapped
        assert mapped is not None
        giver = None if speaking_for in (None, name) else speaking_for
        roles, refusal = mapped.roles, None
        if giver is not None:
            there = self.actors[giver]
            held = there.mapped.roles if there.mapped is not None else ()
            roles = handed_to(there.delegations, mapped.actor, WHERE, held, self.now)
            refusal = None if roles else Refusal("no_delegation", "none", "for_actor")
        asked = (*self.roles, *self.escalated)
        # What policy's text says of roles and of a hand in the plan, in few words.
        allowed = any(holds(roles, role) for role in asked)
        voter = replace(
            Person(name, roles).voter(
                speaking_for=None if giver is None else Person(giver, roles),
                requester_actor=actor_id(TENANT, "ana"),
                editors=(actor_id(TENANT, "edd"),),
            ),
            lapsed=self._lapsed(),
            refusal=refusal,
            denials=() if allowed else ("deciding needs a role",),
        )
        decision = voting(
            self.gate, voter, "approve" if word == "approve" else "reject", now=self.now
        )
        if decision.events and word == "approve":
            persons = {actor_id(TENANT, one) for one in (name, giver) if one is not None}
            assert not persons & INVOLVED, "four eyes, whoever speaks for whom"
            assert allowed
            assert refusal is None
        self._tell(decision)

    @rule(
        name=st.sampled_from(sorted(PEOPLE)),
        to=st.sampled_from(sorted(PEOPLE)),
        minutes=st.sampled_from([5, 30, 600]),
        here=st.booleans(),
    )
    def a_voice_is_handed_over(self, name: str, to: str, minutes: int, here: bool) -> None:  # noqa: FBT001
        mapped = self.actors[name].mapped
        assert mapped is not None
        given = ActorDelegated(
            delegation=actor_id(TENANT, f"{name}-{to}"),
            actor=mapped.actor,
            name=name,
            principal=name,
            to=actor_id(TENANT, to),
            to_name=to,
            roles=tuple(role for role in mapped.roles if role != "break-glass") or ("approver",),
            environments=(WHERE if here else Environment.SANDBOX,),
            until=self.now + timedelta(minutes=minutes),
            reason="on leave",
        )
        self.actors[name] = evolve_actor(self.actors[name], given)

    @rule(
        name=st.sampled_from(sorted(PEOPLE)),
        roles=st.sampled_from([(), ("approver",), ("operator",)]),
    )
    def roles_change(self, name: str, roles: tuple[str, ...]) -> None:
        mapped = self.actors[name].mapped
        assert mapped is not None
        told = mapped.model_copy(update={"roles": roles or PEOPLE[name]})
        self.actors[name] = evolve_actor(self.actors[name], told)

    @precondition(lambda self: self.standing.given is None)
    @rule(uses=st.integers(1, 2), minutes=st.sampled_from([5, 60]))
    def a_standing_word_is_given(self, uses: int, minutes: int) -> None:
        sue = Person("sue", PEOPLE["sue"])
        until = self.now + timedelta(minutes=minutes)
        self._count(given_word(sue, max_uses=uses, until=until))

    @precondition(lambda self: self.standing.given is not None)
    @rule()
    def it_is_taken_back(self) -> None:
        given = self.standing.given
        assert given is not None
        actor = given.by.actor
        self._count(
            StandingRevoked(
                standing=given.standing, principal="sue", actor=actor, name="sue", reason="no"
            )
        )

    @rule(name=st.sampled_from(["gus", "ana", "ben"]))
    def somebody_breaks_the_glass(self, name: str) -> None:
        mapped = self.actors[name].mapped
        assert mapped is not None
        may = "break-glass" in mapped.roles
        voter = replace(Person(name, mapped.roles).voter(), denials=() if may else ("no role",))
        decision = breaking(self.gate, voter, now=self.now)
        assert may or not decision.events
        self._tell(decision)

    @rule(minutes=st.sampled_from([1, 10, 31]))
    def time_passes(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @rule(index=st.integers(0, 1))
    def a_prompt_fires(self, index: int) -> None:
        required = self.gate.required
        if required is None or self.now < required.prompts[index].at:
            return
        before = self.gate
        decision = domain.prompt(self.gate, f"prompt/1/{index}", self.now)
        if before.grant is not None or before.outcome is not None:
            assert not decision.events, "a late prompt changes nothing"
        self._tell(decision)

    @rule()
    def it_expires(self) -> None:
        required = self.gate.required
        if required is not None and self.now >= required.expires_at:
            due = required.expires_at
            self._tell(domain.expire(self.gate, "expiry/1", due, self.now))

    def _roles_now(self, voice: Approval) -> tuple[str, ...]:
        """What was noted of a voice's roles, as far as they are still held."""
        owner = self.actors[NAMES[voice.for_actor or voice.actor]].mapped
        held = () if owner is None else owner.roles
        return tuple(role for role in voice.roles if holds(held, role))

    def _lapsed(self) -> tuple[Approval, ...]:
        """Voices that count no more, as is found out before each vote."""
        if self.gate.required is None:
            return ()
        people = {actor_id(TENANT, name): one.mapped for name, one in self.actors.items()}
        known = {actor: mapped for actor, mapped in people.items() if mapped is not None}
        voices = [one.by for one in self.gate.yes]
        return lapsed(self.gate.required, self.gate.escalated, voices, known)

    # --- what must hold

    def _tell(self, decision: Decision) -> None:
        if decision.refusal is not None or decision.answer is not None:
            assert not decision.events
        for event in decision.events:
            self._believe(event, decision)
            self.gate = evolve(self.gate, event)
            self.view = evolve_gate(self.view, event)
            assert not self.view.unfounded, "the gateway would not believe it"
        for write in decision.elsewhere:
            for event in write.events:
                self._count(event)

    def _count(self, event: EventData) -> None:
        self.standing = evolve_standing(self.standing, event)
        self.standing_version += 1

    def _believe(self, event: EventData, decision: Decision) -> None:
        required = self.gate.required
        if isinstance(event, TaskApprovalEscalated):
            assert required is not None
            assert event.quorum == required.quorum == self.quorum, "never fewer"
            self.escalated.append(event.role)
        if isinstance(event, TaskBreakGlassUsed):
            self.broken = True
        if not isinstance(event, TaskApprovalGranted):
            return
        assert self.gate.grant is None, "once"
        assert self.gate.outcome is None
        if event.automatic:
            assert self.gate.required is None
            assert not event.approvals
        elif event.break_glass:
            assert self.broken, "on record first"
            [voice] = event.approvals
            assert "break-glass" in voice.roles
        elif event.standing is not None:
            self._by_standing(event, decision.elsewhere)
        else:
            self._by_people(event)

    def _by_standing(self, event: TaskApprovalGranted, writes: object) -> None:
        given = self.standing.given
        assert isinstance(writes, list)
        [write] = writes
        assert isinstance(write, Elsewhere)
        assert given is not None
        assert self.standing.revoked is None
        assert self.now < given.until
        self.standing_grants += 1
        assert self.standing_grants <= given.max_uses
        assert self.quorum == 1, "one standing word is no quorum"
        assert event.expires_at <= given.until
        assert not {voice.actor for voice in event.approvals} & INVOLVED

    def _by_people(self, event: TaskApprovalGranted) -> None:
        required = self.gate.required
        assert required is not None
        assert self.now < required.expires_at
        voices = event.approvals
        assert len(voices) >= self.quorum, "enough of them"
        for one, other in combinations(voices, 2):
            assert not one.persons & other.persons, "and all of them different people"
        for voice in voices:
            assert not voice.persons & INVOLVED, "none of whom had a hand in it"
            owner = self.actors[NAMES[voice.for_actor or voice.actor]].mapped
            assert owner is not None
            wanted = (*required.roles, *self.escalated)
            assert any(holds(owner.roles, role) for role in wanted), "who holds a role by now"
        for role in required.roles:
            assert any(
                holds(self._roles_now(voice), role) or set(voice.roles) & set(self.escalated)
                for voice in voices
            ), f"one of them {role}"
        spoken = {(one.by.actor, one.by.for_actor) for one in self.gate.yes}
        last: set[tuple[UUID, UUID | None]] = {(v.actor, v.for_actor) for v in voices} - spoken
        assert len(last) <= 1, "all but the last had spoken before"


TestCrowd = Crowd.TestCase
TestCrowd.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)


@pytest.mark.parametrize("seed", range(4))
def test_no_random_crowd_gets_a_plan_through_that_it_may_not(seed: int) -> None:
    """More and longer lives than shrinking allows, mostly of people who hand over and vote."""
    dice = random.Random(seed)
    ways: set[str] = set()
    for _ in range(200):
        crowd = Crowd()
        roles = [("approver",), ("approver",), ("approver", "senior-approver")]
        crowd.begin(quorum=dice.choice((1, 2, 2, 3)), roles=dice.choice(roles))
        for _ in range(40):
            _live(crowd, dice)
            ways |= _ways(crowd.gate.grant)
    assert ways >= {"people", "for another", "escalated", "standing", "glass"}, "all were tried"


def _ways(grant: TaskApprovalGranted | None) -> set[str]:
    """By what it came about."""
    if grant is None or grant.automatic:
        return set()
    if grant.break_glass or grant.standing is not None:
        return {"glass" if grant.break_glass else "standing"}
    roles = {role for voice in grant.approvals for role in voice.roles}
    spoken = any(voice.for_actor for voice in grant.approvals)
    return {"people", *(["for another"] * spoken), *(["escalated"] * ("duty-manager" in roles))}


def _live(crowd: Crowd, dice: random.Random) -> None:
    asked_last = ["dora"] * 3 if crowd.escalated else []
    luck, someone = dice.random(), dice.choice([*sorted(PEOPLE), *asked_last])
    if luck < 0.12 and crowd.gate.number == 0:
        crowd.a_plan_arrives(stale=dice.random() < 0.2, alone=dice.randint(0, 9))
    elif luck < 0.30:
        crowd.a_voice_is_handed_over(
            name=someone,
            to=dice.choice(sorted(PEOPLE)),
            minutes=dice.choice((5, 30, 600)),
            here=dice.random() < 0.8,
        )
    elif luck < 0.75:
        givers = [
            name
            for name, actor in crowd.actors.items()
            if any(one.to == actor_id(TENANT, someone) for one in actor.delegations)
        ]
        crowd.somebody_speaks(
            name=someone,
            speaking_for=dice.choice([None, *givers, *givers]),
            word="reject" if dice.random() < 0.02 else "approve",
        )
    elif luck < 0.80:
        crowd.roles_change(name=someone, roles=dice.choice(((), ("approver",), ("operator",))))
    elif luck < 0.83:
        if crowd.standing.given is None:
            crowd.a_standing_word_is_given(uses=dice.randint(1, 2), minutes=60)
        elif dice.random() < 0.5:
            crowd.it_is_taken_back()
    elif luck < 0.84:
        crowd.somebody_breaks_the_glass(name=dice.choice(("gus", "ana", "ben")))
    elif luck < 0.92:
        crowd.time_passes(minutes=dice.choice((1, 20, 31)))
        for index in (0, 1):
            crowd.a_prompt_fires(index=index)
    elif luck < 0.97:
        if crowd.gate.grant is not None or crowd.gate.outcome is not None:
            crowd.another_task()
    else:
        crowd.it_expires()
