"""Uncertain calls: read back, sent again only where that is safe, or settled by a person."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from pydantic import JsonValue
from smartops.contracts.commands import CallSettle
from smartops.contracts.events import (
    ActorMapped,
    ToolCallCompleted,
    ToolCallDispatched,
    ToolCallSettled,
    ToolCallUncertain,
)
from smartops.contracts.wire import Idempotence
from smartops.runtime.decision import Decision
from smartops.tool_gateway import domain, settling
from smartops.tool_gateway.domain import MAX_SENDS, Dispatch
from smartops.tool_gateway.ports import Answer, NotApplied, Unknown
from smartops.tool_gateway.settling import MAX_PROBES, Again, Found, Settler, judge
from smartops.tool_gateway.state import Call, evolve
from support.call_facts import KEY, facts_of
from support.given import Given, given

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(seconds=6)
"""Behind the deadline."""
CALL = UUID("33333333-3333-5333-8333-333333333333")
FIRST = UUID("55555555-5555-4555-8555-555555555555")
SECOND = UUID("66666666-6666-4666-8666-666666666666")
ANNA = UUID("77777777-7777-5777-8777-777777777777")
READS = (("acme/gate-1", 4),)
ACTOR = (("acme/actor-1", 2),)
SILENCE = Unknown("the connection broke")

FACTS = facts_of("set", "key-1", {"asset": "key-1", "value": "b", "expected_revision": 3})
BEFORE: JsonValue = {"key": "key-1", "value": "a", "revision": 3}
APPLIED = Found("applied", "value as wanted", {"value": "b"})
NOT_APPLIED = Found("not_applied", "it is as it was before", BEFORE)
UNCLEAR = Found("unclear", "somebody else was there", {"value": "c"})

AGAIN = Again(
    incarnation=SECOND,
    now=LATER,
    timeout=timedelta(seconds=5),
    stop=None,
    compare_and_set=True,
    alive=True,
    reads=READS,
)
PERSON = Settler(
    principal="p-anna",
    actor=ActorMapped(actor=ANNA, name="anna", principals=("p-anna",), roles=("approver",)),
    compare_and_set=False,
    alive=True,
    now=LATER,
    reads=ACTOR,
)


def sent(idempotence: Idempotence, *, attempt: int = 1) -> Given[Call]:
    """A call on its way."""
    new = Dispatch(
        facts=FACTS.model_copy(update={"attempt": attempt}),
        idempotence=idempotence,
        key=KEY,
        incarnation=FIRST,
        timeout=timedelta(seconds=5),
        before=BEFORE,
    )
    return given(Call(), evolve).when(lambda c: domain.dispatch(c, CALL, new, NOW, READS)).after


def lost(idempotence: Idempotence = Idempotence.PROBEABLE) -> Given[Call]:
    """One whose answer was lost."""
    return sent(idempotence).when(coming_back(SILENCE)).after


def coming_back(answer: Answer | NotApplied | Unknown, send: int = 1) -> Callable[[Call], Decision]:
    return lambda call: domain.conclude(call, CALL, send, answer, 12.5)


def reading(
    found: Found, again: Again = AGAIN, *, number: int = 1, send: int = 1
) -> Callable[[Call], Decision]:
    timer = domain.probe_timer(send, number)
    return lambda call: settling.read_back(call, CALL, timer, found, again)


def saying(
    outcome: str = "not_applied",
    who: Settler = PERSON,
    *,
    retry: bool = False,
    accept_double: bool = False,
) -> Callable[[Call], Decision]:
    command = CallSettle.model_validate(
        {
            "call": CALL,
            "outcome": outcome,
            "retry": retry,
            "accept_double": accept_double,
            "note": "looked at the console",
        }
    )
    return lambda call: settling.settle(call, CALL, command, who)


# --- What reading back shows --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("output", "verdict"),
    [
        (BEFORE, "not_applied"),
        ({"key": "key-1", "value": "b", "revision": 4}, "applied"),
        ({"key": "key-1", "value": "c", "revision": 4}, "unclear"),
        ({"key": "key-1", "value": "a", "revision": 5}, "unclear"),
        ({"key": "key-1", "value": "c", "revision": 3}, "not_applied"),
        ({"key": "key-1"}, "unclear"),
        ("b", "unclear"),
        (None, "unclear"),
    ],
)
def test_only_what_is_as_wanted_or_as_before_is_clear(output: JsonValue, verdict: str) -> None:
    assert judge(FACTS.arguments, {"asset": "key-1"}, BEFORE, output).verdict == verdict


def test_what_the_read_was_asked_about_is_no_sign_that_anything_was_done() -> None:
    found = judge({"asset": "key-1"}, {"asset": "key-1"}, None, {"asset": "key-1"})
    assert found.verdict == "unclear"


def test_a_wish_that_was_fulfilled_before_is_no_sign_either() -> None:
    same = {"asset": "key-1", "value": "a"}
    later = {"key": "key-1", "value": "a", "revision": 4}
    assert judge(same, {"asset": "key-1"}, BEFORE, later).verdict == "unclear"


# --- Reading back -------------------------------------------------------------------------------


def test_what_is_read_back_as_applied_is_settled_with_what_was_read() -> None:
    settled = lost().when(reading(APPLIED)).then(ToolCallSettled).event(ToolCallSettled)
    assert (settled.applied, settled.by, settled.retry) == (True, "probe", False)
    assert (settled.output, settled.principal) == ({"value": "b"}, None)


def test_what_was_not_applied_is_sent_again_if_the_tool_compares_and_sets() -> None:
    outcome = lost().when(reading(NOT_APPLIED)).then(ToolCallDispatched)
    again = outcome.event(ToolCallDispatched)
    assert (again.send, again.key, again.incarnation) == (2, KEY, SECOND)
    assert (again.facts, again.before) == (FACTS, BEFORE)
    assert outcome.decision.reads == READS
    assert outcome.after.state.senders == {FIRST, SECOND}


def test_without_compare_and_set_it_is_never_sent_again() -> None:
    plain = replace(AGAIN, compare_and_set=False)
    for alive in (True, False):
        outcome = lost().when(reading(NOT_APPLIED, replace(plain, alive=alive)))
        assert not outcome.every(ToolCallDispatched)


@pytest.mark.parametrize("compare_and_set", [True, False])
def test_it_is_called_not_applied_only_once_its_senders_have_ended(
    *, compare_and_set: bool
) -> None:
    again = replace(AGAIN, compare_and_set=compare_and_set, stop="the grant expired")
    waits = lost().when(reading(NOT_APPLIED, again)).then()
    assert [timer.name for timer in waits.timers_set] == ["probe/1/2"]
    ended = waits.after.when(reading(NOT_APPLIED, replace(again, alive=False), number=2))
    settled = ended.then(ToolCallSettled).event(ToolCallSettled)
    assert (settled.applied, settled.retry) == (False, False)


def test_under_a_live_grant_the_step_may_then_be_attempted_again() -> None:
    again = replace(AGAIN, compare_and_set=False, alive=False)
    settled = lost().when(reading(NOT_APPLIED, again)).event(ToolCallSettled)
    assert (settled.applied, settled.retry) == (False, True)


@pytest.mark.parametrize(
    ("found", "again"),
    [
        (UNCLEAR, AGAIN),
        (NOT_APPLIED, replace(AGAIN, compare_and_set=False)),
        (NOT_APPLIED, replace(AGAIN, stop="halted")),
    ],
)
def test_what_stays_unclear_is_read_back_after_growing_pauses_and_then_left_to_a_person(
    found: Found, again: Again
) -> None:
    history, pauses = lost(), []
    for number in range(1, MAX_PROBES):
        outcome = history.when(reading(found, again, number=number)).then()
        pauses += [timer.due for timer in outcome.timers_set]
        history = outcome.after
    assert pauses == sorted(pauses)
    assert len(set(pauses)) == MAX_PROBES - 1
    left = history.when(reading(found, again, number=MAX_PROBES)).then(ToolCallUncertain)
    uncertain = left.event(ToolCallUncertain)
    assert uncertain.next == "human"
    assert "the connection broke" in uncertain.reason
    assert found.reason in uncertain.reason
    assert left.timers_set == []


def test_after_so_many_sends_nothing_is_sent_any_more() -> None:
    history = lost()
    for send in range(2, MAX_SENDS + 1):
        history = history.when(reading(NOT_APPLIED, send=send - 1)).then(ToolCallDispatched).after
        history = history.when(coming_back(SILENCE, send)).then(ToolCallUncertain).after
    assert not history.when(reading(NOT_APPLIED, send=MAX_SENDS)).every(ToolCallDispatched)


def test_a_reading_back_that_comes_late_changes_nothing() -> None:
    again = lost().when(reading(NOT_APPLIED)).after
    twice = again.when(coming_back(SILENCE, 2)).after
    for history in (
        sent(Idempotence.PROBEABLE),
        again,
        twice,
        lost(Idempotence.OPAQUE),
        lost(Idempotence.IDEMPOTENT),
        lost().when(coming_back(Answer({"value": "b"}))).then(ToolCallCompleted).after,
        lost().when(reading(APPLIED)).after,
    ):
        history.when(reading(APPLIED)).then_nothing()
        history.when(reading(NOT_APPLIED)).then_nothing()


def test_what_refuses_a_second_send_may_be_the_first_so_it_is_read_back() -> None:
    again = lost().when(reading(NOT_APPLIED)).after
    refused = NotApplied("precondition_failed", "412", retryable=False)
    outcome = again.when(coming_back(refused, 2)).then(ToolCallUncertain)
    assert outcome.event(ToolCallUncertain).next == "probe"
    assert [timer.name for timer in outcome.timers_set] == ["probe/2/1"]


def test_what_refuses_a_second_attempt_may_be_the_first_too() -> None:
    refused = NotApplied("precondition_failed", "412", retryable=False)
    second = sent(Idempotence.PROBEABLE, attempt=2).when(coming_back(refused))
    assert second.then(ToolCallUncertain).event(ToolCallUncertain).next == "probe"


# --- A person settles ---------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", ["applied", "not_applied"])
def test_a_person_who_looked_settles_what_nobody_knew(outcome: str) -> None:
    decided = lost(Idempotence.OPAQUE).when(saying(outcome)).then(ToolCallSettled)
    settled = decided.event(ToolCallSettled)
    assert (settled.applied, settled.retry) == (outcome == "applied", False)
    assert (settled.by, settled.principal, settled.actor) == ("anna", "p-anna", ANNA)
    assert (settled.note, settled.accept_double) == ("looked at the console", False)
    assert decided.decision.reads == ACTOR


def test_a_retry_waits_until_nobody_can_send_it_late_any_more() -> None:
    doubt = lost(Idempotence.OPAQUE)
    doubt.when(saying(retry=True)).then_refused("may_still_send", "retry")
    ended = replace(PERSON, alive=False)
    settled = doubt.when(saying(who=ended, retry=True)).event(ToolCallSettled)
    assert (settled.retry, settled.accept_double) == (True, False)


def test_so_does_it_as_long_as_the_tool_may_be_at_work_on_it() -> None:
    early = replace(PERSON, alive=False, now=NOW)
    lost(Idempotence.OPAQUE).when(saying(who=early, retry=True)).then_refused(
        "may_still_send", "retry"
    )
    soon = replace(AGAIN, compare_and_set=False, alive=False, now=NOW)
    assert lost().when(reading(NOT_APPLIED, soon)).then().timers_set


def test_who_accepts_a_double_is_on_record() -> None:
    accepted = lost(Idempotence.OPAQUE).when(saying(retry=True, accept_double=True))
    settled = accepted.then(ToolCallSettled).event(ToolCallSettled)
    assert (settled.retry, settled.accept_double, settled.incarnation) == (True, True, FIRST)


def test_nothing_is_accepted_where_nothing_can_happen_twice() -> None:
    ended = replace(PERSON, alive=False)
    settled = lost(Idempotence.OPAQUE).when(saying(who=ended, retry=True, accept_double=True))
    assert settled.event(ToolCallSettled).accept_double is False


def test_the_tool_itself_may_rule_out_a_double() -> None:
    history = lost(Idempotence.IDEMPOTENT).when(
        lambda call: domain.leave_to_person(call, CALL, "halted")
    )
    history.after.when(saying(retry=True)).then(ToolCallSettled)
    unclear = lost().when(reading(UNCLEAR, number=MAX_PROBES)).after
    unclear.when(saying(retry=True)).then_refused("may_still_send", "retry")
    compares = replace(PERSON, compare_and_set=True)
    unclear.when(saying(who=compares, retry=True)).then(ToolCallSettled)


def test_all_processes_that_sent_it_count() -> None:
    again = lost().when(reading(NOT_APPLIED)).after
    assert again.state.senders == {FIRST, SECOND}


def test_the_first_word_counts_and_the_second_hears_it() -> None:
    applied = lost(Idempotence.OPAQUE).when(saying("applied")).after
    applied.when(saying("applied")).then_nothing()
    applied.when(saying("not_applied")).then_refused("settled", "outcome")
    ended = replace(PERSON, alive=False)
    again = lost(Idempotence.OPAQUE).when(saying(who=ended, retry=True)).after
    again.when(saying(who=ended, retry=True)).then_nothing()
    again.when(saying(who=ended)).then_refused("settled", "outcome")


def test_only_what_is_left_to_a_person_is_settled_by_one() -> None:
    given(Call(), evolve).when(saying()).then_refused("not_found", "call")
    sent(Idempotence.OPAQUE).when(saying()).then_refused("in_flight", "call")
    lost().when(saying()).then_refused("being_settled", "call")
    lost(Idempotence.IDEMPOTENT).when(saying()).then_refused("being_settled", "call")
    done = sent(Idempotence.OPAQUE).when(coming_back(Answer(1))).after
    done.when(saying("applied")).then_refused("not_uncertain", "call")


def _as(*roles: str, disabled: bool = False) -> Settler:
    actor = ActorMapped(
        actor=ANNA, name="anna", principals=("p-anna",), roles=roles, disabled=disabled
    )
    return replace(PERSON, actor=actor)


def test_only_a_mapped_and_enabled_operator_or_approver_may_settle() -> None:
    doubt = lost(Idempotence.OPAQUE)
    doubt.when(saying(who=replace(PERSON, actor=None))).then_refused("unmapped")
    doubt.when(saying(who=_as("approver", disabled=True))).then_refused("forbidden")
    doubt.when(saying(who=_as("auditor"))).then_refused("forbidden")
    doubt.when(saying(who=_as("operator"))).then(ToolCallSettled)
    refused = doubt.when(saying(who=replace(PERSON, actor=None)))
    assert refused.decision.reads == ACTOR, "a refusal, too, rests on who is who"


def test_a_double_goes_beyond_what_was_approved_so_an_approver_accepts_it() -> None:
    doubt = lost(Idempotence.OPAQUE)
    asked = saying(who=_as("operator"), retry=True, accept_double=True)
    doubt.when(asked).then_refused("forbidden", "accept_double")


def test_wishes_that_contradict_themselves_are_refused_by_their_field() -> None:
    doubt = lost(Idempotence.OPAQUE)
    doubt.when(saying("applied", retry=True)).then_refused("contradiction", "retry")
    doubt.when(saying(accept_double=True)).then_refused("contradiction", "accept_double")


def test_an_answer_that_comes_after_a_person_has_settled_changes_nothing() -> None:
    settled = lost(Idempotence.OPAQUE).when(saying("applied")).after
    settled.when(coming_back(Answer(1))).then_nothing()
    settled.when(coming_back(NotApplied("refused", "no", retryable=False))).then_nothing()
