"""Whole tasks, by the whole house, on a log that holds so many already."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path

import asyncpg
from smartops.devstack.stack import Stack, StackOptions, running_stack

from benchmarks.lib.figures import percentile, rounded
from benchmarks.lib.ops_tasks import OpsTasks, noop_context
from benchmarks.lib.processes import LOADGEN, CpuMeter, proportional_memory_mb, roots_of

__all__ = ["tasks_in_the_house"]

WARM_UP = 30
CAUGHT_UP_S = 60.0
_BEHIND = """
select (select count(*) from smartops_log.outbox) > 0
    or (select position from smartops.progress)
       < (select max(position) from smartops_log.events)
"""


async def tasks_in_the_house(
    home: Path, settings: Mapping[str, str], alone: int, crowd: int, in_flight: int
) -> dict[str, float | None]:
    """Start a stack on this home, have tasks done one at a time and in a crowd, and stop it.

    Args:
        home: of the stack; its log may be there already.
        settings: of PostgreSQL.
        alone: tasks one at a time.
        crowd: tasks with `in_flight` at once.
        in_flight: see `crowd`.

    Raises:
        TimeoutError: the read models did not follow.
    """
    options = StackOptions(servers=0, postgres_settings=settings)
    began = time.perf_counter()
    found: dict[str, float | None] = {}
    async with running_stack(home, options, handle_signals=False) as stack:
        found["start_s"] = round(time.perf_counter() - began, 2)
        seed = time.time_ns()  # No two runs on one log may use the same ids.
        async with OpsTasks(stack, noop_context, seed) as load:
            await load.sequence(WARM_UP)
            took = [task.done * 1000 for task in await load.sequence(alone)]
            meter = CpuMeter(roots_of(stack)).begin()
            begin = time.perf_counter()
            await load.crowd(crowd, in_flight)
            wall = time.perf_counter() - begin
            used = meter.end().used
        memory = proportional_memory_mb(roots_of(stack))
        async with asyncio.timeout(CAUGHT_UP_S):
            await _followed(stack)
        house = sum(used.values()) - used[LOADGEN]
        found |= {
            "task_p50_ms": rounded(percentile(took, 0.5)),
            "tasks_per_s": round(crowd / wall, 1),
            "house_cpu_ms_per_task": rounded(house * 1000 / crowd),
            "house_postgres_cpu_ms_per_task": rounded(used["postgres"] * 1000 / crowd),
            "house_other_cpus_busy": rounded(meter.others),
            "pss_mb": round(sum(memory.values()), 1),
            "postgres_pss_mb": memory["postgres"],
        }
    return found


async def _followed(stack: Stack) -> None:
    """Wait until the read models show all that is in the log, and all of it is published."""
    connection = await asyncpg.connect(stack.postgres.dsn())
    try:
        while await connection.fetchval(_BEHIND):  # noqa: ASYNC110 - other processes
            await asyncio.sleep(0.1)
    finally:
        await connection.close()
