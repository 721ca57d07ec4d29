"""A voice with a condition: refused at the door, joined with others, and what breaking it does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from smartops.contracts.bounds import Envelope, Limits
from smartops.contracts.events import (
    TaskApprovalGranted,
    TaskApprovalRecorded,
    TaskConditionChecked,
    TaskGrantRevoked,
)
from smartops.contracts.measured import Measured
from smartops.contracts.requirement import read_requirement
from smartops.policy import domain
from smartops.policy.agents.outcomes import drawn_closer
from smartops.policy.gate.bounds import envelope_of
from smartops.policy.gate.state import Gate, evolve
from smartops.runtime.decision import Decision
from support.approvals import Person, required, validated, voting
from support.given import Given, given
from support.grants import grant_for
from support.plans import TASK, plan

LOW = Limits(condition="error_rate < 1%")
BEN = Person("ben")
CYD = Person("cyd")


def asked(quorum: int = 1) -> Given[Gate]:
    """A plan waits for people."""
    return given(Gate(), evolve, validated(plan()), required(plan(), quorum=quorum))


def approving(who: Person = BEN, limits: Limits = LOW) -> Callable[[Gate], Decision]:
    return lambda gate: voting(gate, who.voter(), limits=limits)


def test_a_condition_stands_in_the_voice_as_it_was_said_and_in_the_grant() -> None:
    outcome = asked().when(approving(limits=Limits(condition="error_rate<1%", max_calls=3)))
    outcome.then(TaskApprovalRecorded, TaskApprovalGranted)
    assert outcome.event(TaskApprovalRecorded).limits.condition == "error_rate<1%"
    envelope = outcome.event(TaskApprovalGranted).envelope
    assert envelope is not None
    assert (envelope.condition, envelope.max_calls) == ("error_rate < 1%", 3)


def test_of_several_voices_all_conditions_must_hold() -> None:
    once = asked(quorum=2).when(approving()).then(TaskApprovalRecorded)
    either = Limits(condition="latency_p99 < 1s or http_200 >= 99%")
    outcome = once.after.when(approving(CYD, either))
    envelope = outcome.event(TaskApprovalGranted).envelope
    assert envelope is not None
    assert envelope.condition == "error_rate < 1% and (latency_p99 < 1s or http_200 >= 99%)"
    assert read_requirement(envelope.condition)


def test_a_voice_without_one_takes_nothing_from_the_others() -> None:
    once = asked(quorum=2).when(approving()).after
    envelope = once.when(approving(CYD, Limits())).event(TaskApprovalGranted).envelope
    assert envelope is not None
    assert envelope.condition == "error_rate < 1%"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("error_rate", "is wanted at character 11"),
        ("   ", "write one like 'error_rate < 1%'"),
        ("error_rate < 1", "a number that has %"),
        ("queue < 10", "nobody measures 'queue' for this plan"),
    ],
)
def test_what_is_no_condition_or_cannot_be_measured_is_refused_by_its_field(
    text: str, told: str
) -> None:
    outcome = asked().when(approving(limits=Limits(condition=text)))
    outcome.then_refused("no_condition", "limits.condition")
    assert outcome.decision.refusal is not None
    assert told in outcome.decision.refusal.message


def test_more_conditions_than_can_be_read_together_are_refused() -> None:
    many = " and ".join(f"error_rate<{number}%" for number in range(26))
    other = " and ".join(f"http_200>{number}%" for number in range(26))
    once = asked(quorum=2).when(approving(limits=Limits(condition=many))).after
    outcome = once.when(approving(CYD, Limits(condition=other)))
    outcome.then_refused("no_condition", "limits.condition")


def test_a_rejection_has_no_condition() -> None:
    outcome = asked().when(lambda gate: voting(gate, BEN.voter(), "reject", limits=LOW))
    outcome.then_refused("nothing_to_limit", "limits")


# ---- broken ------------------------------------------------------------------------------------


def granted(condition: str | None = LOW.condition) -> Given[Gate]:
    envelope = Envelope(max_targets=1, max_calls=9, condition=condition)
    return given(Gate(), evolve, grant_for(plan(), envelope=envelope))


def checked(**fields: Any) -> Callable[[Gate], Decision]:
    """The run tells what it has measured."""
    told = TaskConditionChecked.model_validate(
        {
            "task": TASK,
            "run": grant_for(plan()).run,
            "condition": "error_rate < 1%",
            "phase": 0,
            "batch": 0,
            "outcome": "broken",
            "calls": (uuid4(),),
            "values": {"error_rate": Measured(low=0.3, high=0.3, complete=True)},
            "rounds": 1,
            "detail": "error_rate 0.3",
        }
        | fields
    )
    return lambda gate: domain.unmet(gate, told)


def test_a_broken_condition_ends_the_grant_once() -> None:
    outcome = granted().when(checked()).then(TaskGrantRevoked)
    revoked = outcome.event(TaskGrantRevoked)
    assert (revoked.principal, revoked.actor, revoked.grant) == ("runner", None, 1)
    told = "granted while error_rate < 1%, and it does not hold: error_rate 0.3"
    assert revoked.reason == told
    outcome.after.when(checked()).then_nothing()


@pytest.mark.parametrize(
    "fields",
    [{"outcome": "holds"}, {"outcome": "unknown"}, {"run": uuid4()}, {"condition": "x < 1"}],
    ids=["it holds", "nobody knows", "another run", "another condition"],
)
def test_nothing_else_that_is_told_of_a_condition_does(fields: dict[str, Any]) -> None:
    granted().when(checked(**fields)).then_nothing()


def test_a_grant_without_a_condition_cannot_break_one() -> None:
    granted(None).when(checked()).then_nothing()
    given(Gate(), evolve).when(checked()).then_nothing()


def test_an_agent_is_not_to_blame_for_what_its_approvers_foresaw() -> None:
    made = plan()
    assert drawn_closer(grant_for(made, envelope=envelope_of(made, [LOW])), made)
    assert not drawn_closer(grant_for(made, envelope=envelope_of(made)), made)
