"""From samples to figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

__all__ = ["long_spread", "per_unit", "percentile", "rounded", "spread"]


def percentile(values: Iterable[float], share: float) -> float | None:
    """The value below which `share` (0 to 1) of the values lie, interpolated; None without any."""
    ordered = sorted(values)
    if not ordered:
        return None
    place = (len(ordered) - 1) * share
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def rounded(value: float | None, digits: int = 2) -> float | None:
    """Rounded, for people."""
    return None if value is None else round(value, digits)


def spread(values: Sequence[float], digits: int = 2) -> dict[str, float | int | None]:
    """Number, median and largest of some values."""
    return {
        "n": len(values),
        "p50": rounded(percentile(values, 0.5), digits),
        "max": rounded(max(values, default=None), digits),
    }


def long_spread(values: Sequence[float], digits: int = 2) -> dict[str, float | int | None]:
    """`spread`, with the value that one in a hundred exceeds."""
    return {**spread(values, digits), "p99": rounded(percentile(values, 0.99), digits)}


def per_unit(totals: Mapping[str, float], count: int, scale: float = 1.0) -> dict[str, float]:
    """Each total divided by a count, and their sum as `total`."""
    shares = {name: round(total * scale / count, 3) for name, total in totals.items()}
    return {**shares, "total": round(sum(totals.values()) * scale / count, 3)}
