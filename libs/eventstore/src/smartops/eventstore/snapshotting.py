"""Where long folds start: looks snapshots up, and has new ones written in the background."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

from smartops.eventstore.errors import StoreError
from smartops.eventstore.folded import Folded
from smartops.eventstore.rows import StoredRow
from smartops.eventstore.snapshots import MAX_BODY_BYTES, Snapshot, SnapshotCodec, pack, unpack

__all__ = ["DEFAULT_EVERY", "SnapshotStore", "Snapshots", "Start"]

DEFAULT_EVERY = 500
"""Events: shorter streams have no snapshot, and a load that folded as many leaves one."""

MAX_WRITES = 4
"""Snapshots being written at once; what comes on top is left to the next load."""

S = TypeVar("S")

_log = logging.getLogger(__name__)


class SnapshotStore(Protocol):
    """What snapshots need of the store."""

    async def read_stream(
        self, stream: str, after: int = 0, limit: int | None = None
    ) -> list[StoredRow]:
        """The stream's events above version `after`, in order."""
        ...

    async def snapshot(self, stream: str, fold: str) -> Snapshot | None:
        """The snapshot as stored, unchecked."""
        ...

    async def put_snapshot(self, snapshot: Snapshot) -> None:
        """Store it in place of the one before."""
        ...


class Start(NamedTuple, Generic[S]):
    """Where a fold starts."""

    base: Folded[S] | None
    """None: at the stream's beginning."""

    rows: Sequence[StoredRow]
    """All events that follow the base."""

    size: int
    """Stored bytes behind the base."""


class Snapshots(Generic[S]):
    """The snapshots of one fold. Give it to the `Folds` that folds by the same code."""

    def __init__(
        self, store: SnapshotStore, codec: SnapshotCodec[S], *, every: int = DEFAULT_EVERY
    ) -> None:
        """Begin with nothing under way.

        Args:
            store: Where they are, and where the streams are.
            codec: Of the fold.
            every: Look for one from this length on; write one when a load folded as many events.
        """
        if every < 1:
            raise ValueError(f"every {every} events is too often; use 1 or more")
        self._store = store
        self._codec = codec
        self._every = every
        self._writing: dict[str, asyncio.Task[None]] = {}

    async def start(self, stream: str) -> Start[S]:
        """Where to start a fold of which nothing is known, and what follows.

        A stream shorter than `every` costs what it costs without snapshots: one read.

        Raises:
            StoreUnavailable: The database is out of reach.
        """
        rows = await self._store.read_stream(stream, 0, self._every)
        if len(rows) < self._every:
            return Start(None, rows, 0)
        snapshot = await self._store.snapshot(stream, self._codec.fold)
        base = None if snapshot is None else self._unpacked(stream, snapshot)
        if snapshot is not None and base is not None and base.version >= len(rows):
            # Read with the event it ends with: after a restore the log may have another past,
            # in which that event does not exist, or stands elsewhere in the chain.
            tail = await self._store.read_stream(stream, base.version - 1)
            if tail and (tail[0].event_id, tail[0].hash) == (base.ids[-1], snapshot.hash):
                return Start(base, tail[1:], len(snapshot.body))
            _log.warning("snapshot of %s at %d is of another past; ignored", stream, base.version)
        return Start(None, rows + await self._store.read_stream(stream, len(rows)), 0)

    def offer(self, stream: str, folded: Folded[S], last_hash: bytes, count: int) -> None:
        """Write a snapshot in the background, if the load that made the fold was long.

        Args:
            stream: Its name.
            folded: What the load made.
            last_hash: Chain value of the last event in it.
            count: How many events were folded.
        """
        if count < self._every or stream in self._writing or len(self._writing) >= MAX_WRITES:
            return
        task = asyncio.create_task(self._write(stream, folded, last_hash), name="snapshot")
        self._writing[stream] = task
        task.add_done_callback(lambda _: self._writing.pop(stream, None))

    async def settle(self) -> None:
        """Wait for the snapshots that are being written."""
        while self._writing:
            await asyncio.wait(self._writing.values())

    def _unpacked(self, stream: str, snapshot: Snapshot) -> Folded[S] | None:
        try:
            return unpack(self._codec, stream, snapshot)
        except Exception:  # noqa: BLE001 - the codec may raise anything; the log has the answer.
            _log.warning("snapshot of %s cannot be read; ignored", stream, exc_info=True)
            return None

    async def _write(self, stream: str, folded: Folded[S], last_hash: bytes) -> None:
        try:
            # In a thread: encoding a long fold would hold up everybody else on the loop.
            made = await asyncio.to_thread(pack, self._codec, stream, folded, last_hash)
            if len(made.body) > MAX_BODY_BYTES:
                _log.warning("snapshot of %s has %d bytes; not kept", stream, len(made.body))
                return
            await self._store.put_snapshot(made)
        except StoreError as error:
            _log.info("snapshot of %s was not written: %s", stream, error)
        except Exception:  # noqa: BLE001 - likewise; the next long load tries again.
            _log.warning("snapshot of %s was not written", stream, exc_info=True)
