"""From decisions to units: ids, versions, parties, subjects, answers to commands."""

from __future__ import annotations

import json
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from smartops.contracts.canonical import digest
from smartops.contracts.commands import TaskCancel
from smartops.contracts.envelope import read_data
from smartops.contracts.events import (
    CallFacts,
    CommandRefused,
    Decided,
    DenialReason,
    TargetClaimed,
    TaskCancelRequested,
    TaskHalted,
    TaskStarted,
    ToolCallCompleted,
    ToolCallDenied,
    ToolCallRequested,
)
from smartops.contracts.ids import event_id, timer_id
from smartops.contracts.subjects import NO_PARTY, Subjects
from smartops.contracts.wire import Environment, EventData, Purpose
from smartops.eventstore.units import ReadCondition, TimerCancel, TimerSet, Trigger
from smartops.runtime.cues import Order
from smartops.runtime.decision import CancelTimer, Decision, Elsewhere, Refusal, SetTimer
from smartops.runtime.recording import Cause, Recorder, UnitBuilder, command_stream
from support.plans import TASK

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
CAUSE = UUID("77777777-7777-5777-8777-777777777777")
OTHER = UUID("88888888-8888-5888-8888-888888888888")
CALL = UUID("33333333-3333-5333-8333-333333333333")
SUBJECTS = Subjects()
RUNNER = Recorder("runner", SUBJECTS)
POLICY = Recorder("policy", SUBJECTS)
GATEWAY = Recorder("tool_gateway", SUBJECTS)
GATE = f"acme/gate-{TASK}"
RUN = f"acme/run-{OTHER}"

HALTED = TaskHalted(principal="op", reason="smoke")
CANCELLING = TaskCancelRequested(principal="op", reason="enough")
CLAIMED = TargetClaimed(task=TASK, run=OTHER, environment=Environment.STAGING, target="web-01")


def because(cause: UUID = CAUSE, *, order: Order[TaskCancel] | None = None) -> Cause:
    """Something made us decide."""
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    return Cause(Trigger("policy.controls", cause), TASK, trace, order)


def cancel_order(key: UUID = CAUSE) -> Order[TaskCancel]:
    """A person's command."""
    return Order(
        handler="policy.controls",
        tenant="acme",
        principal="op",
        authtype="local",
        name="task.cancel",
        id="c-1",
        key=key,
        content=digest(b"{}"),
        data=TaskCancel(task=TASK, reason="enough"),
    )


def on_gate(version: int = 0) -> UnitBuilder:
    """A unit on the gate."""
    return UnitBuilder(POLICY, GATE, version, NOW)


def request_of(purpose: Purpose = Purpose.DO) -> ToolCallRequested:
    """The runner asks for a call."""
    return ToolCallRequested(
        task=TASK,
        run=OTHER,
        call=CALL,
        purpose=purpose,
        tool="patch",
        version="1",
        target="web-01",
        question="p/patch/web-01",
        attempt=1,
    )


def test_event_ids_follow_from_cause_stream_and_place_so_a_repeat_has_the_same() -> None:
    units = []
    for _ in range(2):
        builder = on_gate(4)
        builder.add(because(), Decision([HALTED, CANCELLING]))
        units.append(builder.unit())
    first, second = units
    assert first == second
    [write] = first.writes
    assert [event.event_id for event in write.events] == [
        event_id(CAUSE, GATE, 0),
        event_id(CAUSE, GATE, 1),
    ]


def test_versions_count_on_from_the_one_decided_on_across_triggers() -> None:
    builder = on_gate(4)
    builder.add(because(CAUSE), Decision([HALTED]))
    builder.add(because(OTHER), Decision([CANCELLING, HALTED]))
    unit = builder.unit()
    [write] = unit.writes
    assert write.expected_version == 4
    sequences = [json.loads(event.state)["sequence"] for event in write.events]
    assert sequences == ["5", "6", "7"]
    assert [event.event_id for event in write.events] == [
        event_id(CAUSE, GATE, 0),
        event_id(OTHER, GATE, 0),
        event_id(OTHER, GATE, 1),
    ]
    assert [trigger.cause for trigger in unit.triggers] == [CAUSE, OTHER]


def test_an_event_is_a_cloudevent_of_its_stream_with_its_cause_and_trace() -> None:
    builder = on_gate()
    builder.add(because(), Decision([HALTED]))
    [event] = builder.unit().writes[0].events
    state = json.loads(event.state)
    assert state["source"] == f"/{GATE}"
    assert (state["type"], state["subject"]) == ("smartops.task.halted.v1", str(TASK))
    assert (state["correlationid"], state["causationid"]) == (str(TASK), str(CAUSE))
    assert (state["tenantid"], state["partyid"]) == ("acme", NO_PARTY)
    assert state["time"] == "2026-03-01T12:00:00Z"
    assert state["traceparent"].startswith("00-0af7651916cd43dd")
    assert (event.topic, event.task, event.cause) == ("task.halted.v1", TASK, CAUSE)
    assert event.subject == f"smartops.acme.task.halted.v1.-.{TASK}"
    assert read_data(event.topic, event.state) == HALTED


def test_without_a_task_the_entity_is_named_after_the_stream() -> None:
    builder = on_gate()
    builder.add(Cause(Trigger("h", CAUSE), None), Decision([HALTED]))
    [event] = builder.unit().writes[0].events
    state = json.loads(event.state)
    assert "correlationid" not in state
    assert "traceparent" not in state
    assert UUID(state["subject"])
    assert event.subject is not None
    assert event.subject.endswith(state["subject"])


def _facts(requester: str) -> CallFacts:
    return CallFacts(
        task=TASK,
        requester=requester,
        requester_stream=RUN,
        request=CAUSE,
        purpose=Purpose.DO,
        tool="patch",
        version="1",
        schema_digest=digest(b"tool"),
        target="web-01",
        question="q",
        attempt=1,
        arguments={},
        policy=Decided(allow=True, rules=("r",), bundle=digest(b"b"), engine="none"),
    )


@pytest.mark.parametrize(
    ("recorder", "stream", "event", "party"),
    [
        (RUNNER, RUN, request_of(), "runner"),
        (
            GATEWAY,
            f"acme/call-{CALL}",
            ToolCallDenied(
                call=CALL,
                task=TASK,
                requester="planner",
                requester_stream=f"acme/task-{TASK}",
                request=CAUSE,
                purpose=Purpose.EVIDENCE,
                tool="look",
                target="production",
                question="inventory",
                reason_code="no",
                reasons=(DenialReason(rule="r", message="m"),),
            ),
            "planner",
        ),
        (
            GATEWAY,
            f"acme/call-{CALL}",
            ToolCallCompleted(
                call=CALL,
                facts=_facts("runner"),
                output=1,
                output_digest=digest(b"1"),
                duration_ms=1,
            ),
            "runner",
        ),
    ],
)
def test_a_call_is_said_to_its_requester_and_named_by_the_call(
    recorder: Recorder, stream: str, event: EventData, party: str
) -> None:
    made = recorder.event(stream, 1, event, because(), 0, NOW)
    assert made.party == party
    assert made.subject == f"smartops.acme.{event.type_key()}.{party}.{CALL}"


def test_a_note_that_only_its_service_reads_is_stored_and_not_published() -> None:
    made = RUNNER.event("acme/target-staging/web-01", 1, CLAIMED, because(), 0, NOW)
    assert made.subject is None


@pytest.mark.parametrize(
    ("recorder", "stream", "event"),
    [
        (RUNNER, GATE, HALTED),
        (POLICY, RUN, HALTED),
        (POLICY, GATE, request_of()),
        (GATEWAY, f"acme/task-{TASK}", request_of()),
    ],
    ids=["another service", "another category", "nobody's", "not the requester"],
)
def test_no_service_says_what_is_not_its_to_say(
    recorder: Recorder, stream: str, event: EventData
) -> None:
    with pytest.raises(ValueError, match="may not say"):
        recorder.event(stream, 1, event, because(), 0, NOW)


def test_a_decision_that_nothing_follows_still_rests_on_the_version_it_was_made_on() -> None:
    builder = on_gate(7)
    builder.add(because(), Decision(reads=[("acme/actor-x", 3)]))
    unit = builder.unit()
    assert unit.writes == []
    assert set(unit.reads) == {ReadCondition("acme/actor-x", 3), ReadCondition(GATE, 7)}
    assert unit.tenant == "acme"
    assert [trigger.outcome for trigger in unit.triggers] == ["handled"]


def test_a_stream_that_is_written_is_not_a_read_condition_too() -> None:
    target = "acme/target-staging/web-01"
    builder = UnitBuilder(RUNNER, RUN, 2, NOW)
    started = TaskStarted(
        task=TASK,
        run=OTHER,
        number=1,
        plan_hash=digest(b"p"),
        document=digest(b"d"),
        grant=1,
        environment=Environment.STAGING,
        phases=("p",),
        claims=("web-01",),
    )
    builder.add(
        because(),
        Decision(
            [started],
            elsewhere=[Elsewhere(target, 5, [CLAIMED])],
            reads=[(RUN, 2), (target, 5), (GATE, 9)],
        ),
    )
    unit = builder.unit()
    assert {write.stream: write.expected_version for write in unit.writes} == {RUN: 2, target: 5}
    assert unit.reads == [ReadCondition(GATE, 9)]
    [claim] = unit.writes[1].events
    assert json.loads(claim.state)["sequence"] == "6"
    assert claim.event_id == event_id(CAUSE, target, 0)


def test_timers_are_named_by_their_stream_and_purpose() -> None:
    builder = on_gate()
    builder.add(
        because(),
        Decision(
            timers=[
                SetTimer("expiry/1", NOW, "policy.expiry", b"x"),
                SetTimer("look", timedelta(seconds=1), "policy.expiry"),
                CancelTimer("other"),
            ]
        ),
    )
    assert builder.unit().timers == [
        TimerSet(timer_id(GATE, "expiry/1"), "policy.expiry", GATE, "expiry/1", NOW, b"x"),
        TimerSet(timer_id(GATE, "look"), "policy.expiry", GATE, "look", timedelta(seconds=1), None),
        TimerCancel(timer_id(GATE, "other")),
    ]


def test_a_refused_command_is_answered_on_its_own_stream_and_settles_as_refused() -> None:
    order = cancel_order()
    builder = on_gate(3)
    builder.add(because(order=order), Decision(refusal=Refusal("ended", "x" * 9000, "task")))
    unit = builder.unit()
    [trigger] = unit.triggers
    assert trigger.outcome == "refused"
    assert ReadCondition(GATE, 3) in unit.reads, "a stale refusal must not stand"
    [write] = unit.writes
    assert (write.stream, write.expected_version) == (command_stream(order), 0)
    [event] = write.events
    answer = read_data(event.topic, event.state)
    assert isinstance(answer, CommandRefused)
    assert (answer.command, answer.name, answer.principal) == (CAUSE, "task.cancel", "op")
    assert (answer.code, answer.field, answer.content) == ("ended", "task", order.content)
    assert len(answer.message) == 4000
    assert event.subject == f"smartops.acme.command.refused.v2.-.{CAUSE}"


def test_only_commands_are_refused() -> None:
    with pytest.raises(ValueError, match="only commands"):
        on_gate().add(because(), Decision(refusal=Refusal("no", "because")))


def test_two_triggers_of_a_unit_may_not_write_one_other_stream() -> None:
    builder = UnitBuilder(RUNNER, RUN, 0, NOW)
    elsewhere = Elsewhere("acme/target-staging/web-01", 0, [CLAIMED])
    builder.add(because(CAUSE), Decision(elsewhere=[elsewhere]))
    with pytest.raises(ValueError, match="written twice"):
        builder.add(because(OTHER), Decision(elsewhere=[elsewhere]))


def test_blobs_and_reads_of_all_decisions_are_gathered() -> None:
    builder = on_gate()
    builder.add(because(CAUSE), Decision(blobs=[b"one"], reads=[("acme/a-1", 1)]))
    builder.add(because(OTHER), Decision(blobs=[b"two"], reads=[("acme/a-2", 2)]))
    unit = builder.unit()
    assert unit.blobs == [b"one", b"two"]
    assert {ReadCondition("acme/a-1", 1), ReadCondition("acme/a-2", 2)} <= set(unit.reads)


def test_a_decision_that_cannot_be_added_leaves_nothing_behind() -> None:
    builder = UnitBuilder(RUNNER, RUN, 0, NOW)
    elsewhere = Elsewhere("acme/target-staging/web-01", 0, [CLAIMED])
    builder.add(because(CAUSE), Decision([request_of()], elsewhere=[elsewhere]))
    before = deepcopy(builder.unit())
    for hopeless in (
        Decision([request_of()], elsewhere=[elsewhere]),
        Decision([request_of(), HALTED]),
        Decision([request_of()], refusal=Refusal("no", "because")),
    ):
        with pytest.raises(ValueError, match=r"twice|may not say|only commands"):
            builder.add(because(OTHER), hopeless)
    assert builder.unit() == before


def test_the_last_word_about_a_timer_holds() -> None:
    builder = on_gate()
    builder.add(because(CAUSE), Decision(timers=[SetTimer("look", NOW, "policy.expiry")]))
    builder.add(because(OTHER), Decision(timers=[CancelTimer("look")]))
    assert builder.unit().timers == [TimerCancel(timer_id(GATE, "look"))]
