"""Reads that travel together, and do not fall together."""

from __future__ import annotations

import asyncio

from smartops.eventstore.errors import InvalidUnit
from smartops.eventstore.store import EventStore
from support.store import event, unit

pytest_plugins = ["support.store_fixtures"]


async def test_a_read_that_is_refused_costs_no_other_its_answer(store: EventStore) -> None:
    await store.append(unit("acme/task-1", 0, [event()]))
    before = store.round_trips

    answers = await asyncio.gather(
        *(store.read_stream("acme/task-1") for _ in range(5)),
        store.read_stream("acme/task-\x00"),
        store.read_stream("acme/task-1", after=2**63),
        *(store.read_stream("acme/task-1") for _ in range(5)),
        return_exceptions=True,
    )

    refused = [answer for answer in answers if isinstance(answer, Exception)]
    assert [type(error) for error in refused] == [InvalidUnit, InvalidUnit]
    given = [answer for answer in answers if isinstance(answer, list)]
    assert [[row.version for row in rows] for rows in given] == 10 * [[1]]
    assert store.round_trips - before < 10
