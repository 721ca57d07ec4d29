"""The metrics of a service, under names that dashboards and alerts rely on.

One object per process. Handlers, tools, agents and rules are labels of bounded number; tasks, runs
and tenants are not labels at all: they are looked up in the read models. Metrics without labels
appear with their first use, so that a service shows no zero for what it does not do.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from importlib import metadata

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import choose_encoder
from smartops.telemetry.buckets import AGENT, APPROVAL, EXECUTION, HANDLER, TOOL
from smartops.telemetry.families import CounterFamily, HistogramFamily
from smartops.telemetry.labels import BoundedLabel
from smartops.telemetry.readings import Read, Readings

__all__ = ["HandlerMeter", "Metrics"]


class HandlerMeter:
    """Counts and times the messages of one handler; kept by whoever runs it."""

    __slots__ = ("_handler", "_messages", "_observe")

    def __init__(
        self, handler: str, messages: CounterFamily, observe: Callable[[float], None]
    ) -> None:
        self._handler = handler
        self._messages = messages
        self._observe = observe

    def done(self, outcome: str, seconds: float) -> None:
        """A message has left the handler, `seconds` after it entered."""
        self._messages.inc(self._handler, outcome)
        self._observe(seconds)


class Metrics:
    """All that a service counts. Observing is cheap, safe from any thread, and never fails."""

    def __init__(self, service: str, registry: CollectorRegistry | None = None) -> None:
        # Of the whole process: without it each counter is exported twice, as `_created` too.
        disable_created_metrics()  # type: ignore[no-untyped-call] # Theirs has no annotations.
        self.service = service
        self.registry = CollectorRegistry() if registry is None else registry
        """Where a service may register what it alone counts, with `BoundedLabel`s."""
        ProcessCollector(registry=self.registry)
        Gauge(
            "orchestrator_service_info",
            "Which service this process is; always 1.",
            ("service", "version"),
            registry=self.registry,
        ).labels(service, _version()).set(1)

        handlers, tools, statuses = BoundedLabel(200), BoundedLabel(200), BoundedLabel(20)
        self._tasks = self._counter("tasks", "Tasks by status reached.", status=BoundedLabel(20))
        self._executions = self._counter("executions", "Runs by status reached.", status=statuses)
        self._agent_latency = self._histogram(
            "agent_latency_seconds", "Time an agent took for a plan.", AGENT, agent=BoundedLabel(50)
        )
        self._tool_calls = self._counter(
            "tool_calls", "Tool calls by result.", tool=tools, result=BoundedLabel(16)
        )
        self._messages = self._counter(
            "messages", "Messages by outcome.", handler=handlers, outcome=BoundedLabel(20)
        )
        self._handler_seconds = self._histogram(
            "handler_seconds", "Time from entry to outcome.", HANDLER, handler=handlers
        )
        self._units = self._counter(
            "units", "Units sent to the log, by outcome.", outcome=BoundedLabel(20)
        )
        self._policy_decisions = self._counter(
            "policy_decisions",
            "Policy decisions by rule.",
            rule=BoundedLabel(200),
            verdict=BoundedLabel(10),
        )
        self._health_checks = self._counter(
            "phase_health_checks",
            "Health checks of phases.",
            type=BoundedLabel(30),
            outcome=BoundedLabel(10),
        )
        self._parked = self._counter("parked", "Messages parked as poison.", handler=handlers)
        self._swept = self._counter(
            "swept", "Events that the bus did not bring, found in the log.", handler=handlers
        )
        self._events = self._counter("events", "Events stored.", topic=BoundedLabel(100))
        self._tool_seconds = self._histogram(
            "tool_call_seconds", "Time a tool took to answer.", TOOL, tool=tools
        )
        self._execution_seconds = self._histogram(
            "execution_seconds", "Time from start to end of a run.", EXECUTION, status=statuses
        )
        self._handlers = handlers
        self._readings = Readings(self.registry)

    def handler(self, name: str) -> HandlerMeter:
        """The meter of one handler: `orchestrator_messages_total` and `..._handler_seconds`."""
        return HandlerMeter(name, self._messages, self._handler_seconds.child(name).observe)

    def task(self, status: str) -> None:
        """A task has reached a status."""
        self._tasks.inc(status)

    def execution(self, status: str) -> None:
        """A run has reached a status."""
        self._executions.inc(status)

    def agent_latency(self, agent: str, seconds: float) -> None:
        """An agent has taken this long to answer an intent."""
        self._agent_latency.observe(seconds, agent)

    def event(self, topic: str) -> None:
        """An event was stored."""
        self._events.inc(topic)

    def execution_seconds(self, status: str, seconds: float) -> None:
        """A run has ended so, this long after it began."""
        self._execution_seconds.observe(seconds, status)

    def tool_call(self, tool: str, result: str, seconds: float | None = None) -> None:
        """A tool call has ended (succeeded, failed, uncertain) or was denied.

        Args:
            tool: its name.
            result: how it ended.
            seconds: how long the tool took; None where it was not asked, or gave no answer.
        """
        self._tool_calls.inc(tool, result)
        if seconds is not None:
            self._tool_seconds.observe(seconds, tool)

    def unit(self, outcome: str) -> None:
        """A unit was answered by the log (accepted, conflict, already, ...)."""
        self._units.inc(outcome)

    def approval_wait(self, seconds: float) -> None:
        """A person has decided, this long after being asked."""
        self._approval_wait_seconds.observe(seconds)

    def policy_decision(self, rule: str, verdict: str) -> None:
        """A rule has decided."""
        self._policy_decisions.inc(rule, verdict)

    def health_check(self, type_: str, outcome: str) -> None:
        """A phase's health was observed."""
        self._health_checks.inc(type_, outcome)

    def rollback(self) -> None:
        """A run has begun to roll back."""
        self._rollbacks.inc()

    def expect_broken_glass(self) -> None:
        """Show that counter from now on: an alert on its first rise needs the zero before."""
        self._broken_glass.inc(0)

    def break_glass(self) -> None:
        """One person let a plan run alone, in an emergency."""
        self._broken_glass.inc()

    def parked(self, handler: str) -> None:
        """A message was parked as poison."""
        self._parked.inc(handler)

    def swept(self, handler: str) -> None:
        """A sweep has found an event that the bus did not bring."""
        self._swept.inc(handler)

    def read_counter(
        self, name: str, documentation: str, read: Read, label: str | None = None
    ) -> None:
        """Show what is counted elsewhere, under `orchestrator_<name>_total`.

        Args:
            name: without prefix and suffix.
            documentation: one sentence.
            read: see `Read`; called at each scrape.
            label: what its keys are: `handler`, or None for a single figure.
        """
        self._readings.add(
            "counter", f"orchestrator_{name}", documentation, read, self._label(label)
        )

    def read_gauge(
        self, name: str, documentation: str, read: Read, label: str | None = None
    ) -> None:
        """Show what is known elsewhere, under `orchestrator_<name>`; see `read_counter`."""
        self._readings.add("gauge", f"orchestrator_{name}", documentation, read, self._label(label))

    @cached_property
    def outbox_pending(self) -> Gauge:
        """Committed events that are not yet published: `set` it, or `set_function` a reader."""
        return self._gauge("outbox_pending", "Committed events not yet published.")

    @cached_property
    def outbox_oldest(self) -> Gauge:
        """How long the oldest of them has waited, in seconds."""
        return self._gauge("outbox_oldest_seconds", "Age of the oldest event not yet published.")

    @cached_property
    def parked_now(self) -> Gauge:
        """Triggers that lie parked, whoever parked them."""
        return self._gauge("parked_triggers", "Triggers that lie parked and wait for a person.")

    @cached_property
    def projection_lag(self) -> Gauge:
        """Events between the head of the log and the projections."""
        return self._gauge("projection_lag_events", "Events the projections are behind the log.")

    @cached_property
    def loop_lag(self) -> Gauge:
        """How late the event loop runs what is due, in seconds."""
        return self._gauge("loop_lag_seconds", "How late the event loop runs what is due.")

    def exposition(self, accept: str = "") -> tuple[bytes, str]:
        """All metrics as text, and its content type, in the best format the scraper accepts."""
        encode, content_type = choose_encoder(accept)
        return encode(self.registry), content_type

    @cached_property
    def _approval_wait_seconds(self) -> Histogram:
        return Histogram(
            "orchestrator_approval_wait_seconds",
            "Time from asking a person to the decision.",
            registry=self.registry,
            buckets=APPROVAL,
        )

    @cached_property
    def _broken_glass(self) -> Counter:
        return Counter(
            "orchestrator_break_glass",
            "Plans that one person let run alone, in an emergency.",
            registry=self.registry,
        )

    @cached_property
    def _rollbacks(self) -> Counter:
        return Counter(
            "orchestrator_rollbacks", "Runs that began to roll back.", registry=self.registry
        )

    def _label(self, name: str | None) -> tuple[str, BoundedLabel] | None:
        return None if name is None else (name, self._handlers)

    def _gauge(self, name: str, documentation: str) -> Gauge:
        return Gauge(f"orchestrator_{name}", documentation, registry=self.registry)

    def _counter(self, name: str, documentation: str, **labels: BoundedLabel) -> CounterFamily:
        return CounterFamily(f"orchestrator_{name}", documentation, labels, self.registry)

    def _histogram(
        self, name: str, documentation: str, buckets: tuple[float, ...], **labels: BoundedLabel
    ) -> HistogramFamily:
        return HistogramFamily(
            f"orchestrator_{name}", documentation, labels, buckets, self.registry
        )


def _version() -> str:
    try:
        return metadata.version("smartops-telemetry")
    except metadata.PackageNotFoundError:
        return "unknown"
