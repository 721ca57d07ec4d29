"""One trace per task, from the intent to the end, through all services, on a real stack."""

from __future__ import annotations

from collections import Counter
from uuid import UUID

import pytest
from smartops.contracts.catalogue import SERVICES
from support.observing import Span, observed, spans_of
from support.stacks import house_at


@pytest.fixture(scope="module")
async def traced(tmp_path_factory: pytest.TempPathFactory) -> tuple[UUID, UUID, list[Span]]:
    """A task that was approved and completed, one that ran by itself, and all spans of a house."""
    home = tmp_path_factory.mktemp("traced")
    async with house_at(home, **observed(home, "warning")) as house:
        approved = await house.drift(*await house.take(2))
        alone = await house.staged("stage-traced", steps=2)
        await house.approve(approved)
        assert await house.outcome(approved) == "completed"
        assert await house.outcome(alone) == "completed"
        await house.shows(approved, "completed")
    return approved, alone, spans_of(home)


def of_task(spans: list[Span], task: UUID) -> list[Span]:
    """The spans that say they are about a task."""
    return [span for span in spans if span.attributes.get("smartops.task") == str(task)]


def trace_of(spans: list[Span], task: UUID) -> list[Span]:
    """All spans of the one trace of a task."""
    [trace] = {span.trace for span in of_task(spans, task)}
    return [span for span in spans if span.trace == trace]


Traced = tuple[UUID, UUID, list[Span]]


def test_all_spans_of_a_task_share_one_trace_and_no_other_task_is_in_it(traced: Traced) -> None:
    approved, alone, spans = traced
    for task in (approved, alone):
        told = {span.attributes.get("smartops.task") for span in trace_of(spans, task)}
        # The intent's own span begins before there is a task; timers know theirs by the stream.
        assert told <= {str(task), None}
    assert trace_of(spans, approved)[0].trace != trace_of(spans, alone)[0].trace


def test_they_form_one_tree_that_begins_with_the_intent(traced: Traced) -> None:
    for task in traced[:2]:
        spans = trace_of(traced[2], task)
        ids = {span.id for span in spans}
        roots = [span for span in spans if span.parent is None]
        orphans = [span for span in spans if span.parent is not None and span.parent not in ids]

        assert [(root.service, root.name) for root in roots] == [("planner", "planner.intents")]
        assert orphans == []


def test_nothing_but_an_intent_begins_a_trace(traced: Traced) -> None:
    """A timer or an approval that lost its context would begin one of its own."""
    roots = {(span.service, span.name) for span in traced[2] if span.parent is None}
    assert roots == {("planner", "planner.intents")}


def test_every_service_has_its_part_in_it(traced: Traced) -> None:
    for task in traced[:2]:
        assert {span.service for span in trace_of(traced[2], task)} == set(SERVICES)


def test_each_span_says_whether_it_plans_acts_or_verifies(traced: Traced) -> None:
    spans = trace_of(traced[2], traced[0])
    phases = {(span.service, span.name): set[str]() for span in spans}
    for span in spans:
        phases[span.service, span.name].add(span.phase)

    assert phases["planner", "planner.intents"] == {"plan"}
    assert phases["policy", "policy.plans"] == {"plan"}
    assert phases["policy", "policy.decisions"] == {"plan"}
    assert phases["runner", "runner.grants"] == {"act"}
    assert phases["runner", "runner.clock"] == {"verify"}
    assert phases["audit", "audit.project"] == {"verify"}
    # The gateway's work is what the call is for: evidence, a change, or a look at health.
    assert phases["tool_gateway", "tool_gateway.calls"] == {"plan", "act", "verify"}
    assert phases["runner", "runner.calls"] == {"act", "verify"}


def test_health_samples_are_spans_that_verify_below_the_clock(traced: Traced) -> None:
    spans = trace_of(traced[2], traced[0])
    by_id = {span.id: span for span in spans}
    samples = [
        span for span in spans if span.name.startswith("execute_tool ") and span.phase == "verify"
    ]
    tools = Counter(span.attributes["gen_ai.tool.name"] for span in samples)
    assert tools, "no health sample was traced"
    assert {span.kind for span in samples} == {"client"}

    def above(span: Span) -> list[str]:
        found: list[str] = []
        while span.parent is not None:
            span = by_id[span.parent]
            found.append(span.name)
        return found

    below_the_clock = [span for span in samples if "runner.clock" in above(span)]
    assert below_the_clock, "samples that a timer asked for are not below it"
    assert all(above(span)[0] == "tool_gateway.calls" for span in samples)


def test_nothing_of_a_trace_failed(traced: Traced) -> None:
    assert {span.status for span in trace_of(traced[2], traced[0])} == {"unset"}
