"""How much of the time the lock that all appends take is held, and how many wait for it."""

from __future__ import annotations

import asyncio
import statistics
from typing import Self

import asyncpg
from smartops.audit.adapters.tables import Connection

__all__ = ["LockWatch"]

EVERY_S = 0.02

# Nobody else takes advisory locks in a log without services. While somebody waits the lock is
# handed over by whoever lets go of it, so a full queue shows as held all the time.
_LOOK = """
select count(*) filter (where granted), count(*) filter (where not granted)
  from pg_locks where locktype = 'advisory'
"""


class LockWatch:
    """Looks fifty times a second, from `begin` to `end`, on a connection of its own."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._held: list[int] = []
        self._waiting: list[int] = []
        self._task = asyncio.create_task(self._watch(), name="lock watch")

    @classmethod
    async def begin(cls, dsn: str) -> Self:
        """Start watching, as a superuser."""
        return cls(await asyncpg.connect(dsn))

    async def end(self) -> tuple[float, float]:
        """The share of the time in which it was held, and how many waited, on average."""
        self._task.cancel()
        await asyncio.wait({self._task})  # Lets through that somebody cancels us meanwhile.
        if not self._task.cancelled():
            self._task.result()
        await self._connection.close()
        if not self._held:
            return 0.0, 0.0
        return statistics.fmean(map(bool, self._held)), statistics.fmean(self._waiting)

    async def _watch(self) -> None:
        look = await self._connection.prepare(_LOOK)
        while True:
            [held, waiting] = (await look.fetch())[0]
            self._held.append(held)
            self._waiting.append(waiting)
            await asyncio.sleep(EVERY_S)
