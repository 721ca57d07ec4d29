"""Clock, fold cache, blob cache and the sorting of faults: without a database."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from smartops.eventstore import BlobCorrupt, BlobMissing, Folded, Folds, InvalidUnit, StoredRow
from smartops.eventstore.blobs import Blobs
from smartops.eventstore.clock import DatabaseClock
from smartops.eventstore.faults import Fault, as_store_error, classify

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def row(stream: str, version: int, size: int = 10) -> StoredRow:
    return StoredRow(
        version,
        "acme",
        version,
        stream,
        version,
        uuid4(),
        f"t{version}",
        None,
        None,
        "-",
        b"x" * size,
        b"",
        EPOCH,
    )


class FakeLog:
    """Streams in memory, and a gate that holds reads back."""

    def __init__(self) -> None:
        self.streams: dict[str, list[StoredRow]] = {}
        self.reads: list[tuple[str, int]] = []
        self.newest_asked: list[tuple[str, int]] = []
        self.asked = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()
        self.fails = False

    def add(self, stream: str, count: int = 1, size: int = 10) -> None:
        rows = self.streams.setdefault(stream, [])
        rows.extend(row(stream, len(rows) + 1, size) for _ in range(count))

    async def newest(self, stream: str, limit: int) -> list[StoredRow]:
        self.newest_asked.append((stream, limit))
        return self.streams.get(stream, [])[-limit:]

    async def read_stream(
        self, stream: str, after: int = 0, limit: int | None = None
    ) -> list[StoredRow]:
        self.reads.append((stream, after))
        self.asked.set()
        found = self.streams.get(stream, [])[after:]
        await self.gate.wait()
        if self.fails:
            raise OSError("away")
        return found[:limit]


def counting(log: FakeLog, max_streams: int = 100, max_bytes: int = 10_000) -> Folds[int]:
    return Folds(
        log,
        initial=0,
        decode=lambda row: 1,
        evolve=lambda state, event: state + event,
        max_streams=max_streams,
        max_bytes=max_bytes,
    )


async def test_a_fold_is_read_once_and_then_only_its_tail() -> None:
    log = FakeLog()
    log.add("a", 3)
    folds = counting(log)
    assert (await folds.load("a")).version == 3
    log.add("a", 2)
    assert (await folds.load("a")).version == 3
    folded = await folds.load("a", at_least=5)
    assert (folded.state, folded.version) == (5, 5)
    assert folded.topics == ("t1", "t2", "t3", "t4", "t5")
    assert folded.ids == tuple(one.event_id for one in log.streams["a"])
    assert log.reads == [("a", 0), ("a", 3)]


async def test_fresh_reads_the_tail_in_any_case() -> None:
    log = FakeLog()
    log.add("a")
    folds = counting(log)
    await folds.load("a")
    log.add("a")
    assert (await folds.load("a", fresh=True)).version == 2
    assert log.reads == [("a", 0), ("a", 1)]


async def test_a_stream_that_does_not_exist_is_version_0_until_somebody_knows_better() -> None:
    log = FakeLog()
    folds = counting(log)
    assert folds.peek("a") is None
    assert await folds.load("a") == folds.nothing == Folded(0, 0, (), ())
    assert folds.peek("a") == folds.nothing
    log.add("a")
    assert (await folds.load("a")).version == 0
    assert (await folds.load("a", at_least=1)).version == 1
    assert log.reads == [("a", 0), ("a", 0)]


async def test_a_stream_shorter_than_hoped_is_returned_as_it_is() -> None:
    log = FakeLog()
    log.add("a")
    assert (await counting(log).load("a", at_least=9)).version == 1


async def test_a_stream_without_end_is_read_from_its_newest_events_on() -> None:
    log = FakeLog()
    log.add("a", 100)
    folds: Folds[int] = Folds(
        log,
        initial=0,
        decode=lambda row: row.version,
        evolve=lambda _, version: version,
        newest=10,
    )
    folded = await folds.load("a")
    assert (folded.state, folded.version, folded.ids, folded.topics) == (100, 100, (), ())
    assert (log.reads, log.newest_asked) == ([], [("a", 10)])
    log.add("a", 30)
    assert (await folds.load("a", fresh=True)).version == 130, "then its tail, however long"
    assert log.reads == [("a", 100)]
    told = Folded(140, 140, (uuid4(),), ("t",))
    folds.put("a", told, 10**9)
    assert folds.peek("a") == Folded(140, 140, (), ()), "what it does not keep takes no room"
    assert await folds.load("b") == folds.nothing


async def test_what_is_remembered_is_given_without_a_read_and_the_rest_read_together() -> None:
    log = FakeLog()
    log.add("a", 2)
    log.add("b", 3)
    folds = counting(log)
    log.gate.clear()
    both = asyncio.create_task(folds.load_all(["a", "b"]))
    for _ in range(5):
        await asyncio.sleep(0)
    assert log.reads == [("a", 0), ("b", 0)], "both asked for before either is answered"
    log.gate.set()
    assert [one.version for one in await both] == [2, 3]
    log.add("b")
    assert [one.version for one in await folds.load_all(iter(("b", "a")))] == [3, 2]
    assert len(log.reads) == 2, "nothing was read"
    assert [one.version for one in await folds.load_all(["b", "a"], fresh=True)] == [4, 2]
    folds.forget("a")
    assert [one.version for one in await folds.load_all(["b", "a"])] == [4, 2]
    assert log.reads[2:] == [("b", 3), ("a", 2), ("a", 0)]


async def test_concurrent_loads_share_one_read() -> None:
    log = FakeLog()
    log.add("a", 2)
    folds = counting(log)
    found = await asyncio.gather(*(folds.load("a") for _ in range(5)))
    assert {one.version for one in found} == {2}
    assert len(log.reads) == 1


async def test_what_is_wanted_is_read_before_anybody_waits_for_it() -> None:
    log = FakeLog()
    log.add("a", 2)
    folds = counting(log)
    for _ in range(3):
        folds.want("a")
    folds.want("b")
    assert ((await folds.load("a")).version, (await folds.load("b")).version) == (2, 0)
    assert log.reads == [("a", 0), ("b", 0)]
    folds.want("a", at_least=2)
    log.add("a")
    folds.want("a", at_least=3)
    assert (await folds.load("a", at_least=3)).version == 3
    assert log.reads[2:] == [("a", 2)]


async def test_what_was_wanted_in_vain_is_an_error_only_for_who_loads_it() -> None:
    log = FakeLog()
    log.fails = True
    folds = counting(log)
    folds.want("a")
    with pytest.raises(OSError, match="away"):
        await folds.load("a")
    folds.want("a")
    await asyncio.sleep(0)
    log.fails = False
    log.add("a")
    assert (await folds.load("a", fresh=True)).version == 1


async def test_a_load_under_way_does_not_hide_a_later_commit() -> None:
    log = FakeLog()
    log.add("a")
    folds = counting(log)
    log.gate.clear()
    early = asyncio.create_task(folds.load("a"))
    await log.asked.wait()
    log.add("a")
    late = asyncio.create_task(folds.load("a", at_least=2))
    fresh = asyncio.create_task(folds.load("a", fresh=True))
    await asyncio.sleep(0)
    log.gate.set()
    assert (await early).version == 1
    assert (await late).version == 2
    assert (await fresh).version == 2
    assert (await folds.load("a")).version == 2


async def test_a_failed_load_reaches_its_callers_and_is_not_remembered() -> None:
    log = FakeLog()
    log.add("a")
    log.fails = True
    folds = counting(log)
    results = await asyncio.gather(folds.load("a"), folds.load("a"), return_exceptions=True)
    assert [type(result) for result in results] == [OSError, OSError]
    log.fails = False
    assert (await folds.load("a")).version == 1


async def test_a_cancelled_caller_does_not_cancel_the_others_load() -> None:
    log = FakeLog()
    log.add("a")
    folds = counting(log)
    log.gate.clear()
    first, second = (asyncio.create_task(folds.load("a")) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    log.gate.set()
    assert (await second).version == 1
    assert first.cancelled() or isinstance(
        (await asyncio.gather(first, return_exceptions=True))[0], asyncio.CancelledError
    )


async def test_an_own_append_is_put_without_a_read_and_never_goes_back() -> None:
    log = FakeLog()
    log.add("a", 2)
    folds = counting(log)
    known = await folds.load("a")
    log.add("a")
    folds.put("a", folds.fold(known, log.streams["a"][2:]), 10)
    folds.put("a", known, 0)
    assert (await folds.load("a", at_least=3)).state == 3
    assert len(log.reads) == 1
    folds.forget("a")
    assert len(folds) == 0


@pytest.mark.parametrize(("max_streams", "max_bytes"), [(2, 10_000), (100, 250)])
async def test_the_least_recently_used_goes_first(max_streams: int, max_bytes: int) -> None:
    log = FakeLog()
    for name in ("a", "b", "c"):
        log.add(name, 10)
    folds = counting(log, max_streams, max_bytes)
    await folds.load("a")
    await folds.load("b")
    await folds.load("a")
    await folds.load("c")
    log.reads.clear()
    for name in ("a", "c", "b"):
        await folds.load(name)
    assert log.reads == [("b", 0)]


@given(
    sizes=st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 5)), max_size=30),
)
def test_the_counted_bytes_are_those_of_the_kept_streams(sizes: list[tuple[str, int]]) -> None:
    async def run() -> None:
        log = FakeLog()
        folds = counting(log, 2, 200)
        for name, count in sizes:
            log.add(name, count)
            await folds.load(name, fresh=True)
            kept = list(folds._entries.values())
            assert folds._bytes == sum(entry.size for entry in kept)
            assert all(entry.size == 10 * entry.folded.version for entry in kept)

    asyncio.run(run())


class Monotonic:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_clock_is_unknown_before_the_first_answer() -> None:
    with pytest.raises(RuntimeError, match="connect"):
        DatabaseClock().now()


def test_the_clock_follows_the_monotonic_one_between_answers() -> None:
    ticks = Monotonic()
    clock = DatabaseClock(ticks)
    clock.observe(EPOCH, sent=99.0, received=100.0)
    assert clock.now() == EPOCH + timedelta(seconds=0.5)
    ticks.now += 60
    assert clock.now() == EPOCH + timedelta(seconds=60.5)


@given(
    offset=st.floats(-1e6, 1e6),
    answers=st.lists(
        st.tuples(st.floats(0, 5), st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=20
    ),
)
def test_the_clock_is_never_off_by_more_than_the_best_round_trip(
    offset: float, answers: list[tuple[float, float, float]]
) -> None:
    ticks = Monotonic()
    clock = DatabaseClock(ticks)
    best = float("inf")
    for idle, there, back in answers:
        ticks.now += idle
        sent = ticks.now
        answered = EPOCH + timedelta(seconds=sent + there + offset)
        ticks.now += there + back
        clock.observe(answered, sent, ticks.now)
        best = min(best, there + back)
        truth = EPOCH + timedelta(seconds=ticks.now + offset)
        assert abs(clock.now() - truth) <= timedelta(seconds=best, microseconds=100)


def test_a_clock_that_was_set_is_followed() -> None:
    ticks = Monotonic()
    clock = DatabaseClock(ticks)
    clock.observe(EPOCH, 100.0, 100.0)
    clock.observe(EPOCH - timedelta(hours=1), 100.0, 100.2)
    assert abs(clock.now() - EPOCH + timedelta(hours=1)) <= timedelta(seconds=0.2)


async def test_a_blob_is_read_once_and_its_digest_checked() -> None:
    reads: list[bytes] = []
    content = b"plan"
    digest = hashlib.sha256(content).digest()

    async def read(_: str, wanted: bytes) -> bytes:
        reads.append(wanted)
        return content

    blobs = Blobs(read)
    assert await blobs.get("acme", digest) == await blobs.get("acme", digest) == content
    assert reads == [digest]
    with pytest.raises(BlobCorrupt):
        await blobs.get("acme", bytes(32))


async def test_a_blob_that_was_wanted_too_early_is_looked_for_again() -> None:
    content = b"plan"
    digest = hashlib.sha256(content).digest()
    stored: dict[bytes, bytes] = {}
    reads = 0
    answer = asyncio.Event()

    async def read(_: str, wanted: bytes) -> bytes | None:
        nonlocal reads
        reads += 1
        found = stored.get(wanted)
        await answer.wait()
        return found

    blobs = Blobs(read)
    blobs.want("acme", digest)
    blobs.want("acme", digest)
    await asyncio.sleep(0)
    stored[digest] = content
    waiting = asyncio.create_task(blobs.get("acme", digest))
    await asyncio.sleep(0)
    answer.set()
    assert await waiting == content
    assert reads == 2
    blobs.want("acme", digest)
    with pytest.raises(BlobMissing):
        await blobs.get("acme", bytes(32))


async def test_kept_blobs_are_bounded() -> None:
    contents = {hashlib.sha256(text).digest(): text for text in (b"a" * 40, b"b" * 40, b"c" * 200)}
    reads: list[bytes] = []

    async def read(_: str, wanted: bytes) -> bytes:
        reads.append(wanted)
        return contents[wanted]

    blobs = Blobs(read, max_bytes=60)
    for digest in contents:
        await blobs.get("acme", digest)
        await blobs.get("acme", digest)
    assert [contents[digest][:1] for digest in reads] == [b"a", b"b", b"c", b"c"]


def postgres(state: str) -> Exception:
    error = asyncpg.PostgresError.new({"C": state, "M": "message", "S": "ERROR"})
    assert isinstance(error, Exception)
    return error


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (postgres("57P01"), Fault.LOST),
        (postgres("57P03"), Fault.LOST),
        (postgres("08006"), Fault.LOST),
        (postgres("25006"), Fault.LOST),
        (postgres("0A000"), Fault.STATEMENT),
        (asyncpg.exceptions.InvalidCachedStatementError("x"), Fault.LOST),
        (ConnectionResetError(), Fault.LOST),
        (TimeoutError(), Fault.LOST),
        (asyncpg.InterfaceError("connection is closed"), Fault.LOST),
        (postgres("53100"), Fault.OUTAGE),
        (postgres("55P03"), Fault.OUTAGE),
        (postgres("57014"), Fault.OUTAGE),
        (postgres("40P01"), Fault.OUTAGE),
        (postgres("58030"), Fault.OUTAGE),
        (postgres("23505"), Fault.STATEMENT),
        (postgres("SO001"), Fault.STATEMENT),
        (asyncpg.exceptions._base.DataError("cannot be encoded"), Fault.STATEMENT),
        (TypeError(), Fault.STATEMENT),
    ],
)
def test_faults_are_sorted_by_what_to_do(error: Exception, fault: Fault) -> None:
    assert classify(error) is fault


def test_a_refused_statement_is_told_in_our_words() -> None:
    assert as_store_error(postgres("SO001")).code == "category_forbidden"
    assert as_store_error(postgres("SO002")).code == "tenant_mismatch"
    assert as_store_error(postgres("23505")).code == "record_conflict"
    assert as_store_error(TypeError("x")).code == "invalid_unit"
    known = InvalidUnit("as it is")
    assert as_store_error(known) is known
    assert isinstance(UUID(int=0), UUID)
