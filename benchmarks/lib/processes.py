"""What processes cost: CPU time and memory by part of the stack, children included."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Self

import psutil  # type: ignore[import-untyped]
from smartops.devstack.stack import Stack

__all__ = [
    "LOADGEN",
    "CpuMeter",
    "busy_cpu_seconds",
    "cpu_seconds_of",
    "own_memory_mb",
    "proportional_memory_mb",
    "roots_of",
]

_MIB = 1024 * 1024
LOADGEN = "loadgen"
"""This very process: load generator and supervisor in one."""


def roots_of(stack: Stack) -> dict[str, int]:
    """The process that leads each part of a stack, by name."""
    roots = {name: child.pid for name, child in stack.services.items()}
    roots["postgres"] = stack.postgres.pid
    roots["nats"] = stack.nats.pid
    if stack.playground is not None:
        roots["playground"] = stack.playground.pid
    return roots


def proportional_memory_mb(roots: Mapping[str, int]) -> dict[str, float]:
    """PSS by part, in MiB: memory that several processes share is counted once over all."""
    return {name: round(_memory(pid), 1) for name, pid in roots.items()}


def own_memory_mb() -> float:
    """PSS of this process alone, in MiB."""
    return round(float(psutil.Process().memory_full_info().pss) / _MIB, 1)


class CpuMeter:
    """CPU seconds by part between `begin` and `end`, with what everything else took meanwhile.

    User and system time, in ticks of 10 ms; children that have ended are counted by their parent.
    """

    def __init__(self, roots: Mapping[str, int]) -> None:
        self._roots = {**roots, LOADGEN: psutil.Process().pid}
        self._before: dict[str, float] = {}
        self._busy = 0.0
        self._began = 0.0
        self.used: dict[str, float] = {}
        """CPU seconds by part."""
        self.wall = 0.0
        """Seconds."""
        self.others = 0.0
        """CPUs, on average, that were busy with something else: contention."""

    def begin(self) -> Self:
        """Start counting."""
        self._before = self._now()
        self._busy = busy_cpu_seconds()
        self._began = time.monotonic()
        return self

    def end(self) -> Self:
        """Stop counting."""
        self.wall = time.monotonic() - self._began
        after = self._now()
        self.used = {name: after[name] - self._before[name] for name in after}
        self.others = (
            max(0.0, busy_cpu_seconds() - self._busy - sum(self.used.values())) / self.wall
        )
        return self

    def _now(self) -> dict[str, float]:
        # Of ourselves without our children: those are the parts of the stack.
        return {
            name: cpu_seconds_of(pid) if name == LOADGEN else _time(pid)
            for name, pid in self._roots.items()
        }


def _time(root: int) -> float:
    total = 0.0
    for process in _tree(root):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


def cpu_seconds_of(pid: int) -> float:
    """User and system time of one process, without its children."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def _memory(root: int) -> float:
    total = 0
    for process in _tree(root):
        try:
            total += process.memory_full_info().pss
        except psutil.NoSuchProcess:
            continue
    return total / _MIB


def _tree(root: int) -> list[psutil.Process]:
    leader = psutil.Process(root)
    return [leader, *leader.children(recursive=True)]


def busy_cpu_seconds() -> float:
    """Seconds, since some time in the past, that all CPUs together were not idle."""
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system + times.irq + times.softirq + times.steal)
