"""Runs over many targets: one task that patches so many servers, from intent to end."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Self

import asyncpg
from smartops.devstack.stack import Stack

from benchmarks.lib.figures import percentile
from benchmarks.lib.log_costs import costs_since, mark
from benchmarks.lib.ops_tasks import OpsTasks
from benchmarks.lib.processes import LOADGEN, CpuMeter, roots_of

__all__ = ["BARRED", "ENVIRONMENT", "FanOut", "Size", "each_further", "growth"]

ENVIRONMENT = "production"
PATIENCE_S = 600.0

BARRED = ("cpu_ms", "wall_ms", "events", "event_kib", "wal_kib", "commits")
"""Costs per target that must not grow with the number of targets."""

_STATES = """
select coalesce(sum(octet_length(state)), 0) from smartops_log.events where position > $1
"""
_BEHIND = """
select (select count(*) from smartops_log.outbox) > 0
    or (select position from smartops.progress)
       < (select max(position) from smartops_log.events)
"""


@dataclass(slots=True)
class Size:
    """What runs of one size cost, per target and in the median over the runs.

    Attributes:
        targets: of each run.
        runs: one entry per run: the costs by name.
        cpu_ms_by: CPU by process, likewise.
    """

    targets: int
    runs: list[dict[str, float]] = field(default_factory=list)
    cpu_ms_by: list[dict[str, float]] = field(default_factory=list)

    def median(self, name: str) -> float:
        """Of one cost."""
        return percentile([run[name] for run in self.runs], 0.5) or 0.0

    def cpu_ms(self, part: str) -> float:
        """CPU of a process for a whole run."""
        return self.targets * (percentile([by[part] for by in self.cpu_ms_by], 0.5) or 0.0)

    def figures(self) -> dict[str, object]:
        """For the JSON line."""
        names = self.runs[0]
        parts = self.cpu_ms_by[0]
        return {
            "targets": self.targets,
            "n": len(self.runs),
            "per_target": {name: round(self.median(name), 3) for name in names},
            "cpu_ms_per_target_by": {
                part: round(percentile([by[part] for by in self.cpu_ms_by], 0.5) or 0.0, 3)
                for part in parts
            },
            "wall_s": round(self.median("wall_ms") * self.targets / 1000, 2),
        }


class FanOut:
    """Has runs done, each on servers that nobody has changed before."""

    def __init__(self, stack: Stack, servers: Sequence[str], seed: int) -> None:
        self._stack = stack
        self._free: Iterator[str] = iter(servers)
        self._targets: list[str] = []
        self._load = OpsTasks(
            stack, self._context, seed, environment=ENVIRONMENT, patience_s=PATIENCE_S
        )

    async def __aenter__(self) -> Self:
        await self._load.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._load.__aexit__()

    async def one(self, size: Size) -> None:
        """Have one run of this size done, and note what it cost once audit has followed.

        Raises:
            Failed: it did not complete.
            TimeoutError: the read models do not follow.
        """
        self._targets = [next(self._free) for _ in range(size.targets)]
        begin = await mark(self._stack)
        meter = CpuMeter(roots_of(self._stack)).begin()
        timing = await self._load.one()
        async with asyncio.timeout(PATIENCE_S):
            await self._followed()
        used = meter.end().used
        spent = await costs_since(self._stack, begin)
        states = await self._states(begin.position)
        cpu = {name: s * 1000 / size.targets for name, s in used.items() if name != LOADGEN}
        size.cpu_ms_by.append(cpu)
        totals = {
            "wall_ms": timing.done * 1000,
            "events": spent.events,
            "event_kib": states / 1024,
            "wal_kib": spent.wal_bytes / 1024,
            "commits": spent.commits,
        }
        per_target = {name: total / size.targets for name, total in totals.items()}
        size.runs.append({"cpu_ms": sum(cpu.values()), **per_target})

    def _context(self, ident: str) -> dict[str, object]:
        del ident
        return {"agent": "drift", "scope": {"asset_ids": self._targets}, "approval": True}

    async def _states(self, position: int) -> int:
        connection = await asyncpg.connect(self._stack.postgres.dsn())
        try:
            return int(await connection.fetchval(_STATES, position))
        finally:
            await connection.close()

    async def _followed(self) -> None:
        connection = await asyncpg.connect(self._stack.postgres.dsn())
        try:
            while await connection.fetchval(_BEHIND):  # noqa: ASYNC110 - other processes
                await asyncio.sleep(0.02)
        finally:
            await connection.close()


def growth(sizes: Sequence[Size]) -> dict[str, dict[str, float]]:
    """How many times the cost per target of the largest size is that of each smaller one."""
    *smaller, largest = sizes
    return {
        f"{largest.targets}/{size.targets}": {
            name: round(largest.median(name) / size.median(name), 3)
            for name in BARRED
            if size.median(name)
        }
        for size in smaller
    }


def each_further(sizes: Sequence[Size]) -> list[dict[str, object]]:
    """CPU that each further target costs between one size and the next, in ms, by process.

    What a run costs whatever its size falls out: so it cannot hide what grows.
    """
    found: list[dict[str, object]] = []
    for low, high in itertools.pairwise(sizes):
        more = high.targets - low.targets
        parts = {
            name: round((high.cpu_ms(name) - low.cpu_ms(name)) / more, 2)
            for name in high.cpu_ms_by[0]
        }
        total = round(sum(parts.values()), 2)
        found.append({"from": low.targets, "to": high.targets, "cpu_ms": total, "by": parts})
    return found
