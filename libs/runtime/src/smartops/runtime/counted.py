"""The event store of a service process, which counts how its units were answered."""

from __future__ import annotations

from typing import Final

from smartops.eventstore.results import AppendResult, Committed, Conflict
from smartops.eventstore.store import EventStore
from smartops.eventstore.units import Unit
from smartops.telemetry.metrics import Metrics
from typing_extensions import override

__all__ = ["CountedStore"]

ACCEPTED: Final = "accepted"
CONFLICT: Final = "conflict"
ALREADY: Final = "already"


class CountedStore(EventStore):
    """`orchestrator_units_total` by outcome; `orchestrator_commits_total` is read from the store.

    A conflict is no fault: somebody else was first, and the decision is made again. Many of them
    say that two processes work on the same streams.
    """

    _metrics: Metrics | None = None

    def count_in(self, metrics: Metrics) -> None:
        """Count from now on."""
        self._metrics = metrics
        metrics.read_counter("commits", "Calls to the log that stored units.", self._batches)

    @override
    async def append(self, unit: Unit) -> AppendResult:
        result = await super().append(unit)
        if self._metrics is not None:
            self._metrics.unit(_outcome(result))
        return result

    def _batches(self) -> float:
        return self.batches


def _outcome(result: AppendResult) -> str:
    if isinstance(result, Committed):
        return ACCEPTED
    return CONFLICT if isinstance(result, Conflict) else ALREADY
