"""A cache of folded streams: load once, then only the tail."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, Protocol, TypeVar

from smartops.eventstore.folded import Folded
from smartops.eventstore.rows import StoredRow
from smartops.eventstore.snapshotting import Snapshots

__all__ = ["DEFAULT_MAX_BYTES", "DEFAULT_MAX_STREAMS", "Folded", "Folds", "StreamReader"]

DEFAULT_MAX_STREAMS = 1_000
"""Streams kept per cache."""

DEFAULT_MAX_BYTES = 8 * 1024 * 1024
"""Stored bytes behind the kept folds: a proxy for their size in memory."""

S = TypeVar("S")


class StreamReader(Protocol):
    """What the cache needs of the store."""

    async def read_stream(
        self, stream: str, after: int = 0, limit: int | None = None
    ) -> list[StoredRow]:
        """The stream's events above version `after`, in order."""
        ...

    async def newest(self, stream: str, limit: int) -> list[StoredRow]:
        """The last events of a stream, in order."""
        ...


@dataclass(slots=True)
class _Entry(Generic[S]):
    folded: Folded[S]
    size: int


class Folds(Generic[S]):
    """Folds streams with one `evolve` and remembers the results.

    A fold may be stale unless asked for a version or `fresh`. That is safe: whoever decides on it
    names its version in the unit, and the append answers `Conflict`.
    """

    def __init__(
        self,
        store: StreamReader,
        *,
        initial: S,
        decode: Callable[[StoredRow], Any],
        evolve: Callable[[S, Any], S],
        max_streams: int = DEFAULT_MAX_STREAMS,
        max_bytes: int = DEFAULT_MAX_BYTES,
        snapshots: Snapshots[S] | None = None,
        newest: int | None = None,
    ) -> None:
        """Make an empty cache.

        Args:
            store: Where the rows come from.
            initial: The state before the first event; never changed.
            decode: Makes the domain's event of a row.
            evolve: Pure; returns the next state and leaves the given one alone.
            max_streams: Streams kept; the least recently used goes first.
            max_bytes: Stored bytes behind the kept folds; likewise.
            snapshots: Lets the first load of a long stream start in the middle. None: all are
                read from the beginning.
            newest: The state follows from so many last events alone: a first load reads no more
                of an endless stream, and their ids and topics are not kept. None: all count.
        """
        self._store = store
        self._initial: Folded[S] = Folded(initial, 0, (), ())
        self._decode = decode
        self._evolve = evolve
        self._max_streams = max_streams
        self._max_bytes = max_bytes
        self._snapshots = snapshots
        self._newest = newest
        self._entries: OrderedDict[str, _Entry[S]] = OrderedDict()
        self._bytes = 0
        self._loading: dict[str, asyncio.Future[Folded[S]]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    async def load(self, stream: str, at_least: int = 0, *, fresh: bool = False) -> Folded[S]:
        """The stream's fold, from memory where possible.

        Args:
            stream: Its name.
            at_least: Read the tail unless the remembered version is as high. A stream may still
                turn out shorter, e.g. after a restore: check the version where it matters.
            fresh: Read the tail in any case.

        Raises:
            StoreUnavailable: The tail is needed and the database out of reach.
        """
        entry = self._entries.get(stream)
        if entry is not None and not fresh and entry.folded.version >= at_least:
            self._entries.move_to_end(stream)
            return entry.folded
        if fresh:
            # A load under way may have read before the caller's own last commit: never join it.
            return await self._read_tail(stream)
        folded = await asyncio.shield(self._loading.get(stream) or self._begin(stream))
        return folded if folded.version >= at_least else await self._read_tail(stream)

    async def load_all(self, streams: Iterable[str], *, fresh: bool = False) -> list[Folded[S]]:
        """The folds of these streams, in their order: from memory, or all in one round trip.

        Args:
            streams: Their names.
            fresh: Read the tails in any case.

        Raises:
            StoreUnavailable: As `load`.
        """
        names = list(streams)
        if not fresh and all(name in self._entries for name in names):
            # A task for each, as below, costs ten times what is done here.
            return [await self.load(name) for name in names]
        return list(await asyncio.gather(*(self.load(name, fresh=fresh) for name in names)))

    def want(self, stream: str, at_least: int = 0) -> None:
        """Begin to load what a `load` will soon ask for; what goes wrong shows there.

        All that is wanted at once travels in one round trip, blobs included.
        """
        entry = self._entries.get(stream)
        if (entry is None or entry.folded.version < at_least) and stream not in self._loading:
            self._begin(stream)

    @property
    def nothing(self) -> Folded[S]:
        """The fold of a stream that does not exist."""
        return self._initial

    def peek(self, stream: str) -> Folded[S] | None:
        """What is remembered of a stream, without asking the store."""
        entry = self._entries.get(stream)
        return None if entry is None else entry.folded

    def put(self, stream: str, folded: Folded[S], size: int = 0) -> None:
        """Remember a fold, e.g. after an own append; an older one than known is ignored.

        Args:
            stream: Its name.
            folded: State, version, ids and topics up to that version.
            size: Stored bytes added since the remembered version.
        """
        entry = self._entries.pop(stream, None)
        if entry is not None:
            self._bytes -= entry.size
            if entry.folded.version > folded.version:
                folded, size = entry.folded, 0
            size += entry.size
        if self._newest is not None:
            folded, size = replace(folded, ids=(), topics=()), 0
        self._entries[stream] = _Entry(folded, size)
        self._bytes += size
        while len(self._entries) > 1 and (
            len(self._entries) > self._max_streams or self._bytes > self._max_bytes
        ):
            _, oldest = self._entries.popitem(last=False)
            self._bytes -= oldest.size

    def forget(self, stream: str) -> None:
        """Drop a stream from memory."""
        entry = self._entries.pop(stream, None)
        if entry is not None:
            self._bytes -= entry.size

    def fold(self, folded: Folded[S], rows: Sequence[StoredRow]) -> Folded[S]:
        """Apply the rows that follow `folded.version`; pure."""
        state = folded.state
        for row in rows:
            state = self._evolve(state, self._decode(row))
        if self._newest is not None:
            return Folded(state, rows[-1].version if rows else folded.version, (), ())
        return Folded(
            state,
            rows[-1].version if rows else folded.version,
            folded.ids + tuple(row.event_id for row in rows),
            folded.topics + tuple(row.topic for row in rows),
        )

    async def _read_tail(self, stream: str) -> Folded[S]:
        entry = self._entries.get(stream)
        remembered = base = self._initial if entry is None else entry.folded
        size = 0 if entry is None else entry.size
        if self._newest is not None and not base.version:
            rows: Sequence[StoredRow] = await self._store.newest(stream, self._newest)
        elif base.version or self._snapshots is None:
            rows = await self._store.read_stream(stream, base.version)
        else:
            start = await self._snapshots.start(stream)
            rows = start.rows
            if start.base is not None:
                base, size = start.base, start.size
        folded = self.fold(base, rows) if rows else base
        if folded is remembered:
            # Remembered too: that a stream does not exist is as good a fact, at version 0.
            if entry is None:
                self.put(stream, base)
            return base
        if self._snapshots is not None and rows:
            self._snapshots.offer(stream, folded, rows[-1].hash, len(rows))
        known = self._entries.get(stream)
        if known is not None and known.folded.version >= folded.version:
            return known.folded  # Another load or an own append was faster.
        # The entry may have been dropped, or have grown, while the rows were on their way; rows
        # that it covers already must not be counted twice.
        counted = base.version if known is None else known.folded.version
        if known is None and base.version:
            self.put(stream, base, size)
        self.put(stream, folded, sum(len(row.state) for row in rows if row.version > counted))
        return folded

    def _begin(self, stream: str) -> asyncio.Future[Folded[S]]:
        loading = self._loading[stream] = asyncio.ensure_future(self._read_tail(stream))
        loading.add_done_callback(lambda done: self._forget_load(stream, done))
        return loading

    def _forget_load(self, stream: str, done: asyncio.Future[Folded[S]]) -> None:
        if self._loading.get(stream) is done:
            del self._loading[stream]
        if not done.cancelled():
            done.exception()  # Seen by the callers; none may be left when the load fails.
