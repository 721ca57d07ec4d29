"""A process that appends: `python -m support.store_writer DSN ROLE PASSWORD NAME UNITS`.

Waits for a line on its input before it begins, so that several begin together, and prints how many
events it stored.
"""

from __future__ import annotations

import asyncio
import sys

from smartops.eventstore import Committed, EventStore
from support.store import unit

__all__ = ["write"]

AT_ONCE = 8


async def write(dsn: str, role: str, password: str, name: str, units: int) -> None:
    """Append units of one to three events, eight at once; one in eight is a loser."""
    store = await EventStore.connect(dsn, role=role, password=password)
    try:
        _tell("ready")
        await asyncio.to_thread(sys.stdin.readline)
        stored = 0
        for start in range(0, units, AT_ONCE):
            results = await asyncio.gather(
                *(
                    store.append(unit(f"acme/task-{name}-{n}", (n % AT_ONCE == 3) * 5, 1 + n % 3))
                    for n in range(start, start + AT_ONCE)
                )
            )
            stored += sum(
                len(result.positions) for result in results if isinstance(result, Committed)
            )
        _tell(str(stored))
    finally:
        await store.close()


def _tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    where, as_role, its_password, called, count = sys.argv[1:]
    asyncio.run(write(where, as_role, its_password, called, int(count)))
