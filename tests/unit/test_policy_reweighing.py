"""A plan that waits while another policy comes into force: nobody may approve what it forbids."""

from __future__ import annotations

from typing import cast

import pytest
from smartops.contracts.canonical import digest
from smartops.contracts.deciding import Evidence
from smartops.policy.gate.reweighing import withheld
from smartops.policy_engine import Asked, Denial, PolicyEngine, Verdict, decision_of
from support.approvals import required, validated
from support.plans import plan

PLAN = plan()
NOW_IN_FORCE = digest(b"the bundle now in force")


class Engine:
    """As much of one as is asked for."""

    bundle_digest = NOW_IN_FORCE


ENGINE = cast("PolicyEngine", Engine())


def asked(*, allow: bool = True, quorum: int = 1, roles: tuple[str, ...] = ("approver",)) -> Asked:
    """What the gate's question was answered."""
    verdict = Verdict(
        allow=allow,
        requires_approval=True,
        denials=() if allow else (Denial("closed", "/steps", "nothing is planned today"),),
        rules=("rule",),
        engine="regorus",
        engine_version="1",
        bundle_digest=NOW_IN_FORCE,
        input_digest=digest(b"{}"),
        quorum=quorum,
        roles=roles,
    )
    return Asked(verdict, Evidence(decision_of("gate", verdict), b"{}"))


def test_under_the_bundle_that_weighed_it_nothing_is_asked() -> None:
    same = validated(PLAN).model_copy(update={"bundle": NOW_IN_FORCE})
    assert withheld(same, required(PLAN), ENGINE, ()) == ()


def test_a_bundle_that_says_the_same_withholds_nothing() -> None:
    assert withheld(validated(PLAN), required(PLAN), ENGINE, [asked()]) == ()


def test_what_the_new_bundle_denies_is_told_in_its_words() -> None:
    said = withheld(validated(PLAN), required(PLAN), ENGINE, [asked(), asked(allow=False)])
    assert said == ("under the policy now in force: nothing is planned today",)


@pytest.mark.parametrize("more", [{"quorum": 2}, {"roles": ("approver", "senior-approver")}])
def test_who_was_asked_is_not_enough_any_more(more: dict[str, object]) -> None:
    [said] = withheld(validated(PLAN), required(PLAN), ENGINE, [asked(**more)])  # type: ignore[arg-type]
    assert "must agree" in said
    assert "planned anew" in said


def test_without_its_questions_nobody_can_say() -> None:
    [said] = withheld(validated(PLAN), required(PLAN), ENGINE, ())
    assert "planned anew" in said
