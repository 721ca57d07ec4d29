"""How long this process was kept from running: a paused machine shows here before it misleads."""

from __future__ import annotations

import asyncio

__all__ = ["StallWatch"]

BEAT_S = 0.02


class StallWatch:
    """Notes the longest time by which a short sleep was overslept.

    Covers whatever keeps the load generator from running: its own work, other processes, the whole
    machine standing still. A stall far above the others makes the percentiles of its run void.
    """

    def __init__(self) -> None:
        self.longest_s = 0.0
        self._task = asyncio.create_task(self._beat(), name="stall watch")

    async def end(self) -> float:
        """Stop watching; returns the longest stall in seconds."""
        self._task.cancel()
        await asyncio.wait({self._task})  # Lets through that somebody cancels us meanwhile.
        return self.longest_s

    async def _beat(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            began = clock()
            await asyncio.sleep(BEAT_S)
            self.longest_s = max(self.longest_s, clock() - began - BEAT_S)
