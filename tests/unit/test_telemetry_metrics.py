"""Metrics: the names others rely on, and series of bounded number."""

from __future__ import annotations

import re
import uuid
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families
from smartops.telemetry.families import CounterFamily
from smartops.telemetry.labels import OTHER, BoundedLabel
from smartops.telemetry.metrics import Metrics

README = Path(__file__).parents[2] / "libs/telemetry/README.md"

NAMES = {
    "orchestrator_tasks_total": {"status"},
    "orchestrator_executions_total": {"status"},
    "orchestrator_agent_latency_seconds": {"agent"},
    "orchestrator_tool_calls_total": {"tool", "result"},
    "orchestrator_messages_total": {"handler", "outcome"},
    "orchestrator_handler_seconds": {"handler"},
    "orchestrator_units_total": {"outcome"},
    "orchestrator_events_total": {"topic"},
    "orchestrator_swept_total": {"handler"},
    "orchestrator_tool_call_seconds": {"tool"},
    "orchestrator_execution_seconds": {"status"},
    "orchestrator_commits_total": set(),
    "orchestrator_pull_rests_total": {"handler"},
    "orchestrator_pull_failures_total": {"handler"},
    "orchestrator_commands_gone_total": {"handler"},
    "orchestrator_shadow_decisions_total": {"outcome"},
    "orchestrator_consumer_pending": {"handler"},
    "orchestrator_consumer_unacked": {"handler"},
    "orchestrator_outbox_pending": set(),
    "orchestrator_outbox_oldest_seconds": set(),
    "orchestrator_parked_triggers": set(),
    "orchestrator_projected_events_total": set(),
    "orchestrator_approval_wait_seconds": set(),
    "orchestrator_policy_decisions_total": {"rule", "verdict"},
    "orchestrator_phase_health_checks_total": {"type", "outcome"},
    "orchestrator_break_glass_total": set(),
    "orchestrator_rollbacks_total": set(),
    "orchestrator_projection_lag_events": set(),
    "orchestrator_parked_total": {"handler"},
    "orchestrator_loop_lag_seconds": set(),
    "orchestrator_asyncio_tasks": set(),
    "orchestrator_remembered": set(),
    "orchestrator_service_info": {"service", "version"},
}


def observe_everything(metrics: Metrics) -> None:
    metrics.task("completed")
    metrics.execution("completed")
    metrics.agent_latency("noop", 0.1)
    metrics.tool_call("noop", "succeeded")
    metrics.handler("planner.submit_task").done("done", 0.002)
    metrics.unit("accepted")
    metrics.event("task.planned")
    metrics.swept("planner.submit_task")
    metrics.execution_seconds("completed", 12.0)
    metrics.tool_call("noop", "failed", 0.2)
    metrics.read_counter("commits", "Calls.", lambda: 3)
    metrics.read_counter("projected_events", "Events.", lambda: 3)
    for name in ("pull_rests", "pull_failures", "commands_gone"):
        metrics.read_counter(name, "Rests.", lambda: {"planner.submit_task": 2}, "handler")
    metrics.read_counter("shadow_decisions", "Decisions.", lambda: {"agreed": 2}, "outcome")
    for name in ("consumer_pending", "consumer_unacked"):
        metrics.read_gauge(name, "Messages.", lambda: {"planner.submit_task": 9}, "handler")
    metrics.outbox_pending.set(4)
    metrics.outbox_oldest.set(2.5)
    metrics.parked_now.set(1)
    metrics.approval_wait(61.0)
    metrics.policy_decision("read_only", "allow")
    metrics.health_check("http_200", "passed")
    metrics.rollback()
    metrics.break_glass()
    metrics.projection_lag.set(5)
    metrics.parked("planner.submit_task")
    metrics.loop_lag.set(0.001)
    for name in ("asyncio_tasks", "remembered"):
        metrics.read_gauge(name, "Things.", lambda: 7)


def shown(metrics: Metrics) -> dict[str, set[str]]:
    """Names as exposed, each with its labels."""
    text = metrics.exposition()[0].decode()
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        name = family.name + ("_total" if family.type == "counter" else "")
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        if name.startswith("orchestrator_"):
            found[name] = labels
    return found


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def test_names_and_labels_are_those_that_dashboards_rely_on() -> None:
    metrics = Metrics("planner")
    observe_everything(metrics)
    assert shown(metrics) == NAMES


def test_the_readme_lists_exactly_these_names_and_labels() -> None:
    rows = re.findall(r"^\| `(orchestrator_\w+)` \|([\w, ]*)\|", README.read_text(), re.MULTILINE)
    assert {name: set(re.findall(r"\w+", labels)) for name, labels in rows} == NAMES


def test_each_observation_arrives() -> None:
    metrics = Metrics("planner")
    observe_everything(metrics)
    assert value(metrics, "orchestrator_tasks_total", status="completed") == 1
    assert value(metrics, "orchestrator_tool_calls_total", tool="noop", result="succeeded") == 1
    handler = "planner.submit_task"
    assert value(metrics, "orchestrator_messages_total", handler=handler, outcome="done") == 1
    assert value(metrics, "orchestrator_handler_seconds_sum", handler=handler) == 0.002
    assert value(metrics, "orchestrator_parked_total", handler=handler) == 1
    assert value(metrics, "orchestrator_tool_call_seconds_sum", tool="noop") == 0.2
    assert value(metrics, "orchestrator_execution_seconds_sum", status="completed") == 12
    assert value(metrics, "orchestrator_events_total", topic="task.planned") == 1
    assert value(metrics, "orchestrator_commits_total") == 3
    assert value(metrics, "orchestrator_pull_rests_total", handler=handler) == 2
    assert value(metrics, "orchestrator_consumer_pending", handler=handler) == 9
    assert value(metrics, "orchestrator_approval_wait_seconds_bucket", le="300.0") == 1
    assert value(metrics, "orchestrator_approval_wait_seconds_bucket", le="60.0") == 0
    assert value(metrics, "orchestrator_outbox_pending") == 4
    assert value(metrics, "orchestrator_projection_lag_events") == 5


def test_a_service_shows_no_zero_for_what_it_does_not_do() -> None:
    samples = Metrics("planner").exposition()[0].decode()
    assert "orchestrator_projection_lag_events" not in samples
    assert "orchestrator_outbox_pending" not in samples


def test_two_services_in_one_process_do_not_share_series() -> None:
    one, two = Metrics("planner"), Metrics("policy")
    one.task("queued")
    assert value(two, "orchestrator_tasks_total", status="queued") is None


def test_a_given_registry_is_used() -> None:
    registry = CollectorRegistry()
    assert Metrics("planner", registry).registry is registry
    assert registry.get_sample_value("process_resident_memory_bytes") is not None


def test_counters_are_not_exported_twice() -> None:
    metrics = Metrics("planner")
    observe_everything(metrics)
    assert b"_created" not in metrics.exposition()[0]


def test_open_metrics_is_given_to_whoever_asks() -> None:
    body, content_type = Metrics("planner").exposition(
        "application/openmetrics-text; version=1.0.0"
    )
    assert content_type.startswith("application/openmetrics-text")
    assert body.endswith(b"# EOF\n")


def test_ids_never_become_labels() -> None:
    metrics = Metrics("planner")
    for _ in range(3):
        metrics.tool_call(str(uuid.uuid4()), "succeeded")
        metrics.tool_call(f"restart-{uuid.uuid4().hex}", "succeeded")
    assert value(metrics, "orchestrator_tool_calls_total", tool=OTHER, result="succeeded") == 6


def test_a_flood_of_values_neither_adds_series_nor_memory() -> None:
    label = BoundedLabel(10)
    family = CounterFamily("flood", "x", {"tool": label}, CollectorRegistry())
    for number in range(1_000):
        family.inc(f"tool-{number}")
    assert len(family._children) == 10
    (metric,) = family._metric.collect()
    counts = {sample.labels["tool"]: sample.value for sample in metric.samples}
    assert len(counts) == 11
    assert counts[OTHER] == 990


def test_the_first_value_without_a_place_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    label = BoundedLabel(1, known=["a"])
    assert [label.of(one) for one in ("a", "b", "c", "a")] == ["a", OTHER, OTHER, "a"]
    assert len(caplog.records) == 1


def test_known_values_have_their_place_from_the_start() -> None:
    label = BoundedLabel(2, known=["done", "parked"])
    assert label.of("strange") == OTHER
    assert label.of("parked") == "parked"
    with pytest.raises(ValueError, match="less than the 2 known"):
        BoundedLabel(1, known=["done", "parked"])


def test_an_empty_value_is_named_for_prometheus_takes_it_for_absent() -> None:
    assert BoundedLabel(3).of("") == "none"


@given(limit=st.integers(1, 8), values=st.lists(st.text(max_size=80), max_size=60))
def test_a_label_takes_at_most_limit_values_and_other(limit: int, values: list[str]) -> None:
    label = BoundedLabel(limit)
    taken = {label.of(one) for one in values}
    assert len(taken - {OTHER}) <= limit
    assert all(label.of(one) == label.of(one) for one in values)


def test_a_reading_is_read_at_each_scrape_and_its_labels_are_bounded() -> None:
    metrics = Metrics("planner")
    figures = {"planner.intents": 1.0}
    metrics.read_gauge("consumer_pending", "Messages.", lambda: figures, "handler")
    figures["planner.intents"] = 2.0
    figures[str(uuid.uuid4())] = 3.0
    name = "orchestrator_consumer_pending"
    assert value(metrics, name, handler="planner.intents") == 2
    assert value(metrics, name, handler=OTHER) == 3


def test_a_reading_with_the_same_name_replaces_the_first() -> None:
    metrics = Metrics("planner")
    metrics.read_counter("commits", "Calls.", lambda: 1)
    metrics.read_counter("commits", "Calls.", lambda: 2)
    assert value(metrics, "orchestrator_commits_total") == 2
