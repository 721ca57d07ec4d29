"""Snapshots are a cache: a load that starts from one equals the full fold, or does not use it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from smartops.eventstore import Folded, Folds, Snapshot, SnapshotCodec, Snapshots, StoredRow
from smartops.eventstore import snapshotting as module
from smartops.eventstore.snapshots import pack, unpack
from support.store_memory import MemoryStore

STREAM = "acme/target-1"
CODEC: SnapshotCodec[tuple[int, bytes]] = SnapshotCodec(
    "count",
    3,
    encode=lambda state: state[0].to_bytes(8, "big") + state[1],
    decode=lambda octets: (int.from_bytes(octets[:8], "big"), octets[8:]),
)

states = st.lists(st.binary(min_size=1, max_size=6), max_size=30)


def evolve(state: tuple[int, bytes], event: bytes) -> tuple[int, bytes]:
    """Depends on the order and on each event."""
    return state[0] + 1, (state[1] + event)[-9:][::-1]


def folding(
    store: MemoryStore,
    *,
    every: int | None = 5,
    codec: SnapshotCodec[tuple[int, bytes]] = CODEC,
) -> tuple[Folds[tuple[int, bytes]], Snapshots[tuple[int, bytes]] | None]:
    """An empty cache, as after a restart; without snapshots if `every` is None."""
    snapshots = None if every is None else Snapshots(store, codec, every=every)
    folds = Folds(
        store,
        initial=(0, b""),
        decode=lambda row: row.state,
        evolve=evolve,
        snapshots=snapshots,
    )
    return folds, snapshots


async def loaded(
    store: MemoryStore, every: int | None = 5, stream: str = STREAM
) -> Folded[tuple[int, bytes]]:
    """What a process that has just started loads; what it leaves is stored when this returns."""
    folds, snapshots = folding(store, every=every)
    found = await folds.load(stream)
    if snapshots is not None:
        await snapshots.settle()
    assert await folds.load(stream) == found
    return found


@given(st.lists(states, min_size=1, max_size=4), st.integers(1, 12))
def test_a_load_from_a_snapshot_and_the_tail_equals_the_full_fold(
    growth: list[list[bytes]], every: int
) -> None:
    async def run() -> None:
        store = MemoryStore()
        for more in growth:
            store.add(STREAM, more)
            assert await loaded(store, every) == await loaded(store, None)
        length = len(store.streams[STREAM])
        kept = store.snapshots.get((STREAM, "count"))
        assert (kept is not None) == (length >= every)
        # Whatever grew since it was taken is shorter than what is worth another.
        assert kept is None or length - every < kept.version <= length

    asyncio.run(run())


def harmed(snapshot: Snapshot, other: Snapshot, place: int) -> dict[str, Snapshot]:
    """All that can be wrong with a row."""

    def flipped(octets: bytes) -> bytes:
        at = place % len(octets)
        return octets[:at] + bytes([octets[at] ^ 1]) + octets[at + 1 :]

    def signed(changed: Snapshot) -> Snapshot:
        return changed._replace(sha256=changed.digest())

    return {
        "body": snapshot._replace(body=flipped(snapshot.body)),
        "cut": snapshot._replace(body=snapshot.body[: place % len(snapshot.body)]),
        "digest": snapshot._replace(sha256=flipped(snapshot.sha256)),
        "hash": snapshot._replace(hash=flipped(snapshot.hash)),
        "older": snapshot._replace(version=snapshot.version - 1),
        "newer": snapshot._replace(version=snapshot.version + 1),
        "of another stream": snapshot._replace(body=other.body, sha256=other.sha256),
        "moved from another stream": other,
        "another fold": snapshot._replace(fold="other"),
        "another fold, signed": signed(snapshot._replace(fold="other")),
        "another code": snapshot._replace(fold_version=2),
        "another code, signed": signed(snapshot._replace(fold_version=4)),
        "another past, signed": signed(snapshot._replace(hash=flipped(snapshot.hash))),
        "unreadable, signed": signed(snapshot._replace(body=snapshot.body[:3])),
    }


@given(st.lists(st.binary(min_size=1, max_size=6), min_size=6, max_size=20), states, st.integers(0))
def test_a_snapshot_that_is_harmed_or_foreign_is_ignored_and_replaced(
    first: list[bytes], more: list[bytes], place: int
) -> None:
    async def run() -> None:
        store = MemoryStore()
        store.add(STREAM, first)
        store.add("acme/target-2", [state + b"!" for state in first])
        truth = await loaded(store)
        await loaded(store, stream="acme/target-2")
        good, other = store.snapshots[STREAM, "count"], store.snapshots["acme/target-2", "count"]
        assert unpack(CODEC, STREAM, good) == truth
        for what, bad in harmed(good, other, place).items():
            store.snapshots[STREAM, "count"] = bad
            assert await loaded(store) == truth, what
            # The full fold left a sound one behind.
            assert store.snapshots[STREAM, "count"] == good, what
        store.add(STREAM, more)
        assert await loaded(store) == await loaded(store, None)

    asyncio.run(run())


async def test_a_snapshot_saves_reading_what_it_holds() -> None:
    store = MemoryStore()
    store.add(STREAM, [bytes([n]) for n in range(100)])
    await loaded(store)
    store.add(STREAM, [b"x"] * 3)
    store.reads.clear()
    await loaded(store)
    assert store.reads == [(STREAM, 0, 5), (STREAM, 99, None)]


async def test_wiping_all_snapshots_changes_nothing() -> None:
    store = MemoryStore()
    store.add(STREAM, [bytes([n]) for n in range(40)])
    truth = await loaded(store)
    assert store.snapshots
    store.snapshots.clear()
    assert await loaded(store) == truth == await loaded(store, None)


async def test_a_short_stream_costs_one_read_as_without_snapshots() -> None:
    store = MemoryStore()
    store.add(STREAM, [b"x"] * 4)
    await loaded(store)
    await loaded(store, stream="acme/none")
    assert store.reads == [(STREAM, 0, 5), ("acme/none", 0, 5)]
    assert (store.lookups, store.snapshots) == (0, {})


async def test_without_snapshots_nothing_is_looked_up_or_written() -> None:
    store = MemoryStore()
    store.add(STREAM, [b"x"] * 40)
    await loaded(store, None)
    assert (store.reads, store.lookups, store.snapshots) == ([(STREAM, 0, None)], 0, {})


async def test_a_log_that_was_restored_to_an_earlier_moment_is_believed() -> None:
    store = MemoryStore()
    store.add(STREAM, [bytes([n]) for n in range(20)])
    await loaded(store)
    for length in (12, 19):  # The snapshot is of version 20.
        store.streams[STREAM] = store.streams[STREAM][:length]
        assert await loaded(store) == await loaded(store, None)
        store.add(STREAM, [b"another past"] * (24 - length))
        assert await loaded(store) == await loaded(store, None)


@pytest.mark.parametrize("code", ["decode", "encode"])
async def test_a_codec_that_raises_costs_the_snapshot_and_nothing_else(
    code: str, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: object) -> bytes:
        raise KeyError("old shape")

    changes: dict[str, Callable[[object], bytes]] = {code: broken}
    store = MemoryStore()
    store.add(STREAM, [bytes([n]) for n in range(20)])
    truth = await loaded(store)
    before = dict(store.snapshots)
    if code == "encode":
        store.snapshots.clear()
    folds, snapshots = folding(store, codec=replace(CODEC, **changes))
    assert snapshots is not None
    with caplog.at_level(logging.WARNING):
        assert await folds.load(STREAM) == truth
        await snapshots.settle()
    assert "old shape" in caplog.text
    assert store.snapshots == ({} if code == "encode" else before)


async def test_a_snapshot_that_cannot_be_written_harms_no_load(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store = MemoryStore()
    store.add(STREAM, [b"x"] * 20)
    store.is_away = True
    with caplog.at_level(logging.INFO):
        assert (await loaded(store)).version == 20
    assert "away" in caplog.text
    store.is_away = False
    monkeypatch.setattr(module, "MAX_BODY_BYTES", 50)
    assert (await loaded(store)).version == 20
    assert "not kept" in caplog.text
    assert store.snapshots == {}


async def test_only_a_few_are_written_at_once_and_one_per_stream() -> None:
    store = MemoryStore()
    streams = [f"acme/target-{n}" for n in range(2 * module.MAX_WRITES)]
    for stream in streams:
        store.add(stream, [b"x"] * 10)
    folds, snapshots = folding(store)
    assert snapshots is not None
    await asyncio.gather(*map(folds.load, streams))
    await snapshots.settle()
    assert len(store.snapshots) == module.MAX_WRITES


async def test_a_long_tail_in_a_warm_cache_leaves_a_snapshot_too() -> None:
    store = MemoryStore()
    store.add(STREAM, [b"x"] * 2)
    folds, snapshots = folding(store)
    assert snapshots is not None
    await folds.load(STREAM)
    store.add(STREAM, [b"y"] * 6)
    await folds.load(STREAM, at_least=8)
    await snapshots.settle()
    assert store.snapshots[STREAM, "count"].version == 8


async def test_the_bytes_of_a_snapshot_count_in_the_cache() -> None:
    store = MemoryStore()
    store.add(STREAM, [b"x"] * 20)
    await loaded(store)
    other = "acme/target-2"
    store.add(other, [b"x"])
    body = len(store.snapshots[STREAM, "count"].body)
    folds = Folds(
        store,
        initial=(0, b""),
        decode=lambda row: row.state,
        evolve=evolve,
        max_bytes=body,
        snapshots=Snapshots(store, CODEC, every=5),
    )
    await folds.load(STREAM)
    await folds.load(other)
    assert (folds.peek(STREAM), len(folds)) == (None, 1)


def test_an_interval_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="use 1 or more"):
        Snapshots(MemoryStore(), CODEC, every=0)


def test_texts_of_any_alphabet_come_back() -> None:
    store = MemoryStore()
    stream = "acme/target-\N{GREEK SMALL LETTER ALPHA}"
    store.add(stream, [b"x"])
    row: StoredRow = store.streams[stream][0]
    folded = Folded((1, b""), 1, (row.event_id,), ("\N{CYRILLIC SMALL LETTER BE}.v1",))
    assert unpack(CODEC, stream, pack(CODEC, stream, folded, row.hash)) == folded
