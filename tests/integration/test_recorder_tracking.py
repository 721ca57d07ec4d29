"""Events and the notification that they came of: stored together, also over lost answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio
from eventsourcing.persistence import IntegrityError, StoredEvent, Tracking
from smartops.eventstore import (
    Already,
    Committed,
    Conflict,
    EventStore,
    InvalidUnit,
    RecordConflict,
    Unit,
)
from smartops.eventstore.recorder_events import CATEGORY
from smartops.eventstore.recorder_tracking import AsyncProcessRecorder
from support.store import PASSWORD, PLANNER, LogDatabase, event, unit
from support.store_proxy import Proxy

pytest_plugins = ["support.store_fixtures"]


@pytest_asyncio.fixture(loop_scope="session")
async def recording(log_database: LogDatabase) -> AsyncIterator[LogDatabase]:
    """An empty log, in which the planner may write the recorder's category."""
    async with log_database.connection() as admin:
        await admin.execute("insert into smartops_log.writers values ($1, $2)", PLANNER, CATEGORY)
        yield log_database
        await admin.execute("delete from smartops_log.writers where category = $1", CATEGORY)


def told(version: int = 1, originator: str = "order") -> StoredEvent:
    return StoredEvent(originator, version, "topic", b"state")


async def test_a_number_tracked_already_undoes_the_events_too(recording: LogDatabase) -> None:
    async with recording.store() as store:
        recorder = AsyncProcessRecorder(store, originator_id_type="text")
        assert await recorder.insert_events([told()], Tracking("upstream", 5)) == [1]
        for number in (5, 4):
            with pytest.raises(IntegrityError, match="tracked already"):
                await recorder.insert_events([told(2)], Tracking("upstream", number))
        assert len(await recorder.select_events("order")) == 1
        assert await recorder.max_tracking_id("upstream") == 5
        assert await recorder.insert_events([told(2)], Tracking("upstream", 6)) == [2]


async def test_events_that_conflict_undo_the_number_too(recording: LogDatabase) -> None:
    async with recording.store() as store:
        recorder = AsyncProcessRecorder(store, originator_id_type="text")
        await recorder.insert_events([told()])
        with pytest.raises(IntegrityError):
            await recorder.insert_events([told()], Tracking("upstream", 5))
        assert await recorder.max_tracking_id("upstream") is None


@pytest.mark.parametrize("count", [0, 2])
async def test_a_tracked_insert_whose_answer_was_lost_is_settled_as_ones_own(
    recording: LogDatabase, count: int
) -> None:
    async with Proxy(recording.server.port) as proxy:
        dsn = f"postgresql://{PLANNER}:{PASSWORD}@127.0.0.1:{proxy.port}/{recording.name}"
        store = await EventStore.connect(dsn)
        try:
            recorder = AsyncProcessRecorder(store, originator_id_type="text")
            # From here on the statement is prepared: the next answer is that of the work itself.
            await recorder.insert_events([told()], Tracking("upstream", 1))
            await recorder.insert_tracking(Tracking("upstream", 2))
            lost = asyncio.create_task(proxy.swallow_one())
            await asyncio.sleep(0)
            events = [told(version) for version in range(2, 2 + count)]
            found = await recorder.insert_events(events, Tracking("upstream", 3))
            await lost
            assert found == list(range(2, 2 + count))
            assert await recorder.max_tracking_id("upstream") == 3
            assert len(await recorder.select_events("order")) == 1 + count
        finally:
            await store.close(timedelta(0))


async def test_of_many_that_process_the_same_notification_one_wins(
    recording: LogDatabase,
) -> None:
    async with recording.store() as one, recording.store() as other:
        recorders = [
            AsyncProcessRecorder(store, originator_id_type="text") for store in (one, other)
        ]
        for number in range(1, 21):
            results = await asyncio.gather(
                *(
                    recorder.insert_events(
                        [told(originator=f"{number}-{n}")], Tracking("upstream", number)
                    )
                    for n, recorder in enumerate(recorders)
                ),
                return_exceptions=True,
            )
            assert {type(result) for result in results} == {list, IntegrityError}
        assert len(await one.read_log(0)) == 20


async def test_what_one_role_tracked_is_nothing_to_another(recording: LogDatabase) -> None:
    async with recording.store() as planner, recording.store("smartops_audit") as audit:
        recorder = AsyncProcessRecorder(planner, originator_id_type="text")
        await recorder.insert_tracking(Tracking("upstream", 7))
        assert (await planner.tracked("upstream"), await audit.tracked("upstream")) == (7, None)
    async with recording.connection(PLANNER) as conn:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await conn.execute("select * from smartops_log.tracking")


async def test_a_tracked_append_answers_as_an_append_does(store: EventStore) -> None:
    first = unit("acme/task-1")
    assert await store.append_tracked(first, "upstream", 1) == Committed((1,))
    # Settled before: the number is not looked at, nor noted.
    again = await store.append_tracked(first, "upstream", 9)
    assert again == Already((first.triggers[0].cause,))
    assert await store.tracked("upstream") == 1
    stale = unit("acme/task-1", 0)
    assert await store.append_tracked(stale, "upstream", 9) == Conflict("acme/task-1", 0, 1)
    assert await store.tracked("upstream") == 1
    with pytest.raises(RecordConflict, match="upstream"):
        await store.append_tracked(unit("acme/task-1", 1), "upstream", 1)
    assert len(await store.read_log(0)) == 1
    loud = unit("acme/task-2", 0, [event(subject="a.b")])
    with pytest.raises(InvalidUnit, match=r"a\.b"):
        await store.append_tracked(loud, "upstream", 9)
    with pytest.raises(InvalidUnit):
        await store.append_tracked(Unit(replace(stale, writes=()).triggers), "x" * 201, 9)
    assert await store.tracked(f"unknown-{uuid4()}") is None
