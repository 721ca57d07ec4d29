"""What one append costs a service that has nothing else to do."""

from __future__ import annotations

import time
from uuid import uuid4

from smartops.devstack.stack import Stack
from smartops.eventstore import Committed, EventStore, NewEvent, Trigger, Unit, Write

from benchmarks.lib.figures import percentile, rounded

__all__ = ["store_floors"]

_ROLE = "smartops_planner"
_STATE = b"x" * 1000
"""About as long as an event of ours."""


async def store_floors(stack: Stack, count: int) -> dict[str, float | None]:
    """The median, in ms, of `count` commits one after the other: one unit of two events each.

    They go to a tenant of their own, under a topic that nobody handles, and are not published.
    """
    store = await EventStore.connect(stack.postgres.dsn(_ROLE, stack.passwords[_ROLE]))
    took = []
    try:
        for _ in range(count):
            unit = _unit()
            began = time.perf_counter()
            result = await store.append(unit)
            took.append(time.perf_counter() - began)
            if not isinstance(result, Committed):
                raise TypeError(f"a unit for a new stream was not stored: {result}")
    finally:
        await store.close()
    middle = percentile(took, 0.5)
    return {"commit_p50_ms": rounded(None if middle is None else middle * 1000, 3)}


def _unit() -> Unit:
    cause = uuid4()
    events = [
        NewEvent(
            event_id=uuid4(),
            topic="floor.measured.v1",
            task=cause,
            cause=cause,
            party="-",
            state=_STATE,
            subject=None,
        )
        for _ in range(2)
    ]
    return Unit([Trigger("floor", cause)], [Write(f"floor/task-{cause}", 0, events)])
