"""Several writers on one log: positions without gaps, in commit order, and no lost updates."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import AsyncExitStack

from smartops.eventstore import Committed, Conflict, EventStore
from smartops.eventstore.chain import Verifier
from support.store import LogDatabase, unit

pytest_plugins = ["support.store_fixtures"]

WRITERS = 4


async def test_four_writers_leave_no_gap_and_a_tail_reader_misses_nothing(
    log_database: LogDatabase,
) -> None:
    async with AsyncExitStack() as stack:
        stores = [await stack.enter_async_context(log_database.store()) for _ in range(WRITERS)]
        reader = await stack.enter_async_context(log_database.store("smartops_audit"))
        is_done = asyncio.Event()

        async def write(number: int, store: EventStore) -> int:
            count = 0
            for turn in range(30):
                results = await asyncio.gather(
                    # One in eight names a version that is not there.
                    *(
                        store.append(
                            unit(f"acme/task-{number}-{turn}-{n}", (n == 7) * 3, 1 + n % 3)
                        )
                        for n in range(8)
                    )
                )
                count += sum(
                    len(result.positions) for result in results if isinstance(result, Committed)
                )
            return count

        async def tail() -> Verifier:
            verifier = Verifier()
            while True:
                is_last = is_done.is_set()
                rows = await reader.read_log(verifier.position, 100)
                # The verifier demands each next position and hash: a row that becomes visible
                # behind the reader's back would break it.
                assert verifier.feed(rows) is None
                if is_last and not rows:
                    return verifier

        tailing = asyncio.create_task(tail())
        counts = await asyncio.gather(*(write(n, store) for n, store in enumerate(stores)))
        is_done.set()
        verifier = await tailing
    assert verifier.position == sum(counts) == WRITERS * 30 * 13


async def test_writers_of_one_stream_each_win_in_turn(log_database: LogDatabase) -> None:
    async with AsyncExitStack() as stack:
        stores = [await stack.enter_async_context(log_database.store()) for _ in range(WRITERS)]
        conflicts = itertools.count()

        async def increment(store: EventStore) -> None:
            for _ in range(25):
                while True:
                    rows = await store.read_stream("acme/task-counter")
                    result = await store.append(unit("acme/task-counter", len(rows)))
                    if isinstance(result, Committed):
                        break
                    assert isinstance(result, Conflict)
                    next(conflicts)

        await asyncio.gather(*map(increment, stores))
        rows = await stores[0].read_stream("acme/task-counter")
    assert [row.version for row in rows] == list(range(1, WRITERS * 25 + 1))
    assert next(conflicts) > 0


async def test_reads_that_wait_together_share_a_round_trip(log_database: LogDatabase) -> None:
    async with log_database.store() as store:
        await asyncio.gather(*(store.append(unit(f"acme/task-{n}", 0, 2)) for n in range(50)))
        before = store.round_trips
        found = await asyncio.gather(*(store.read_stream(f"acme/task-{n}") for n in range(51)))
        assert store.round_trips == before + 1
    assert [len(rows) for rows in found] == [2] * 50 + [0]
    assert all(row.stream == f"acme/task-{n}" for n, rows in enumerate(found) for row in rows)
