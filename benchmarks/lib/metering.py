"""All that is counted beside a stretch of load."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from smartops.bus.topology import EVENTS_STREAM
from smartops.devstack.stack import Stack

from benchmarks.lib.figures import per_unit
from benchmarks.lib.log_costs import Mark, costs_since, mark
from benchmarks.lib.monitor import monitor_page, stream_states
from benchmarks.lib.processes import CpuMeter, roots_of
from benchmarks.lib.stalls import StallWatch

__all__ = ["Metering"]


@dataclass
class Metering:
    """Counts from `begin` to `end`; reading the counters falls outside the CPU that is counted."""

    stack: Stack
    cpu: CpuMeter
    log: Mark
    bus: dict[str, int]
    stalls: StallWatch

    @classmethod
    async def begin(cls, stack: Stack) -> Self:
        """Start counting."""
        log, bus = await mark(stack), await _bus(stack)
        return cls(stack, CpuMeter(roots_of(stack)).begin(), log, bus, StallWatch())

    async def end(self, tasks: int) -> dict[str, object]:
        """Stop counting; what one of `tasks` cost."""
        self.cpu.end()
        stall = await self.stalls.end()
        spent = await costs_since(self.stack, self.log)
        bus = await _bus(self.stack)
        return {
            "wall_s": round(self.cpu.wall, 2),
            "cpu_ms_per_task": per_unit(self.cpu.used, tasks, 1000),
            "other_cpus_busy": round(self.cpu.others, 2),
            "longest_stall_ms": round(stall * 1000, 1),
            "commits_per_task": round(spent.commits / tasks, 2),
            "triggers_per_task": round(spent.triggers / tasks, 2),
            "events_per_task": round(spent.events / tasks, 2),
            "wal_kib_per_task": round(spent.wal_bytes / 1024 / tasks, 1),
            "messages_per_task": {
                name: round((bus[name] - before) / tasks, 1) for name, before in self.bus.items()
            },
        }


async def _bus(stack: Stack) -> dict[str, int]:
    """Messages that clients sent and got so far, and those that the event stream stored."""
    page = await monitor_page(stack, "/varz")
    stored = (await stream_states(stack))[EVENTS_STREAM]["last_seq"]
    return {"in": page["in_msgs"], "out": page["out_msgs"], "events_stored": stored}
