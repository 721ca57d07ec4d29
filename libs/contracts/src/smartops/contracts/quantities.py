"""Durations and limits as people write them: `30m`, `< 1%`, `<= 500ms`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import cast

from smartops.contracts.errors import Malformed
from smartops.contracts.measured import Operator
from typing_extensions import override

__all__ = [
    "DURATION",
    "UNITS",
    "Limit",
    "milliseconds",
    "read_limit",
    "unit_of",
    "write_duration",
]

DURATION = r"^\d{1,9}(ms|s|m|h)$"
"""`500ms`, `30s`, `5m`, `2h`."""

_DURATION = re.compile(r"(\d{1,9})(ms|s|m|h)", re.ASCII)
_MS = {"h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
_LIMIT = re.compile(r"(<=|<|>=|>) ?(-?\d{1,15}(?:\.\d{1,9})?)(%|ms|s|)", re.ASCII)

UNITS: dict[str, tuple[str, ...]] = {
    "error_rate": ("%",),
    "http_200": ("%",),
    "latency_p99": ("ms", "s"),
}
"""Units of the metrics that everybody knows; any other metric is a bare number."""

_SCALE = {"%": Decimal("0.01"), "ms": Decimal(1), "s": Decimal(1000), "": Decimal(1)}


def milliseconds(text: str) -> int:
    """How long `text` says.

    Raises:
        Malformed: not a whole number with one of ms, s, m, h.
    """
    parts = _DURATION.fullmatch(text)
    if parts is None:
        raise Malformed(f"{text[:40]!r} is no duration: write one like 500ms, 30s, 5m or 2h")
    return int(parts[1]) * _MS[parts[2]]


def write_duration(length_ms: int) -> str:
    """The shortest text that `milliseconds` reads as this length."""
    unit = next(unit for unit, size in _MS.items() if length_ms % size == 0)
    return f"{length_ms // _MS[unit]}{unit}"


@dataclass(frozen=True, slots=True)
class Limit:
    """A comparison with a number: `< 1%`."""

    operator: Operator
    number: Decimal
    """As written, in `unit`."""
    unit: str = ""
    """`%`, `ms`, `s`, or empty."""

    @property
    def value(self) -> float:
        """In the unit in which values are measured: a share, milliseconds, a bare number."""
        return float(self.number * _SCALE[self.unit])

    @override
    def __str__(self) -> str:
        return f"{self.operator} {self.number:f}{self.unit}"


def read_limit(text: str) -> Limit:
    """The limit that a text says.

    Raises:
        Malformed: no comparison with a number.
    """
    parts = _LIMIT.fullmatch(text)
    if parts is None:
        raise Malformed(f"{text[:40]!r} is no limit: write one like '< 1%', '< 500ms' or '> 3'")
    return Limit(cast("Operator", parts[1]), Decimal(parts[2]), parts[3])


def unit_of(metric: str, limit: Limit) -> str | None:
    """What is wrong with the unit of a limit on a metric; None when it fits."""
    units = UNITS.get(metric, ("",))
    if limit.unit in units:
        return None
    wanted = " or ".join(units) if units != ("",) else "no unit"
    return f"{metric} is compared with a number that has {wanted}, not {str(limit)!r}"
