"""What one append promises, line by line, on a real PostgreSQL."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from smartops.eventstore import (
    Already,
    BlobMissing,
    CategoryForbidden,
    Citation,
    Committed,
    Conflict,
    EventStore,
    InvalidUnit,
    OutboxRow,
    ReadCondition,
    RecordConflict,
    TimerCancel,
    TimerSet,
    Trigger,
    Unit,
    Write,
)
from smartops.eventstore.admission import admit
from smartops.eventstore.batch import APPEND, Batch
from support.store import LogDatabase, event, trigger, unit

pytest_plugins = ["support.store_fixtures"]


async def test_a_committed_unit_is_read_back_as_it_was_written(store: EventStore) -> None:
    task = uuid4()
    first = event("task.submitted.v1", state=b"\x00opaque\xff", task=task, party="runner")
    second = event("task.planned.v1", task=task)
    result = await store.append(unit("acme/task-1", 0, [first, second]))
    assert result == Committed((1, 2))
    rows = await store.read_stream("acme/task-1")
    assert [(row.position, row.version, row.ordinal) for row in rows] == [(1, 1, 1), (2, 2, 2)]
    assert (rows[0].event_id, rows[0].topic, rows[0].task) == (
        first.event_id,
        "task.submitted.v1",
        task,
    )
    assert (rows[0].state, rows[0].party, rows[0].tenant) == (b"\x00opaque\xff", "runner", "acme")
    assert rows == await store.history(task) == await store.read_log(0)
    assert await store.read_stream("acme/task-1", after=1) == rows[1:]
    assert await store.read_stream("acme/task-1", limit=1) == rows[:1]
    assert await store.event(second.event_id) == rows[1]


async def test_a_stale_version_conflicts_and_names_the_actual_one(store: EventStore) -> None:
    await store.append(unit("acme/task-1", 0, 3))
    assert await store.append(unit("acme/task-1", 2)) == Conflict("acme/task-1", 2, 3)
    assert await store.append(unit("acme/task-1", 0)) == Conflict("acme/task-1", 0, 3)
    assert await store.append(unit("acme/task-2", 1)) == Conflict("acme/task-2", 1, 0)
    assert len(await store.read_log(0)) == 3


async def test_of_several_mismatches_the_first_is_named_writes_before_reads(
    store: EventStore,
) -> None:
    await store.append(unit("acme/task-1"))
    both = Unit(
        [trigger()],
        [Write("acme/task-2", 0, [event()]), Write("acme/task-3", 5, [event()])],
        [ReadCondition("acme/task-1", 9)],
    )
    assert await store.append(both) == Conflict("acme/task-3", 5, 0)


async def test_a_broken_read_condition_conflicts(store: EventStore) -> None:
    await store.append(unit("acme/task-1", 0, 2))

    def decided_on(version: int, stream: str = "acme/task-1") -> Unit:
        return Unit(
            [trigger()],
            [Write(f"acme/task-{uuid4()}", 0, [event()])],
            [ReadCondition(stream, version)],
        )

    assert await store.append(decided_on(1)) == Conflict("acme/task-1", 1, 2)
    assert isinstance(await store.append(decided_on(2)), Committed)
    assert isinstance(await store.append(decided_on(0, "acme/gate-none")), Committed)
    assert await store.append(decided_on(1, "_platform/bundle-x")) == Conflict(
        "_platform/bundle-x", 1, 0
    )


async def test_a_settled_trigger_answers_already_even_where_versions_conflict(
    store: EventStore,
) -> None:
    cause = trigger()
    assert isinstance(await store.append(unit("acme/task-1", triggers=[cause])), Committed)
    again = await store.append(unit("acme/task-1", triggers=[trigger(), cause]))
    assert again == Already((cause.cause,))
    assert len(await store.read_log(0)) == 1


async def test_a_unit_without_events_settles_its_trigger(store: EventStore) -> None:
    cause = Trigger("planner.intent", uuid4(), "refused", "no such tenant")
    assert await store.append(Unit([cause])) == Committed(())
    assert await store.append(Unit([cause])) == Already((cause.cause,))


async def test_a_decision_to_do_nothing_conflicts_if_it_was_made_on_a_stale_version(
    store: EventStore,
) -> None:
    await store.append(unit("acme/task-1", 0, 2))
    cause = trigger()
    stale = Unit([cause], reads=[ReadCondition("acme/task-1", 1)])
    assert await store.append(stale) == Conflict("acme/task-1", 1, 2)
    fresh = Unit([cause], reads=[ReadCondition("acme/task-1", 2)])
    assert await store.append(fresh) == Committed(())


async def test_a_unit_without_triggers_is_settled_by_its_event_ids(store: EventStore) -> None:
    bare = Unit(writes=[Write("acme/task-1", 0, [event(), event()])])
    assert await store.append(bare) == Committed((1, 2))
    ids = {new.event_id for new in bare.writes[0].events}
    again = await store.append(bare)
    assert isinstance(again, Already)
    assert set(again.causes) == ids


@pytest.mark.parametrize(
    ("stream", "version", "state"),
    [
        ("acme/task-c1", 1, b"made up"),
        ("acme/task-c1", 2, b"told"),
        ("acme/task-c2", 1, b"told"),
        ("acme/task-c1", 0, b"told"),
    ],
    ids=["other bytes", "no such version", "no such stream", "before the first"],
)
async def test_what_rests_on_a_false_citation_conflicts_and_its_neighbours_are_committed(
    store: EventStore, stream: str, version: int, state: bytes
) -> None:
    await store.append(unit("acme/task-c1", 0, [event(state=b"told")]))
    cause = trigger()
    false = Citation(stream, version, hashlib.sha256(state).digest())
    true = Citation("acme/task-c1", 1, hashlib.sha256(b"told").digest())
    before = store.batches
    results = await asyncio.gather(
        store.append(replace(unit("acme/task-r1"), cites=[true])),
        store.append(replace(unit("acme/task-r2", triggers=[cause]), cites=[true, false])),
        store.append(Unit([cause], cites=[false])),
        store.append(replace(unit("acme/task-r3"), cites=[true])),
    )
    assert [type(result) for result in results] == [Committed, Conflict, Conflict, Committed]
    assert {result.stream for result in results if isinstance(result, Conflict)} == {stream}
    assert store.batches == before + 2  # One trigger twice: it takes two statements.
    assert await store.append(Unit([cause], cites=[true])) == Committed(())


async def test_what_the_same_statement_stores_cannot_be_cited_yet(store: EventStore) -> None:
    """Nobody does: what is cited was told of, and that comes after the commit."""
    cited = Citation("acme/task-c1", 1, hashlib.sha256(b"told").digest())
    results = await asyncio.gather(
        store.append(unit("acme/task-c1", 0, [event(state=b"told")])),
        store.append(replace(unit("acme/task-r1"), cites=[cited])),
    )
    assert results == [Committed((1,)), Conflict("acme/task-c1", 1, 1)]


async def test_the_neighbours_of_a_conflict_are_committed(store: EventStore) -> None:
    await store.append(unit("acme/task-0"))
    before = store.batches
    results = await asyncio.gather(
        *(store.append(unit(f"acme/task-{n}", 7 if n == 20 else 0)) for n in range(1, 65))
    )
    assert store.batches == before + 1
    assert results.pop(19) == Conflict("acme/task-20", 7, 0)
    assert [result.positions for result in results if isinstance(result, Committed)] == [
        (position,) for position in range(2, 65)
    ]
    assert await store.read_stream("acme/task-20") == []


@pytest.mark.parametrize("loser", [0, 1, 2])
async def test_wherever_the_loser_stands_rows_and_hashes_stay_with_their_units(
    store: EventStore, loser: int
) -> None:
    units = [
        unit(f"acme/task-{n}", 3 if n == loser else 0, [event(f"topic.{n}.{k}") for k in range(2)])
        for n in range(3)
    ]
    before = store.batches
    await asyncio.gather(*map(store.append, units))
    assert store.batches == before + 1
    rows = await store.read_log(0)
    kept = [one.writes[0] for n, one in enumerate(units) if n != loser]
    assert [(row.stream, row.topic, row.event_id) for row in rows] == [
        (write.stream, new.topic, new.event_id) for write in kept for new in write.events
    ]
    assert [row.version for row in rows] == [1, 2, 1, 2]


async def test_later_units_of_a_batch_meet_what_earlier_ones_wrote(store: EventStore) -> None:
    before = store.batches
    results = await asyncio.gather(
        store.append(unit("acme/task-1", 0, 2)),
        store.append(unit("acme/task-1", 2, 1)),
        store.append(unit("acme/task-1", 2, 1)),
        store.append(Unit([trigger()], reads=[ReadCondition("acme/task-1", 3)])),
        store.append(Unit([trigger()], reads=[ReadCondition("acme/task-1", 2)])),
    )
    assert store.batches == before + 1
    assert results == [
        Committed((1, 2)),
        Committed((3,)),
        Conflict("acme/task-1", 2, 3),
        Committed(()),
        Conflict("acme/task-1", 2, 3),
    ]
    assert [row.version for row in await store.read_stream("acme/task-1")] == [1, 2, 3]


async def test_the_same_trigger_twice_at_once_is_decided_once(store: EventStore) -> None:
    cause = trigger()
    results = await asyncio.gather(
        *(store.append(unit(f"acme/task-{n}", triggers=[cause])) for n in range(3))
    )
    assert results == [Committed((1,)), Already((cause.cause,)), Already((cause.cause,))]


async def test_two_handlers_may_each_have_the_same_cause(store: EventStore) -> None:
    cause = uuid4()
    both = [Trigger("planner.one", cause), Trigger("planner.two", cause)]
    assert isinstance(await store.append(Unit([both[0]])), Committed)
    assert isinstance(await store.append(Unit([both[1]])), Committed)


async def test_tenants_have_chains_of_their_own_in_one_log(store: EventStore) -> None:
    for number in (1, 2):
        await store.append(unit(f"acme/task-{number}"))
        await store.append(unit(f"umbrella/task-{number}"))
    assert [(row.tenant, row.position, row.ordinal) for row in await store.read_log(0)] == [
        ("acme", 1, 1),
        ("umbrella", 2, 1),
        ("acme", 3, 2),
        ("umbrella", 4, 2),
    ]
    heads = await store.heads()
    assert [(head.tenant, head.position, head.count) for head in heads] == [
        ("acme", 3, 2),
        ("umbrella", 4, 2),
    ]
    assert [await store.head(head.tenant) for head in heads] == heads
    assert await store.head("nobody") is None


async def test_one_bad_unit_fails_alone(store: EventStore) -> None:
    taken = event()
    await store.append(unit("acme/task-0", 0, [taken]))
    results = await asyncio.gather(
        store.append(unit("acme/task-1")),
        store.append(unit("acme/gate-1")),
        store.append(unit("acme/task-2", 0, [event("t" * 201)])),
        store.append(unit("acme/task-3", 0, [event(event_id=taken.event_id)])),
        store.append(unit("acme/task-4")),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [
        Committed,
        CategoryForbidden,
        InvalidUnit,
        RecordConflict,
        Committed,
    ]
    assert [row.position for row in await store.read_log(0)] == [1, 2, 3]
    assert store.healthy


async def test_a_unit_of_wrong_types_does_not_shift_its_neighbours(store: EventStore) -> None:
    wrong_due = TimerSet(uuid4(), "planner.timer", "acme/task-1", "x", 5)  # type: ignore[arg-type]
    wrong_id = event(event_id="not-a-uuid")  # type: ignore[arg-type]
    results = await asyncio.gather(
        store.append(unit("acme/task-1")),
        store.append(Unit([trigger()], [Write("acme/task-2", 0, [event()])], timers=[wrong_due])),
        store.append(unit("acme/task-3", 0, [wrong_id])),
        store.append(unit("acme/task-4", 0, [event("fourth")])),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [
        Committed,
        AttributeError,
        InvalidUnit,
        Committed,
    ]
    assert [(row.stream, row.topic) for row in await store.read_log(0)] == [
        ("acme/task-1", "task.planned.v1"),
        ("acme/task-4", "fourth"),
    ]


async def test_the_outbox_gets_the_events_with_a_subject(log_database: LogDatabase) -> None:
    loud, quiet = event(subject="smartops.acme.task.planned.v1.-.1"), event()
    expected = [OutboxRow(2, "smartops.acme.task.planned.v1.-.1", loud.event_id, loud.state)]
    told: list[OutboxRow] = []
    async with log_database.store() as store:
        store.on_committed(told.extend)
        await store.append(unit("acme/task-1", 0, [quiet, loud]))
        assert told == expected
        assert await store.outbox_pending(timedelta(0)) == expected
        assert await store.outbox_pending(timedelta(minutes=1)) == []
        assert (await store.outbox_backlog()).count == 1
        store.outbox_done([2])
    async with log_database.store() as store:  # Closing deletes what is known to be published.
        assert await store.outbox_pending(timedelta(0)) == []
        assert (await store.outbox_backlog()).oldest is None


async def test_a_listener_that_raises_does_not_stop_the_others(
    store: EventStore, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[OutboxRow] = []

    def raises(_: object) -> None:
        raise RuntimeError("mine alone")

    store.on_committed(raises)
    remove = store.on_committed(told.extend)
    await store.append(unit("acme/task-1", 0, [event(subject="a.b")]))
    remove()
    await store.append(unit("acme/task-1", 1, [event(subject="a.b")]))
    assert [row.position for row in told] == [1]
    assert "mine alone" in caplog.text


async def test_blobs_are_stored_under_the_digest_that_the_database_computes(
    store: EventStore, log_database: LogDatabase
) -> None:
    content = b"plan" * 1000
    digest = hashlib.sha256(content).digest()
    made = unit("acme/task-1")
    await store.append(Unit(made.triggers, made.writes, blobs=[content, content]))
    await store.append(Unit([trigger()], blobs=[content], tenant="acme"))
    await store.append(Unit([trigger()], blobs=[b"other"], tenant="umbrella"))
    assert await store.blob("acme", digest) == content
    with pytest.raises(BlobMissing):
        await store.blob("umbrella", digest)
    async with log_database.connection() as conn:
        rows = await conn.fetch("select tenant, digest from smartops_log.blobs order by tenant")
    assert [tuple(row) for row in rows] == [
        ("acme", digest),
        ("umbrella", hashlib.sha256(b"other").digest()),
    ]


async def test_a_loser_leaves_no_timer_blob_inbox_or_outbox_row(
    store: EventStore, log_database: LogDatabase
) -> None:
    pending = TimerSet(uuid4(), "planner.timer", "acme/task-0", "x", timedelta(hours=1))
    await store.append(Unit([trigger()], timers=[pending]))
    cause = trigger()
    loser = Unit(
        [cause],
        [Write("acme/task-1", 4, [event(subject="a.b")])],
        timers=[
            TimerSet(uuid4(), "planner.timer", "acme/task-1", "x", timedelta(0)),
            TimerCancel(pending.timer_id),
        ],
        blobs=[b"blob"],
    )
    winner = unit("acme/task-2")
    results = await asyncio.gather(store.append(loser), store.append(winner))
    assert results == [Conflict("acme/task-1", 4, 0), Committed((1,))]
    async with log_database.connection() as conn:
        counts = await conn.fetchrow(
            "select (select count(*) from smartops_log.timers), "
            "(select count(*) from smartops_log.blobs), (select count(*) from smartops_log.outbox),"
            "(select count(*) from smartops_log.inbox where cause = $1)",
            cause.cause,
        )
    assert tuple(counts) == (1, 0, 0, 0)


async def test_a_cancelled_caller_does_not_cancel_the_commit(store: EventStore) -> None:
    callers = [asyncio.create_task(store.append(unit(f"acme/task-{n}"))) for n in range(8)]
    await asyncio.sleep(0)
    callers[3].cancel()
    results = await asyncio.gather(*callers, return_exceptions=True)
    assert isinstance(results.pop(3), asyncio.CancelledError)
    assert all(isinstance(result, Committed) for result in results)
    await store.append(unit("acme/task-last"))  # Queued behind the batch of the cancelled one.
    assert len(await store.read_stream("acme/task-3")) == 1


async def test_units_are_stored_in_the_order_of_the_calls(store: EventStore) -> None:
    await asyncio.gather(*(store.append(unit("acme/task-1", n)) for n in range(300)))
    rows = await store.read_stream("acme/task-1")
    assert [row.position for row in rows] == list(range(1, 301))


async def test_an_append_is_flushed_to_disk_even_if_the_session_would_not(
    log_database: LogDatabase,
) -> None:
    arguments = Batch([admit(unit("acme/task-1"))]).arguments()
    async with log_database.connection("smartops_planner") as conn:
        await conn.execute("set synchronous_commit = off")
        async with conn.transaction():
            await conn.fetch(APPEND, *arguments)
            assert await conn.fetchval("show synchronous_commit") == "on"
        assert await conn.fetchval("show synchronous_commit") == "off"


async def test_the_database_clock_is_known_between_answers(store: EventStore) -> None:
    await store.append(unit("acme/task-1"))
    [row] = await store.read_stream("acme/task-1")
    ahead = store.db_now() - row.recorded_at
    assert timedelta(0) <= ahead < timedelta(seconds=5)
    assert abs(store.db_now() - datetime.now(UTC)) < timedelta(seconds=5)
