"""Metric families with bounded labels and a short way to the child that counts.

`prometheus_client` finds a child by formatting and hashing its labels under a lock on each call;
here the children are kept by their raw label values, so that an observation costs one dict lookup
more than the bare child.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Generic, TypeVar

from prometheus_client import CollectorRegistry, Counter, Histogram
from smartops.telemetry.labels import BoundedLabel

__all__ = ["CounterFamily", "HistogramFamily"]

ChildT = TypeVar("ChildT", Counter, Histogram)


class _Family(Generic[ChildT]):
    """The children of one metric, by label values in the order the labels were declared."""

    def __init__(self, metric: ChildT, labels: Sequence[BoundedLabel]) -> None:
        self._metric: ChildT = metric
        self._labels = labels
        self._children: dict[tuple[str, ...], ChildT] = {}

    def child(self, *values: str) -> ChildT:
        """The child of these values, to be kept by whoever counts often."""
        found: ChildT | None = self._children.get(values)
        return self._bind(values) if found is None else found

    def _bind(self, values: tuple[str, ...]) -> ChildT:
        bounded = tuple(label.of(value) for label, value in zip(self._labels, values, strict=True))
        child: ChildT = self._metric.labels(*bounded)
        if bounded == values:
            # Values that were turned into `other` are not kept: there is no end of them.
            self._children[values] = child
        return child


class CounterFamily(_Family[Counter]):
    """A counter per combination of label values."""

    def __init__(
        self,
        name: str,
        documentation: str,
        labels: Mapping[str, BoundedLabel],
        registry: CollectorRegistry,
    ) -> None:
        super().__init__(
            Counter(name, documentation, tuple(labels), registry=registry), tuple(labels.values())
        )

    def inc(self, *values: str) -> None:
        """Count one."""
        (self._children.get(values) or self._bind(values)).inc()


class HistogramFamily(_Family[Histogram]):
    """A histogram per combination of label values."""

    def __init__(
        self,
        name: str,
        documentation: str,
        labels: Mapping[str, BoundedLabel],
        buckets: Sequence[float],
        registry: CollectorRegistry,
    ) -> None:
        super().__init__(
            Histogram(name, documentation, tuple(labels), registry=registry, buckets=buckets),
            tuple(labels.values()),
        )

    def observe(self, amount: float, *values: str) -> None:
        """Note one amount, in the unit of the metric's name."""
        (self._children.get(values) or self._bind(values)).observe(amount)
