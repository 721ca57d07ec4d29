"""Tools that look at how things are going: latencies of a fleet, and whatever Prometheus knows."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field
from smartops.contracts.wire import Category, Idempotence, Risk, Scope, TargetName
from smartops.tool_gateway.ports import Driver
from smartops.tool_gateway.tools.base import Arguments, Output, Tool, descriptor

__all__ = ["latency_tools", "prometheus_tools"]

MAX_VALUES = 1000
"""Series that one answer may have: a check that needs more should aggregate in its query."""

_READ: dict[str, Any] = {
    "category": Category.READ,
    "risk": Risk.READ_ONLY,
    "idempotence": Idempotence.IDEMPOTENT,
}


class QueryLatency(Arguments):
    """Of which servers."""

    targets: Annotated[tuple[TargetName, ...], Field(min_length=1, max_length=5000)]


class Latencies(Output):
    """How long the slowest hundredth of requests takes, in milliseconds; none where unknown."""

    results: dict[str, float | None]


class QueryPrometheus(Arguments):
    """An instant query."""

    query: Annotated[str, Field(min_length=1, max_length=2000)]


class Values(Output):
    """The numbers that a query gives now, one per series; none for what is no number."""

    values: Annotated[tuple[float | None, ...], Field(max_length=MAX_VALUES)]


def latency_tools(driver: Driver, hosts: tuple[str, ...] = ()) -> tuple[Tool, ...]:
    """Looks at a fleet's own metrics page."""
    made = descriptor(
        "query_latency",
        "Reads how long the slowest hundredth of requests to servers takes, from their metrics.",
        QueryLatency,
        Latencies,
        scope=Scope.ENVIRONMENT,
        egress=hosts,
        **_READ,
    )
    return (Tool(made, QueryLatency, Latencies, driver),)


def prometheus_tools(driver: Driver, hosts: tuple[str, ...] = ()) -> tuple[Tool, ...]:
    """Asks a Prometheus server, and nobody else."""
    made = descriptor(
        "query_prometheus",
        "Asks Prometheus for the value of a query now.",
        QueryPrometheus,
        Values,
        scope=Scope.ORGANIZATION,
        egress=hosts,
        **_READ,
    )
    return (Tool(made, QueryPrometheus, Values, driver),)
