"""Who may change which policy is in force: the pure decider, example by example and at random."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from smartops.contracts.canonical import digest
from smartops.contracts.commands import BundleActivate, BundlePropose, BundleShadow, BundleSign
from smartops.contracts.events import (
    ActorMapped,
    PolicyBundleActivated,
    PolicyBundleProposed,
    PolicyBundleShadowed,
    PolicyBundleSigned,
)
from smartops.contracts.ids import actor_id
from smartops.contracts.wire import EventData
from smartops.policy.bundles import changes as bundling
from smartops.policy.bundles.changes import ADMIN, Bundles, Tried, Who
from smartops.runtime.decision import Decision

NAMES = ("ada", "olga", "emil")
DIGESTS = tuple(digest(text.encode()) for text in ("one", "two", "three"))
FIRST = digest(b"first")


def who(name: str, *, roles: tuple[str, ...] = (ADMIN,), disabled: bool = False) -> Who:
    """Somebody that the directory knows."""
    actor = ActorMapped(
        actor=actor_id("acme", name), name=name, principals=(name,), roles=roles, disabled=disabled
    )
    return Who(name, actor, 3, ((f"acme/actor-{actor.actor}", 3),))


def tried(of: str) -> Tried:
    """A bundle that passed its test."""
    return Tried(of, digest(of.encode()), 9, 40, "regorus", "1")


def begun() -> Bundles:
    """What is known once policy has started for the first time."""
    first = PolicyBundleActivated(
        name="default",
        digest=FIRST,
        engine="regorus",
        engine_version="1",
        document=digest(FIRST.encode()),
        reason="the first bundle of this log",
    )
    return bundling.evolve(Bundles(), first)


def after(state: Bundles, *decisions: Decision) -> Bundles:
    """The state once these were stored."""
    for decision in decisions:
        for event in decision.events:
            state = bundling.evolve(state, event)
    return state


def propose(state: Bundles, by: Who, of: str = DIGESTS[0]) -> Decision:
    return bundling.propose(state, BundlePropose(document="x", reason="why"), by, tried(of))


def sign(state: Bundles, by: Who, of: str = DIGESTS[0]) -> Decision:
    return bundling.sign(state, BundleSign(digest=of, reason="why"), by)


def activate(state: Bundles, by: Who, of: str = DIGESTS[0]) -> Decision:
    return bundling.activate(state, BundleActivate(digest=of, reason="why"), by)


def shadow(state: Bundles, by: Who, of: str | None = DIGESTS[0]) -> Decision:
    return bundling.shadow(state, BundleShadow(digest=of, reason="why"), by)


def code(decision: Decision) -> str | None:
    return None if decision.refusal is None else decision.refusal.code


def test_one_proposes_another_signs_and_then_it_is_in_force() -> None:
    state = begun()
    proposed = propose(state, who("ada"))
    assert [type(event) for event in proposed.events] == [PolicyBundleProposed]
    state = after(state, proposed)
    state = after(state, sign(state, who("olga")))
    activated = activate(state, who("ada"))
    [event] = activated.events
    assert isinstance(event, PolicyBundleActivated)
    assert (event.digest, event.actor_name, event.document) == (
        DIGESTS[0],
        "ada",
        digest(DIGESTS[0].encode()),
    )
    assert activated.reads == who("ada").reads
    state = after(state, activated)
    assert state.active is not None
    assert state.active.digest == DIGESTS[0]


def test_who_proposed_it_does_not_sign_it() -> None:
    state = after(begun(), propose(begun(), who("ada")))
    assert code(sign(state, who("ada"))) == "four_eyes"
    assert code(activate(state, who("ada"))) == "unsigned"
    assert code(activate(state, who("olga"))) == "unsigned"


def test_who_proposed_it_does_not_sign_it_in_another_tenant_either() -> None:
    """There the same person is another actor; the credential tells."""
    state = after(begun(), propose(begun(), who("ada")))
    for name, principals in (("ada", ("ada",)), ("countess", ("phone", "ada"))):
        elsewhere = ActorMapped(
            actor=actor_id("other", name), name=name, principals=principals, roles=(ADMIN,)
        )
        for credential in principals:
            by = Who(credential, elsewhere, 1, ((f"other/actor-{elsewhere.actor}", 1),))
            assert code(sign(state, by)) == "four_eyes"


def test_nobody_signs_twice_or_what_nobody_proposed() -> None:
    state = after(begun(), propose(begun(), who("ada")))
    assert code(sign(state, who("olga"), DIGESTS[1])) == "not_found"
    state = after(state, sign(state, who("olga")))
    assert code(sign(state, who("olga"))) == "signed"


@pytest.mark.parametrize(
    ("by", "refusal"),
    [
        (Who("stranger"), "unmapped"),
        (who("ada", roles=("approver",)), "forbidden"),
        (who("ada", disabled=True), "forbidden"),
    ],
    ids=["unmapped", "without the role", "disabled"],
)
def test_only_policy_admins_change_policy(by: Who, refusal: str) -> None:
    state = after(begun(), propose(begun(), who("emil")))
    for decision in (
        propose(begun(), by),
        sign(state, by),
        activate(after(state, sign(state, who("olga"))), by),
        shadow(state, by),
    ):
        assert code(decision) == refusal
        assert not decision.events
    assert bundling.may_change(by) is not None
    assert bundling.may_change(who("ada")) is None


def test_a_bundle_is_proposed_once_and_not_while_it_is_in_force() -> None:
    state = after(begun(), propose(begun(), who("ada")))
    assert code(propose(state, who("olga"))) == "proposed"
    assert code(propose(state, who("olga"), FIRST)) == "active"
    assert code(activate(state, who("olga"), FIRST)) == "active"


def test_one_goes_back_to_what_was_in_force_before() -> None:
    state = begun()
    state = after(state, propose(state, who("ada")))
    state = after(state, sign(state, who("olga")))
    state = after(state, activate(state, who("ada")))
    back = activate(state, who("olga"), FIRST)
    [event] = back.events
    assert isinstance(event, PolicyBundleActivated)
    assert event.digest == FIRST
    assert event.document == digest(FIRST.encode())
    again = activate(after(state, back), who("olga"))
    assert code(again) is None


def test_a_bundle_of_which_no_copy_was_kept_is_not_gone_back_to() -> None:
    old = PolicyBundleActivated(
        name="default", digest=DIGESTS[2], engine="e", engine_version="1", document=None
    )
    state = bundling.evolve(bundling.evolve(Bundles(), old), begun().active or old)
    assert code(activate(state, who("ada"), DIGESTS[2])) == "not_found"


def test_a_shadow_needs_no_signature_and_has_no_authority() -> None:
    state = after(begun(), propose(begun(), who("ada")))
    set_ = shadow(state, who("ada"))
    [event] = set_.events
    assert isinstance(event, PolicyBundleShadowed)
    state = after(state, set_)
    assert state.shadow is not None
    assert state.active is not None
    assert state.active.digest == FIRST
    assert code(shadow(state, who("olga"))) == "shadow"
    assert code(shadow(state, who("olga"), DIGESTS[1])) == "not_found"
    state = after(state, shadow(state, who("olga"), None))
    assert state.shadow is None
    assert code(shadow(state, who("olga"), None)) == "shadow"


@pytest.mark.parametrize(
    ("tenant", "governing", "tenants", "may"),
    [
        ("acme", None, {"acme"}, True),
        ("acme", None, set(), True),
        ("acme", None, {"acme", "other"}, False),
        ("acme", "acme", {"acme", "other"}, True),
        ("other", "acme", {"acme", "other"}, False),
        ("other", "acme", {"other"}, False),
    ],
)
def test_one_tenant_governs_what_holds_for_all(
    tenant: str, governing: str | None, tenants: set[str], *, may: bool
) -> None:
    assert (bundling.shut_out(tenant, governing, tenants) == "") is may


@pytest.mark.parametrize(
    "decide",
    [
        lambda state, one: bundling.propose(
            state, BundlePropose(document="x", reason="y"), one, tried(DIGESTS[0])
        ),
        lambda state, one: bundling.sign(state, BundleSign(digest=DIGESTS[0], reason="y"), one),
        lambda state, one: bundling.activate(
            state, BundleActivate(digest=DIGESTS[0], reason="y"), one
        ),
        lambda state, one: bundling.shadow(state, BundleShadow(digest=None, reason="y"), one),
    ],
)
def test_a_policy_admin_of_another_tenant_changes_nothing(
    decide: Callable[[Bundles, Who], Decision],
) -> None:
    stranger = replace(who("emil"), shut_out="policy is changed by people of acme alone")
    refusal = decide(begun(), stranger).refusal
    assert refusal is not None
    assert (refusal.code, refusal.field) == ("forbidden", "tenant")


class Governance(RuleBasedStateMachine):
    """Anybody says anything in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.state = begun()
        self.log: list[EventData] = []

    def _store(self, decision: Decision) -> None:
        assert bool(decision.events) is not (decision.refusal is not None)
        assert decision.reads, "the right to say so is a condition"
        self.log += decision.events
        self.state = after(self.state, decision)

    @rule(name=st.sampled_from(NAMES), of=st.sampled_from((*DIGESTS, FIRST)))
    def proposes(self, name: str, of: str) -> None:
        self._store(propose(self.state, who(name), of))

    @rule(name=st.sampled_from(NAMES), of=st.sampled_from((*DIGESTS, FIRST)))
    def signs(self, name: str, of: str) -> None:
        self._store(sign(self.state, who(name), of))

    @rule(name=st.sampled_from(NAMES), of=st.sampled_from((*DIGESTS, FIRST)))
    def activates(self, name: str, of: str) -> None:
        self._store(activate(self.state, who(name), of))

    @rule(name=st.sampled_from(NAMES), of=st.sampled_from((*DIGESTS, FIRST, None)))
    def shadows(self, name: str, of: str | None) -> None:
        self._store(shadow(self.state, who(name), of))

    @invariant()
    def beyond_the_first_two_people_stand_behind_what_is_in_force(self) -> None:
        active = self.state.active
        assert active is not None
        if active.digest == FIRST:
            return
        # From the events alone, so that the fold is held to them as well.
        proposer: set[UUID] = set()
        signers: set[UUID] = set()
        for event in self.log:
            if getattr(event, "digest", None) != active.digest:
                continue
            if isinstance(event, PolicyBundleProposed):
                proposer.add(event.actor)
            elif isinstance(event, PolicyBundleSigned):
                signers.add(event.actor)
        assert len(proposer) == 1
        assert signers - proposer

    @invariant()
    def what_is_in_force_was_activated_last(self) -> None:
        said: list[Any] = [e for e in self.log if isinstance(e, PolicyBundleActivated)]
        expected = said[-1].digest if said else FIRST
        assert self.state.active is not None
        assert self.state.active.digest == expected


TestGovernance = Governance.TestCase
