"""Whether a figure rises: robust against single outliers, and against noise that is none."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from itertools import combinations

__all__ = ["Point", "parts_of", "slope"]

Point = tuple[float, float]
"""When, and how much."""


def slope(points: Sequence[Point]) -> float:
    """The median of the slopes between all pairs (Theil and Sen); 0 for fewer than two points.

    Up to 29 % of the points may be anything at all without changing it much.
    """
    rises = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in combinations(points, 2) if b[0] > a[0]]
    return statistics.median(rises) if rises else 0.0


def parts_of(points: Sequence[Point], end: float, count: int) -> list[list[float]]:
    """The values in `count` equal stretches of the time from 0 to `end`."""
    parts: list[list[float]] = [[] for _ in range(count)]
    for at, value in points:
        parts[min(count - 1, max(0, int(at * count / end)))].append(value)
    return parts
