"""Metrics whose truth is kept elsewhere: read when somebody scrapes, counted nowhere twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from smartops.telemetry.labels import BoundedLabel
from typing_extensions import override

__all__ = ["Read", "Readings"]

Read: TypeAlias = Callable[[], float | Mapping[str, float]]
"""The figure, or one per value of the metric's label. Must not wait, and must not fail."""


@dataclass(frozen=True, slots=True)
class _Reading:
    kind: Literal["counter", "gauge"]
    name: str
    documentation: str
    label: tuple[str, BoundedLabel] | None
    read: Read


class Readings(Collector):
    """The readings of one process, in the order in which they were added."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._readings: dict[str, _Reading] = {}
        registry.register(self)

    def add(
        self,
        kind: Literal["counter", "gauge"],
        name: str,
        documentation: str,
        read: Read,
        label: tuple[str, BoundedLabel] | None = None,
    ) -> None:
        """Show a figure under a name; the same name again replaces it."""
        self._readings[name] = _Reading(kind, name, documentation, label, read)

    @override
    def collect(self) -> Iterator[Metric]:
        for reading in self._readings.values():
            labels = () if reading.label is None else (reading.label[0],)
            family: CounterMetricFamily | GaugeMetricFamily
            if reading.kind == "counter":
                family = CounterMetricFamily(reading.name, reading.documentation, labels=labels)
            else:
                family = GaugeMetricFamily(reading.name, reading.documentation, labels=labels)
            found = reading.read()
            if not isinstance(found, Mapping):
                family.add_metric([], found)
            elif reading.label is not None:
                for value, figure in found.items():
                    family.add_metric([reading.label[1].of(value)], figure)
            yield family
