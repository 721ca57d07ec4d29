"""Streams and snapshots in memory, with what a reader costs."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from uuid import uuid4

from smartops.eventstore import Snapshot, StoredRow, StoreUnavailable

__all__ = ["MemoryStore"]

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class MemoryStore:
    """What `Folds` and `Snapshots` need of a store."""

    def __init__(self) -> None:
        self.streams: dict[str, list[StoredRow]] = {}
        self.snapshots: dict[tuple[str, str], Snapshot] = {}
        self.reads: list[tuple[str, int, int | None]] = []
        self.lookups = 0
        self.is_away = False

    def add(self, stream: str, states: list[bytes]) -> None:
        """Append events with these states, of two topics in turn, each with its chain value."""
        rows = self.streams.setdefault(stream, [])
        for state in states:
            version = len(rows) + 1
            before = rows[-1].hash if rows else bytes(32)
            topic = f"counted.v{1 + version % 2}"
            digest = hashlib.sha256(before + stream.encode() + state).digest()
            rows.append(
                StoredRow(
                    version,
                    "acme",
                    version,
                    stream,
                    version,
                    uuid4(),
                    topic,
                    None,
                    None,
                    "-",
                    state,
                    digest,
                    EPOCH,
                )
            )

    async def read_stream(
        self, stream: str, after: int = 0, limit: int | None = None
    ) -> list[StoredRow]:
        """As the store's."""
        self.reads.append((stream, after, limit))
        return self.streams.get(stream, [])[after:][:limit]

    async def snapshot(self, stream: str, fold: str) -> Snapshot | None:
        """As the store's."""
        self.lookups += 1
        return self.snapshots.get((stream, fold))

    async def put_snapshot(self, snapshot: Snapshot) -> None:
        """As the store's."""
        if self.is_away:
            raise StoreUnavailable("away")
        self.snapshots[snapshot.stream, snapshot.fold] = snapshot
