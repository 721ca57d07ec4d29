"""Fault switches: which servers misbehave, in which way, and how often still."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from smartops.playground.operations import WRITES, Operation

__all__ = [
    "BROKEN_ERROR_RATE",
    "BROKEN_LATENCY_MS",
    "CONDITIONS",
    "Fault",
    "Faults",
    "Mode",
]

BROKEN_ERROR_RATE = 0.25
"""Fraction of requests that a server fails once a change has broken it."""


BROKEN_LATENCY_MS = 900.0
"""The slowest hundredth of its requests, then."""


class Mode(StrEnum):
    """The ways to misbehave."""

    UNHEALTHY_AFTER_CHANGE = "unhealthy_after_change"
    """Broken whenever the version differs from the one at the time of the switch."""
    UNHEALTHY_NOW = "unhealthy_now"
    """Health answers 503; the error rate stays as it is."""
    ERROR_RATE = "error_rate"
    """The error rate is at least `value`; health stays as it is."""
    LATENCY = "latency"
    """The slowest hundredth takes at least `value` milliseconds; health stays as it is."""
    DELAY = "delay"
    """Each request waits `value` milliseconds before anything happens."""
    FAIL_NEXT = "fail_next"
    """The next `value` requests answer 500 and apply nothing."""
    APPLY_THEN_DROP = "apply_then_drop"
    """A write is applied, then the connection closes without an answer."""
    HANG = "hang"
    """A request waits, not applied, until the switch is cleared; then it goes on."""
    REFUSE = "refuse"
    """The connection closes without an answer; nothing is applied."""


CONDITIONS = frozenset(
    {Mode.UNHEALTHY_AFTER_CHANGE, Mode.UNHEALTHY_NOW, Mode.ERROR_RATE, Mode.LATENCY}
)
"""Modes that are a state of the server, not of single requests."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One switch that is on."""

    id: str
    mode: Mode
    server: str | None = None
    """The server it is about; None for all servers and for fleet-wide requests."""
    operation: Operation | None = None
    """The operation it is about; None for all (for `apply_then_drop`: for all writes)."""
    value: float | None = None
    """The rate, the milliseconds or the count, as the mode reads it."""
    left: int | None = None
    """How many requests it still acts on; None for without end, 0 for spent."""
    baseline: dict[str, str] = field(default_factory=dict)
    """Version per server when switched on; only for `unhealthy_after_change`."""

    @property
    def switch(self) -> tuple[Mode, str | None, Operation | None]:
        """What makes two faults settings of the same switch."""
        return (self.mode, self.server, self.operation)

    def acts_on(self, mode: Mode, server: str | None, operation: Operation) -> bool:
        """Whether it is of `mode`, not spent, and about this request."""
        return (
            self.mode is mode
            and self.left != 0
            and self.server in (None, server)
            and self.operation in (None, operation)
            and (mode is not Mode.APPLY_THEN_DROP or operation in WRITES)
        )

    def breaks(self, server: str, version: str) -> bool:
        """Whether a change of version has broken `server`, which now runs `version`."""
        return (
            self.mode is Mode.UNHEALTHY_AFTER_CHANGE
            and self.server in (None, server)
            and self.baseline.get(server, version) != version
        )

    def to_json(self) -> dict[str, Any]:
        """The fault as the admin API and the state file write it."""
        return {
            "id": self.id,
            "mode": self.mode.value,
            "server": self.server,
            "operation": self.operation and self.operation.value,
            "value": self.value,
            "left": self.left,
            "baseline": self.baseline,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Fault:
        """The fault written by `to_json`."""
        operation = data["operation"]
        return cls(
            id=data["id"],
            mode=Mode(data["mode"]),
            server=data["server"],
            operation=operation and Operation(operation),
            value=data["value"],
            left=data["left"],
            baseline=data["baseline"],
        )


class Faults:
    """All switches that are on, in the order in which they were set."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._by_id = {fault.id: fault for fault in faults}

    def all(self) -> list[Fault]:
        """Every switch, spent ones too: they tell that they have acted."""
        return list(self._by_id.values())

    def replaced_by(self, fault: Fault) -> list[str]:
        """Ids of earlier settings of the same switch."""
        return [old.id for old in self._by_id.values() if old.switch == fault.switch]

    def put(self, fault: Fault) -> None:
        """Switch on; an earlier setting of the same switch is replaced."""
        self.clear(self.replaced_by(fault))
        self._by_id[fault.id] = fault

    def spend(self, fault_id: str) -> None:
        """Count one request that the fault acted on."""
        fault = self._by_id.get(fault_id)
        if fault is not None and fault.left:
            self._by_id[fault_id] = replace(fault, left=fault.left - 1)

    def clear(self, fault_ids: Iterable[str]) -> None:
        """Switch off; unknown ids are no matter."""
        for fault_id in fault_ids:
            self._by_id.pop(fault_id, None)

    def acting(self, mode: Mode, server: str | None, operation: Operation) -> Fault | None:
        """The first switch of `mode` that acts on this request."""
        for fault in self._by_id.values():
            if fault.acts_on(mode, server, operation):
                return fault
        return None

    def healthy(self, server: str, version: str) -> bool:
        """Whether `server`, running `version`, passes its health check."""
        return not any(
            fault.breaks(server, version)
            or (fault.mode is Mode.UNHEALTHY_NOW and fault.server in (None, server))
            for fault in self._by_id.values()
        )

    def error_rate(self, server: str, version: str, base: float) -> float:
        """Fraction of requests, 0 to 1, that `server` fails: the worst of all causes."""
        rate = base
        for fault in self._by_id.values():
            if fault.breaks(server, version):
                rate = max(rate, BROKEN_ERROR_RATE)
            elif fault.mode is Mode.ERROR_RATE and fault.server in (None, server):
                rate = max(rate, fault.value or 0.0)
        return rate

    def latency_ms(self, server: str, version: str, base: float) -> float:
        """Milliseconds of the slowest hundredth of requests: the worst of all causes."""
        latency = base
        for fault in self._by_id.values():
            if fault.breaks(server, version):
                latency = max(latency, BROKEN_LATENCY_MS)
            elif fault.mode is Mode.LATENCY and fault.server in (None, server):
                latency = max(latency, fault.value or 0.0)
        return latency
