"""Waiting for the machine to be ours: figures taken beside other work are about that work too."""

from __future__ import annotations

import asyncio
import time

from benchmarks.lib.processes import busy_cpu_seconds

__all__ = ["quiet"]

WINDOW_S = 1.0
CALM_CPUS = 0.3
"""CPUs that may be busy, on average over a window."""


async def quiet(patience_s: float) -> float:
    """Wait until the machine is calm, or for `patience_s`; returns the CPUs busy at last.

    Call it while nothing of ours is at work.
    """
    give_up = time.monotonic() + patience_s
    while True:
        before, began = busy_cpu_seconds(), time.monotonic()
        await asyncio.sleep(WINDOW_S)
        busy = round((busy_cpu_seconds() - before) / (time.monotonic() - began), 2)
        if busy <= CALM_CPUS or time.monotonic() > give_up:
            return busy
