"""How much more a large log costs than a small one, and how much more it may."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["judge_growth", "ratios"]

AT_MOST: Mapping[str, float] = {
    "append_p50": 1.3,
    "task_p50": 1.3,
    "house_cpu_ms_per_task": 1.3,
    "rows_read_per_unit": 1.1,
}
"""The bars: figures at the largest size, as multiples of those on the small log."""
OTHER_CPUS = 0.3
"""What else may be at work; beyond that a missed bar of time or CPU is void, not broken."""

RATIOS = (
    "append_p50_ms",
    "postgres_cpu_us_per_unit",
    "sweep_p50_ms",
    "due_timers_p50_ms",
    "history_p50_ms",
    "newest_tasks_p50_ms",
    "audit_us_per_event",
    "rows_read_per_unit",
    "task_p50_ms",
    "house_cpu_ms_per_task",
    "house_postgres_cpu_ms_per_task",
)


def ratios(
    large: Mapping[str, float | None], small: Mapping[str, float | None]
) -> dict[str, float]:
    """What each figure is on the large log, as a multiple of what it is on the small one."""
    return {
        name.removesuffix("_ms"): round((large[name] or 0.0) / (small[name] or float("nan")), 2)
        for name in RATIOS
    }


def judge_growth(curve: Sequence[Mapping[str, Any]], broken: list[str], void: list[str]) -> None:
    """Hold the last point of a curve against the bars.

    Args:
        curve: points as `bench growth` makes them.
        broken: takes what is missed.
        void: takes what is missed while something else was at work: that shows nothing.
    """
    if not curve:
        return
    largest = curve[-1]
    busy = max(
        float(each[name] or 0)
        for each in (largest, largest["control"])
        for name in ("other_cpus_busy", "house_other_cpus_busy")
    )
    for name, bar in AT_MOST.items():
        ratio = largest["ratios"][name]
        if ratio <= bar:
            continue
        missed = (
            f"at {largest['stored_tasks']} tasks {name} is {ratio:g} times what it is on a small "
            f"log, the bar is at most {bar:g}"
        )
        if busy > OTHER_CPUS and name != "rows_read_per_unit":
            void.append(f"{missed}; but something else kept {busy:g} CPUs busy")
        else:
            broken.append(missed)
