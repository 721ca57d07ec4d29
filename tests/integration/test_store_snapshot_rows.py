"""Snapshots in PostgreSQL: found by their role only, ignored if damaged, deletable at any time."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest
from smartops.eventstore import Committed, EventStore, Folded, Folds, SnapshotCodec, Snapshots
from support.store import PLANNER, LogDatabase, event, unit

pytest_plugins = ["support.store_fixtures"]

STREAM = "acme/task-long"
EVERY = 50
CODEC: SnapshotCodec[int] = SnapshotCodec("sum", 1, encode=lambda n: b"%d" % n, decode=int)


async def grown(store: EventStore, count: int, before: int = 0) -> None:
    events = [event(f"t.v{n % 3 + 1}", state=b"%d" % (before + n)) for n in range(count)]
    assert isinstance(await store.append(unit(STREAM, before, events)), Committed)


async def loaded(store: EventStore, *, snapshots: bool = True) -> tuple[Folded[int], int]:
    """The fold of a process that has just started, and how many events it decoded."""
    decoded = 0

    def decode(row: Any) -> int:
        nonlocal decoded
        decoded += 1
        return int(row.state)

    kept = Snapshots(store, CODEC, every=EVERY) if snapshots else None
    folds = Folds(
        store,
        initial=0,
        decode=decode,
        evolve=lambda state, number: 3 * state + number,
        snapshots=kept,
    )
    folded = await folds.load(STREAM)
    if kept is not None:
        await kept.settle()
    return folded, decoded


async def test_a_restarted_process_folds_the_tail_only_and_comes_to_the_same(
    store: EventStore,
) -> None:
    await grown(store, 120)
    truth = await loaded(store, snapshots=False)
    assert await loaded(store) == truth
    assert await loaded(store) == (truth[0], 0)
    await grown(store, 7, 120)
    found, decoded = await loaded(store)
    assert decoded == 7
    assert (found, 127) == await loaded(store, snapshots=False)
    assert await store.drop_snapshots("another") == 0
    assert await store.drop_snapshots() == 1
    assert await loaded(store) == (found, 127)


@pytest.mark.parametrize(
    "damage",
    [
        "body = set_byte(body, 5, get_byte(body, 5) # 1)",
        "body = ''",
        "version = version - 1",
        "hash = sha256(hash)",
        "sha256 = sha256(sha256)",
        "fold_version = 2",
    ],
)
async def test_a_damaged_row_is_ignored_and_replaced(
    store: EventStore, log_database: LogDatabase, damage: str
) -> None:
    await grown(store, 120)
    truth, _ = await loaded(store)
    sound = await store.snapshot(STREAM, "sum")
    async with log_database.connection() as admin:
        await admin.execute(f"update smartops_log.snapshots set {damage}")
    assert await store.snapshot(STREAM, "sum") != sound
    assert await loaded(store) == (truth, 120)
    assert await store.snapshot(STREAM, "sum") == sound
    assert await loaded(store) == (truth, 0)


async def test_a_roles_snapshots_are_its_own(store: EventStore, log_database: LogDatabase) -> None:
    await grown(store, 120)
    truth, _ = await loaded(store)
    async with log_database.store("smartops_audit") as audit:
        assert await audit.snapshot(STREAM, "sum") is None
        assert await loaded(audit) == (truth, 120)
        assert await audit.drop_snapshots() == 1
    assert await loaded(store) == (truth, 0)
    async with log_database.connection(PLANNER) as conn:
        for statement in (
            "select * from smartops_log.snapshots",
            "delete from smartops_log.snapshots",
            "insert into smartops_log.snapshots select * from smartops_log.snapshots",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await conn.execute(statement)


async def test_the_reader_may_neither_track_nor_snapshot(log_database: LogDatabase) -> None:
    async with log_database.connection("smartops_reader") as conn:
        for statement in (
            "select smartops_log.tracked('x')",
            "select smartops_log.track('x', 1)",
            "select smartops_log.drop_snapshots(null)",
            "select * from smartops_log.snapshot('x', 'y')",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await conn.execute(statement)
