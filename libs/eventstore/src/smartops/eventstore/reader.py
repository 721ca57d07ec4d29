"""Reads that wait together travel together: one round trip for many streams and blobs."""

import asyncio
from collections.abc import Sequence

import asyncpg
from smartops.eventstore.errors import StoreClosed, StoreUnavailable
from smartops.eventstore.link import Link
from smartops.eventstore.rows import StoredRow

__all__ = ["COLUMNS", "Reader"]

COLUMNS = (
    "position, tenant, ordinal, stream, version, event_id, topic, task, cause, party, state, hash, "
    "recorded_at"
)
"""As in `StoredRow`."""

TIMEOUT = 30.0
"""Seconds until a read without an answer counts as lost, and is sent again."""

TURNS = 1
"""Turns of the loop before a round trip begins, beyond the one in which it was asked for."""

MAX_READS = 512
"""Reads per round trip."""

MAX_WAITING = 20_000
"""Reads that may wait for the database before `StoreUnavailable`."""

_SQL = f"""
select q.ord, {", ".join("e." + column for column in COLUMNS.split(", "))}
  from unnest($1::text[], $2::bigint[], $3::bigint[]) with ordinality
       as q(stream, after, most, ord)
 cross join lateral (
       select {COLUMNS} from smartops_log.events x
        where x.stream = q.stream and x.version > q.after order by x.version limit q.most) e
union all
select -q.ord, null, null, null, null, null, null, null, null, null, null, b.content, null, null
  from unnest($4::text[], $5::bytea[]) with ordinality as q(tenant, digest, ord)
 cross join lateral (
       select x.content from smartops_log.blobs x
        where x.tenant = q.tenant and x.digest = q.digest limit 1) b
 order by 1, 2
"""  # noqa: S608 - made of constants.


class _Stream:
    __slots__ = ("after", "future", "limit", "stream")

    def __init__(self, stream: str, after: int, limit: int | None) -> None:
        self.stream = stream
        self.after = after
        self.limit = limit
        self.future: asyncio.Future[list[StoredRow]] = asyncio.get_running_loop().create_future()


class _Blob:
    __slots__ = ("digest", "future", "tenant")

    def __init__(self, tenant: str, digest: bytes) -> None:
        self.tenant = tenant
        self.digest = digest
        self.future: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()


class Reader:
    """Queues reads and answers them, one round trip in flight at a time."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._queue: list[_Stream | _Blob] = []
        self._in_flight: Sequence[_Stream | _Blob] = ()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._is_closed = False
        self.round_trips = 0
        """Statements answered so far."""

    def start(self) -> None:
        """Begin to read."""
        self._task = asyncio.create_task(self._run(), name="read")

    async def stream(self, stream: str, after: int, limit: int | None) -> list[StoredRow]:
        """A stream's events above version `after`."""
        wanted = _Stream(stream, after, limit)
        self._ask(wanted)
        return await wanted.future

    async def blob(self, tenant: str, digest: bytes) -> bytes | None:
        """A blob's bytes, unchecked."""
        wanted = _Blob(tenant, digest)
        self._ask(wanted)
        return await wanted.future

    async def close(self) -> None:
        """Stop; whoever waits gets `StoreClosed`."""
        self._is_closed = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        _fail([*self._in_flight, *self._queue], StoreClosed())
        self._queue.clear()

    def _ask(self, wanted: _Stream | _Blob) -> None:
        if self._is_closed:
            raise StoreClosed
        if len(self._queue) >= MAX_WAITING:
            raise StoreUnavailable(self._link.trouble or "more reads than the database can take")
        self._queue.append(wanted)
        self._wake.set()

    async def _run(self) -> None:
        while True:
            while self._queue:
                await self._gather()
                wanted, self._queue = self._queue[:MAX_READS], self._queue[MAX_READS:]
                # Who was cancelled in an outage is not read for.
                self._in_flight = [read for read in wanted if not read.future.done()]
                await self._answer(self._in_flight)
                self._in_flight = ()
            self._wake.clear()
            await self._wake.wait()

    async def _answer(self, wanted: Sequence[_Stream | _Blob]) -> None:
        """Read; if that is refused, halve until only who asked for the impossible is told so.

        A name with a NUL, or a version beyond all numbers, comes in from outside, and must not
        cost those their answer who happened to ask in the same moment.
        """
        try:
            await self._read(wanted)
        except (StoreUnavailable, StoreClosed) as error:
            _fail(wanted, error)
        except Exception as error:  # noqa: BLE001 - raised where the reads came from.
            half = len(wanted) // 2
            if half == 0:
                _fail(wanted, error)
                return
            await self._answer(wanted[:half])
            await self._answer(wanted[half:])

    async def _gather(self) -> None:
        """Let what is asked together travel together.

        Who asks for a blob and streams at once asks for the streams through tasks, which begin a
        turn of the loop later; a turn costs microseconds, a round trip half a millisecond.
        """
        for _ in range(TURNS):
            await asyncio.sleep(0)

    async def _read(self, wanted: Sequence[_Stream | _Blob]) -> None:
        streams = [read for read in wanted if isinstance(read, _Stream)]
        blobs = [read for read in wanted if isinstance(read, _Blob)]
        answer: list[asyncpg.Record] = await self._link.repeat(
            _SQL,
            [read.stream for read in streams],
            [read.after for read in streams],
            [read.limit for read in streams],
            [read.tenant for read in blobs],
            [read.digest for read in blobs],
            timeout=TIMEOUT,
        )
        self.round_trips += 1
        found: list[list[StoredRow]] = [[] for _ in streams]
        contents: dict[int, bytes] = {}
        for row in answer:
            ordinal = row[0]
            if ordinal > 0:
                found[ordinal - 1].append(StoredRow._make(row[1:]))
            else:
                contents[-ordinal] = row[11]
        for stream, rows in zip(streams, found, strict=True):
            if not stream.future.done():
                stream.future.set_result(rows)
        for ordinal, blob in enumerate(blobs, start=1):
            if not blob.future.done():
                blob.future.set_result(contents.get(ordinal))


def _fail(reads: Sequence[_Stream | _Blob], error: Exception) -> None:
    for read in reads:
        if not read.future.done():
            read.future.set_exception(error)
