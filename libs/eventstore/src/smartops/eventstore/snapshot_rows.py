"""A role's own snapshots in the database: put, found, thrown away."""

from abc import abstractmethod
from typing import Any

import asyncpg
from smartops.eventstore.snapshots import Snapshot

__all__ = ["SnapshotRows"]


class SnapshotRows:
    """A part of `EventStore`. During an outage these calls wait."""

    @abstractmethod
    async def _call(self, sql: str, *arguments: Any) -> list[asyncpg.Record]:
        """Run a statement that may safely run twice."""

    async def snapshot(self, stream: str, fold: str) -> Snapshot | None:
        """This role's snapshot of a stream by a fold, as stored: unchecked."""
        rows = await self._call("select * from smartops_log.snapshot($1, $2)", stream, fold)
        return Snapshot(*rows[0]) if rows else None

    async def put_snapshot(self, snapshot: Snapshot) -> None:
        """Store a snapshot in place of the one before; a crash may lose it, which harms nobody."""
        await self._call(
            "select smartops_log.put_snapshot($1, $2, $3, $4, $5, $6, $7)",
            snapshot.stream,
            snapshot.fold,
            snapshot.fold_version,
            snapshot.version,
            snapshot.hash,
            snapshot.body,
            snapshot.sha256,
        )

    async def drop_snapshots(self, fold: str | None = None) -> int:
        """Throw this role's snapshots away, of one fold or all; returns how many there were."""
        [[count]] = await self._call("select smartops_log.drop_snapshots($1)", fold)
        dropped: int = count
        return dropped
