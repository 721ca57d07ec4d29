"""A plan that waits while another policy comes into force: nobody may approve what it forbids."""

from __future__ import annotations

from typing import cast

import pytest
from smartops.contracts.canonical import digest
from smartops.contracts.deciding import Evidence
from smartops.contracts.events import TaskPlanReturned, TaskStepWithheld
from smartops.eventstore.store import EventStore
from smartops.policy.gate.reweighing import steps_again, withheld
from smartops.policy_engine import (
    Asked,
    Denial,
    PolicyEngine,
    RegorusEngine,
    Verdict,
    decision_of,
    default_bundle_path,
)
from support.approvals import NOW, TERMS, required, validated
from support.grants import grant_for, sent_back
from support.plans import TASK, plan
from support.policy_documents import call, grant

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


class Stored:
    """The questions that were recorded."""

    def __init__(self, *questions: bytes) -> None:
        self._blobs = {bytes.fromhex(digest(one).removeprefix("sha256:")): one for one in questions}

    async def blob(self, _tenant: str, of: bytes) -> bytes:
        return self._blobs[of]


@pytest.mark.parametrize(
    ("changed", "allowed"),
    [
        # It was granted by policy itself, or so long ago that it was over: a person's word helps.
        ({"grant": grant(automatic=True)}, True),
        ({"grant": grant(expires_at_ms=0)}, True),
        # It was another environment's, which no voice mends.
        ({"grant": grant(environment="staging")}, False),
    ],
)
async def test_a_step_that_was_withheld_is_asked_about_as_it_would_go_out_with_a_persons_word(
    changed: dict[str, object], *, allowed: bool
) -> None:
    engine = RegorusEngine.load(default_bundle_path())
    question = call(**changed).canonical_bytes()
    assert not engine.decide("tool_call", question).allow
    granted = grant_for(PLAN)
    noted = TaskStepWithheld(task=TASK, run=granted.run, call=TASK, step="x", grant=1)
    [returned] = sent_back(PLAN, granted, (noted,))
    assert isinstance(returned, TaskPlanReturned)
    [step] = returned.withheld
    step = step.model_copy(update={"input": digest(question)})
    returned = returned.model_copy(update={"withheld": (step,)})
    store = cast("EventStore", Stored(question))
    [again] = await steps_again(store, "acme", returned, engine, NOW, NOW + TERMS.grant_ttl)
    assert again.verdict.allow is allowed
