"""What a health sample measured, and what may be concluded from it when part of it is missing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from smartops.contracts.wire import Wire

__all__ = ["NOTHING_MEASURED", "Measured", "Operator", "compare", "merged"]

Operator = Literal["<", "<=", ">", ">="]


class Measured(Wire):
    """One metric over some targets, or some series, at one time.

    A comparison holds if it holds for any of them. So two numbers are enough: `low` decides whether
    anything is below a limit, `high` whether anything is above it.

    Units: shares from 0 to 1 (`error_rate`, `http_200`), milliseconds (`latency_p99`), or what a
    query of one's own counts.
    """

    low: float | None = None
    """The lowest value that was seen; None when none was."""
    high: float | None = None
    """The highest value that was seen; None when none was."""
    complete: bool = False
    """Whether every target gave a value: else those that are missing could be anything."""


NOTHING_MEASURED = Measured()
"""No answer, an empty one, or one that holds no number."""


def merged(some: Iterable[Measured]) -> Measured:
    """Several measurements of the same metric as one."""
    found = list(some)
    lows = [one.low for one in found if one.low is not None]
    highs = [one.high for one in found if one.high is not None]
    return Measured(
        low=min(lows, default=None),
        high=max(highs, default=None),
        complete=bool(found) and all(one.complete for one in found),
    )


def compare(measured: Measured, operator: Operator, limit: float) -> bool | None:
    """Whether anything measured compares so; None when what is missing could decide it."""
    match operator:
        case "<":
            found = measured.low is not None and measured.low < limit
        case "<=":
            found = measured.low is not None and measured.low <= limit
        case ">":
            found = measured.high is not None and measured.high > limit
        case ">=":
            found = measured.high is not None and measured.high >= limit
    if found:
        return True
    return False if measured.complete else None
