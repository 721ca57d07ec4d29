"""The call decided: recorded before it goes out, and honest about what came back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from smartops.contracts.canonical import canonical, digest
from smartops.contracts.events import (
    PolicyInForce,
    TaskHalted,
    ToolCallCompleted,
    ToolCallDenied,
    ToolCallDispatched,
    ToolCallFailed,
    ToolCallRequested,
    ToolCallSettled,
    ToolCallUncertain,
    UndoEntitlement,
)
from smartops.contracts.wire import Idempotence, Purpose
from smartops.runtime.decision import Decision
from smartops.tool_gateway import domain
from smartops.tool_gateway.checks import Denial
from smartops.tool_gateway.domain import INLINE_BYTES, MAX_SENDS, Dispatch
from smartops.tool_gateway.ports import Answer, NotApplied, Unknown
from smartops.tool_gateway.state import Call, evolve
from support.call_facts import KEY, facts_of
from support.given import Given, Outcome, given
from support.plans import TASK

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
CALL = UUID("33333333-3333-5333-8333-333333333333")
GATEWAY = UUID("55555555-5555-4555-8555-555555555555")
READS = (("acme/gate-1", 4), ("_platform/bundle-default", 1))
TIMEOUT = timedelta(seconds=5)
MINUTE = timedelta(minutes=1)

FACTS = facts_of("patch", "web-01", {"asset": "web-01"})
UNDO = UndoEntitlement(tool="unpatch", version="1", arguments={"version": "2.4.0"})

REFUSED = NotApplied("refused", "409: busy", retryable=False)
UNREACHABLE = NotApplied("unreachable", "connection refused", retryable=True)
SILENCE = Unknown("the connection broke")


def unheard() -> Given[Call]:
    """A call of which nothing was decided."""
    return given(Call(), evolve)


def dispatching(
    idempotence: Idempotence = Idempotence.IDEMPOTENT,
) -> Callable[[Call], Decision]:
    """The call may go out."""
    new = Dispatch(
        facts=FACTS,
        idempotence=idempotence,
        key=KEY,
        incarnation=GATEWAY,
        timeout=TIMEOUT,
        before={"version": "2.4.0"},
        undo=UNDO,
    )
    return lambda call: domain.dispatch(call, CALL, new, NOW, READS)


def dispatched(idempotence: Idempotence = Idempotence.IDEMPOTENT) -> Given[Call]:
    """A call on its way."""
    return unheard().when(dispatching(idempotence)).after


def coming_back(answer: Answer | NotApplied | Unknown, send: int = 1) -> Callable[[Call], Decision]:
    """A send comes to its end."""
    return lambda call: domain.conclude(call, CALL, send, answer, 12.5)


def sending_again(now: datetime = NOW) -> Callable[[Call], Decision]:
    """The pause before the next send is over."""
    return lambda call: domain.send_again(call, CALL, GATEWAY, now, TIMEOUT, READS)


def deadline(send: int = 1) -> Callable[[Call], Decision]:
    """The deadline of a send passes."""
    return lambda call: domain.answer_lost(call, CALL, f"deadline/{send}")


def lost_and_sent_again(times: int = 1) -> Given[Call]:
    """An idempotent call whose answers were lost so often."""
    history = dispatched()
    for send in range(1, times + 1):
        history = history.when(coming_back(SILENCE, send)).after.when(sending_again()).after
    return history


# --- Going out ----------------------------------------------------------------------------------


def test_a_write_is_recorded_before_it_goes_out_with_all_that_it_rests_on() -> None:
    outcome = unheard().when(dispatching()).then(ToolCallDispatched)
    sent = outcome.event(ToolCallDispatched)
    assert (sent.facts, sent.key, sent.send, sent.incarnation) == (FACTS, KEY, 1, GATEWAY)
    assert (sent.before, sent.undo) == ({"version": "2.4.0"}, UNDO)
    assert sent.deadline == NOW + TIMEOUT
    assert outcome.decision.reads == READS
    [timer] = outcome.timers_set
    assert (timer.name, timer.handler) == ("deadline/1", domain.DEADLINE_HANDLER)
    assert timer.due == NOW + TIMEOUT + timedelta(seconds=1)


def test_a_call_is_decided_once() -> None:
    denial = Denial("expired", "gateway.grant", "too late")
    request = _request()
    for history in (
        dispatched(),
        dispatched().when(coming_back(Answer(1))).after,
        unheard().when(_denying(denial, request)).after,
        unheard().when(_reading(Answer(1))).after,
    ):
        history.when(dispatching()).then_nothing()
        history.when(_denying(denial, request)).then_nothing()
        history.when(_reading(Answer(2))).then_nothing()


def test_a_denial_says_who_asked_and_which_rules_they_were_of_which_bundle() -> None:
    policy = PolicyInForce(bundle=digest(b"bundle"), engine="regorus 1")
    denial = Denial("policy", "freeze", "x" * 9000, (("night", "it is night"),), policy)
    denied = unheard().when(_denying(denial, _request())).then(ToolCallDenied).event(ToolCallDenied)
    assert (denied.reason_code, denied.rules) == ("policy", ("freeze", "night"))
    assert [len(reason.message) for reason in denied.reasons] == [4000, len("it is night")]
    assert denied.policy == policy
    assert (denied.requester, denied.requester_stream) == ("runner", "acme/run-1")
    assert len(denied.message) == 4000


# --- Coming back --------------------------------------------------------------------------------


def test_an_answer_completes_the_call_and_ends_the_watch_on_its_deadline() -> None:
    outcome = dispatched().when(coming_back(Answer({"b": 1, "a": [2]}))).then(ToolCallCompleted)
    completed = outcome.event(ToolCallCompleted)
    assert completed.output == {"b": 1, "a": [2]}
    assert completed.output_digest == digest(b'{"a":[2],"b":1}')
    assert outcome.timers_cancelled == ["deadline/1"]
    assert outcome.decision.blobs == []


def test_an_output_too_large_to_travel_is_kept_as_a_blob_under_its_digest() -> None:
    large = "x" * INLINE_BYTES
    outcome = dispatched().when(coming_back(Answer(large))).then(ToolCallCompleted)
    completed = outcome.event(ToolCallCompleted)
    assert completed.output is None
    assert outcome.decision.blobs == [canonical(large)]
    assert completed.output_digest == digest(canonical(large))


@pytest.mark.parametrize("answer", [REFUSED, UNREACHABLE])
def test_what_was_definitely_not_applied_has_failed(answer: NotApplied) -> None:
    outcome = dispatched().when(coming_back(answer)).then(ToolCallFailed)
    failed = outcome.event(ToolCallFailed)
    assert (failed.error_code, failed.retryable) == (answer.code, answer.retryable)


def test_a_lost_answer_of_what_may_not_be_repeated_goes_to_a_person() -> None:
    outcome = dispatched(Idempotence.OPAQUE).when(coming_back(SILENCE)).then(ToolCallUncertain)
    uncertain = outcome.event(ToolCallUncertain)
    assert (uncertain.next, uncertain.reason) == ("human", "the connection broke")
    assert outcome.timers_set == []
    outcome.after.when(sending_again()).then_nothing()


def test_a_lost_answer_of_what_can_be_read_back_is_read_back_once_it_has_settled() -> None:
    outcome = dispatched(Idempotence.PROBEABLE).when(coming_back(SILENCE)).then(ToolCallUncertain)
    assert outcome.event(ToolCallUncertain).next == "probe"
    [timer] = outcome.timers_set
    assert (timer.name, timer.handler, timer.due) == (
        "probe/1/1",
        domain.PROBE_HANDLER,
        domain.SETTLE,
    )


def test_a_lost_answer_of_an_idempotent_call_is_asked_for_again_with_the_same_key() -> None:
    outcome = dispatched().when(coming_back(SILENCE)).then(ToolCallUncertain)
    assert outcome.event(ToolCallUncertain).next == "retry"
    [timer] = outcome.timers_set
    assert (timer.name, timer.handler) == ("retry/1", domain.RETRY_HANDLER)
    again = outcome.after.when(sending_again()).then(ToolCallDispatched)
    first, second = outcome.before.state.dispatched, again.event(ToolCallDispatched)
    assert first is not None
    assert (second.send, second.key, second.undo) == (2, first.key, first.undo)
    assert (second.facts, second.before) == (first.facts, first.before)
    again.after.when(sending_again()).then_nothing()


def test_after_so_many_sends_a_person_is_asked() -> None:
    history = dispatched()
    for send in range(1, MAX_SENDS):
        outcome = history.when(coming_back(SILENCE, send))
        assert outcome.event(ToolCallUncertain).next == "retry"
        history = outcome.after.when(sending_again()).then(ToolCallDispatched).after
    outcome = history.when(coming_back(SILENCE, MAX_SENDS)).then(ToolCallUncertain)
    assert outcome.event(ToolCallUncertain).next == "human"
    assert outcome.timers_set == []
    outcome.after.when(sending_again()).then_nothing()


def test_a_pause_grows_from_send_to_send() -> None:
    pauses = []
    history = dispatched()
    for send in range(1, MAX_SENDS):
        outcome = history.when(coming_back(SILENCE, send))
        pauses.append(outcome.timers_set[0].due)
        history = outcome.after.when(sending_again()).after
    assert pauses == sorted(pauses)
    assert len(set(pauses)) == MAX_SENDS - 1


# --- Late, lost and repeated --------------------------------------------------------------------


def test_a_deadline_without_a_word_means_that_nobody_knows() -> None:
    outcome = dispatched(Idempotence.OPAQUE).when(deadline()).then(ToolCallUncertain)
    assert "the sender is gone" in outcome.event(ToolCallUncertain).reason
    outcome.after.when(deadline()).then_nothing()


def test_a_deadline_after_the_outcome_changes_nothing() -> None:
    for answer in (Answer(1), REFUSED, SILENCE):
        dispatched().when(coming_back(answer)).after.when(deadline()).then_nothing()
    unheard().when(deadline()).then_nothing()


def test_the_deadline_of_an_earlier_send_changes_nothing() -> None:
    twice = lost_and_sent_again()
    twice.when(deadline(1)).then_nothing()
    twice.when(deadline(2)).then(ToolCallUncertain)


@pytest.mark.parametrize("idempotence", list(Idempotence))
def test_a_late_answer_settles_what_was_uncertain(idempotence: Idempotence) -> None:
    uncertain = dispatched(idempotence).when(deadline()).after
    late = uncertain.when(coming_back(Answer({"done": True}))).then(ToolCallCompleted)
    late.after.when(sending_again()).then_nothing()


def test_the_late_answer_of_an_earlier_send_settles_the_call() -> None:
    twice = lost_and_sent_again()
    first = twice.when(coming_back(Answer(1), send=1)).then(ToolCallCompleted)
    first.after.when(coming_back(Answer(1), send=2)).then_nothing()


def test_a_late_refusal_of_the_only_send_settles_that_it_was_not_applied() -> None:
    uncertain = dispatched(Idempotence.OPAQUE).when(deadline()).after
    uncertain.when(coming_back(REFUSED)).then(ToolCallFailed)


def test_a_refusal_after_another_send_proves_nothing() -> None:
    twice = lost_and_sent_again()
    outcome = twice.when(coming_back(REFUSED, send=2)).then(ToolCallUncertain)
    assert "409: busy" in outcome.event(ToolCallUncertain).reason
    outcome.after.when(coming_back(REFUSED, send=2)).then_nothing()
    outcome.after.when(coming_back(REFUSED, send=1)).then_nothing()


def test_silence_after_silence_says_nothing_new() -> None:
    uncertain = dispatched(Idempotence.OPAQUE).when(deadline()).after
    uncertain.when(coming_back(SILENCE)).then_nothing()
    lost_and_sent_again().when(coming_back(SILENCE, send=1)).then_nothing()


@pytest.mark.parametrize("answer", [Answer(1), REFUSED, SILENCE])
def test_a_call_that_has_ended_stays_ended(answer: Answer | NotApplied | Unknown) -> None:
    settled = ToolCallSettled(
        call=CALL,
        task=TASK,
        requester="runner",
        requester_stream="acme/run-1",
        applied=True,
        by="op",
    )
    for history in (
        dispatched().when(coming_back(Answer(0))).after,
        dispatched().when(coming_back(REFUSED)).after,
        given(Call(), evolve, *dispatched().history, settled),
        unheard(),
    ):
        history.when(coming_back(answer)).then_nothing()
        history.when(sending_again()).then_nothing()


# --- Long calls ---------------------------------------------------------------------------------


def _long(idempotence: Idempotence) -> Outcome[Call]:
    new = Dispatch(
        facts=FACTS, idempotence=idempotence, key=KEY, incarnation=GATEWAY, timeout=5 * MINUTE
    )
    return unheard().when(lambda call: domain.dispatch(call, CALL, new, NOW, READS))


def _watching(number: int, now: datetime, *, alive: bool) -> Callable[[Call], Decision]:
    timer = f"watch/1/{number}"
    return lambda call: domain.sender_watched(call, CALL, timer, now, alive=alive)


def test_the_sender_of_a_long_call_is_looked_after() -> None:
    outcome = _long(Idempotence.IDEMPOTENT)
    assert [timer.name for timer in outcome.timers_set] == ["deadline/1", "watch/1/1"]
    again = outcome.after.when(_watching(1, NOW + MINUTE, alive=True)).then()
    assert [timer.name for timer in again.timers_set] == ["watch/1/2"]
    last = outcome.after.when(_watching(9, NOW + 4.9 * MINUTE, alive=True)).then()
    assert last.timers_set == [], "the deadline comes first"


def test_once_it_has_ended_nobody_waits_until_the_deadline() -> None:
    outcome = _long(Idempotence.IDEMPOTENT).after.when(_watching(1, NOW + MINUTE, alive=False))
    uncertain = outcome.then(ToolCallUncertain).event(ToolCallUncertain)
    assert (uncertain.next, "has ended" in uncertain.reason) == ("retry", True)
    assert outcome.timers_cancelled == ["deadline/1"]
    outcome.after.when(_watching(1, NOW + MINUTE, alive=False)).then_nothing()


@pytest.mark.parametrize("idempotence", [Idempotence.OPAQUE, Idempotence.PROBEABLE])
def test_what_may_not_be_repeated_has_its_whole_time_to_be_done(idempotence: Idempotence) -> None:
    assert [timer.name for timer in _long(idempotence).timers_set] == ["deadline/1"]


def test_a_look_at_another_send_or_at_an_ended_call_changes_nothing() -> None:
    late = _watching(1, NOW, alive=False)
    lost_and_sent_again().when(late).then_nothing()
    dispatched().when(coming_back(Answer(1))).after.when(late).then_nothing()
    unheard().when(late).then_nothing()


# --- Reads --------------------------------------------------------------------------------------


def test_a_read_is_recorded_with_its_outcome_alone() -> None:
    outcome = unheard().when(_reading(Answer([1]))).then(ToolCallCompleted)
    assert outcome.decision.timers == ()
    large = unheard().when(_reading(Answer("y" * INLINE_BYTES)))
    assert large.event(ToolCallCompleted).output is None
    assert large.decision.blobs


@pytest.mark.parametrize(
    ("answer", "code", "retryable"),
    [(REFUSED, "refused", False), (UNREACHABLE, "unreachable", True), (SILENCE, "no_answer", True)],
)
def test_a_read_without_an_answer_has_failed_and_may_be_repeated_unless_refused(
    answer: NotApplied | Unknown, code: str, *, retryable: bool
) -> None:
    failed = unheard().when(_reading(answer)).then(ToolCallFailed).event(ToolCallFailed)
    assert (failed.error_code, failed.retryable) == (code, retryable)


def test_what_others_say_leaves_the_call_unchanged() -> None:
    call = dispatched().state
    assert evolve(call, TaskHalted(principal="op", reason="smoke")) is call


def _request() -> ToolCallRequested:
    return ToolCallRequested(
        task=TASK,
        run=TASK,
        call=CALL,
        purpose=Purpose.DO,
        tool="patch",
        version="1",
        target="web-01",
        question="p/patch/web-01",
        attempt=1,
    )


def _denying(denial: Denial, request: ToolCallRequested) -> Callable[[Call], Decision]:
    return lambda call: domain.deny(call, request, KEY, "runner", "acme/run-1", denial, 3)


def _reading(answer: Answer | NotApplied | Unknown) -> Callable[[Call], Decision]:
    return lambda call: domain.record_read(call, CALL, FACTS, answer, 1.0)
