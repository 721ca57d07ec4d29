"""A process that appends as a loaded service does: many units side by side, published, all durable.

Arguments: its role's DSN. Question: `seconds` and `in_flight`. Each unit has one trigger and two
published events of some 1,000 bytes for a new stream; the outbox rows go once "published", as they
do when the bus answers at once.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from uuid import uuid4

from smartops.eventstore import Committed, EventStore, NewEvent, OutboxRow, Trigger, Unit, Write
from smartops.runtime.process import settle_memory

from benchmarks.lib.writers import Answer, serve

__all__ = ["EVENTS_PER_UNIT", "STATE_BYTES"]

EVENTS_PER_UNIT = 2
STATE_BYTES = 1000
_STATE = b"x" * STATE_BYTES


def _unit() -> Unit:
    cause = uuid4()
    events = [
        NewEvent(
            event_id=uuid4(),
            topic="load.appended.v1",
            task=cause,
            cause=cause,
            party="-",
            state=_STATE,
            subject=f"smartops.load.appended.v1.-.{cause}",
        )
        for _ in range(EVENTS_PER_UNIT)
    ]
    return Unit([Trigger("load", cause)], [Write(f"load/task-{cause}", 0, events)])


async def _round(store: EventStore, seconds: float, in_flight: int) -> dict[str, Any]:
    took: list[float] = []
    batches, begin = store.batches, time.perf_counter()
    end = begin + seconds

    async def one_after_the_other() -> None:
        while (began := time.perf_counter()) < end:
            if not isinstance(await store.append(_unit()), Committed):
                raise TypeError("a unit for a new stream was not stored")
            took.append(time.perf_counter() - began)

    async with asyncio.TaskGroup() as group:
        for _ in range(in_flight):
            group.create_task(one_after_the_other())
    # Times of a clock that all processes of a machine share.
    return {
        "units": len(took),
        "batches": store.batches - batches,
        "took_s": took,
        "begin_s": begin,
        "end_s": time.perf_counter(),
    }


async def _main(answer_all: Callable[[Answer], Awaitable[None]]) -> None:
    store = await EventStore.connect(sys.argv[1])

    def published(rows: Sequence[OutboxRow]) -> None:
        store.outbox_done([row.position for row in rows])

    store.on_committed(published)
    settle_memory()

    async def answer(question: Mapping[str, Any]) -> Mapping[str, Any]:
        return await _round(store, question["seconds"], question["in_flight"])

    try:
        await answer_all(answer)
    finally:
        await store.close()


if __name__ == "__main__":
    serve(_main)
