"""Work that brings no context along goes on in the trace of its task."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID, uuid4

from smartops.contracts.events import TaskStarted
from smartops.contracts.wire import Purpose
from smartops.eventstore.store import EventStore
from smartops.eventstore.units import Trigger
from smartops.runtime.cues import Cue
from smartops.runtime.phasing import phase_of_call, phase_of_cue, phase_of_service
from smartops.runtime.recording import Cause
from smartops.runtime.traces import Traces
from smartops.telemetry.tracing import QuietTracer
from support.samples import sample, stored

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
LATER = "00-0af7651916cd43dd8448eb211c80319c-aaaaaaaaaaaaaaaa-01"


class Log:
    """Streams by name, and how often it was asked."""

    def __init__(self, **streams: bytes) -> None:
        self.streams = streams
        self.asked: list[str] = []

    async def read_stream(self, name: str, after: int = 0, limit: int | None = None) -> list[Any]:
        assert (after, limit) == (0, 1)
        self.asked.append(name)

        class Row:
            state = self.streams.get(name)

        return [Row] if name in self.streams else []


def cue(task: UUID) -> Cue:
    return Cue("policy.plans", "acme", f"acme/task-{task}", 3, uuid4(), "task.planned.v1", task)


async def test_the_first_event_of_a_stream_says_where_to_go_on_and_is_read_once() -> None:
    log = Log(**{"acme/run-1": stored(sample(TaskStarted))})
    traces = Traces(cast("EventStore", log))
    assert await traces.of_stream("acme/run-1") == PARENT
    assert await traces.of_stream("acme/run-1") == PARENT
    assert log.asked == ["acme/run-1"]


async def test_what_this_process_has_seen_of_a_task_needs_no_read() -> None:
    log, task = Log(), uuid4()
    traces = Traces(cast("EventStore", log))
    traces.note(cue(task), LATER)
    assert await traces.of_task("acme", task) == LATER
    assert log.asked == []


async def test_another_tenant_with_the_same_id_is_another_task() -> None:
    log, task = Log(), uuid4()
    traces = Traces(cast("EventStore", log))
    traces.note(cue(task), LATER)
    assert await traces.of_task("other", task) is None


async def test_nothing_and_nonsense_begin_a_trace_of_their_own() -> None:
    traces = Traces(cast("EventStore", Log(**{"acme/run-2": b"{}"})))
    assert await traces.of_stream("acme/run-1") is None
    assert await traces.of_stream("acme/run-2") is None


def test_a_cause_goes_on_from_the_work_around_it() -> None:
    trigger = Trigger("runner.clock", uuid4(), is_timer=True)
    assert Cause(trigger, None).traceparent is None
    with QuietTracer().span("runner.clock", parent_traceparent=PARENT):
        assert Cause(trigger, None).traceparent == PARENT
        assert Cause(trigger, None, LATER).traceparent == LATER


def test_phases_follow_from_service_and_purpose() -> None:
    assert [phase_of_call(purpose) for purpose in Purpose] == ["plan", "act", "act", "verify"]
    services = ("planner", "policy", "runner", "tool_gateway", "audit")
    assert [phase_of_service(one) for one in services] == ["plan", "plan", "act", "act", "verify"]
    # What a message cannot be read as is what its service is for.
    assert phase_of_cue("runner", cue(uuid4())) == "act"
