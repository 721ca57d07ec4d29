"""The log folded into tables that nobody looks at yet, as fast as one process can.

Python and the database work side by side: while one batch is being stored, the one after it is
verified and understood, and the next is fetched behind the store, on the same connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from smartops.audit.adapters.log import read_after
from smartops.audit.adapters.tables import Connection, Tables
from smartops.audit.heads import Heads
from smartops.audit.place import Place
from smartops.audit.projector import Projector
from smartops.audit.read_models import PROJECTOR
from smartops.audit.read_models.tenants import TenantRow
from smartops.audit.reading import Reading, read
from smartops.eventstore.rows import StoredRow

__all__ = ["Tell", "replay"]

Tell = Callable[[int], None]
"""Told the position up to which all is stored, once per batch."""

BATCH = 2_000
"""Events stored in one transaction."""

STRIDE = 50
"""Events verified and understood (some 1.5 ms) before the statement in flight may go on."""


class _Batch(NamedTuple):
    """What `Projector.store` takes."""

    readings: Sequence[Reading]
    moved: Mapping[str, TenantRow]


async def replay(
    conn: Connection, tables: Tables, upto: int | None = None, tell: Tell | None = None
) -> Place:
    """Fold the log from where the tables stand, chain verified; returns how far that was.

    Args:
        conn: the connection of the tables.
        tables: empty, or what an earlier call has made of them. Of no use if this fails: they then
            end somewhere before the trouble.
        upto: the last position to fold; None: until nothing more comes.
        tell: see `Tell`.

    Raises:
        LogTampered: the log is not what was appended.
        NewerEvent: it holds events of a newer release.
        UnreadableEvent: an event does not fit its contract.
    """
    projector = await Projector.open(tables)
    # Runs ahead of the projector's own, which are the ends of what is stored.
    heads = Heads(projector.heads.ends)
    batch: _Batch | None = None
    position = projector.place.position
    rows = await _fetch(conn, projector.place, upto)
    while rows:
        end = Place(rows[-1].position, rows[-1].hash, PROJECTOR)
        behind = asyncio.create_task(_store_and_fetch(conn, projector, batch, end, upto))
        try:
            batch = await _understand(heads, position, rows)
        finally:
            # Waited for, not cancelled: whoever gives up between a transaction's begin and the
            # answer to it leaves the connection inside that transaction.
            rows, position = await behind, end.position
        if tell is not None:
            tell(projector.place.position)
    if batch is not None:
        await projector.store(*batch)
        if tell is not None:
            tell(projector.place.position)
    return projector.place


async def _understand(heads: Heads, after: int, rows: Sequence[StoredRow]) -> _Batch:
    moved: dict[str, TenantRow] = {}
    readings: list[Reading] = []
    for begin in range(0, len(rows), STRIDE):
        some = rows[begin : begin + STRIDE]
        ends = heads.follow(after, some)
        heads.accept(ends)
        moved.update(ends)
        after = some[-1].position
        readings += [read(row) for row in some]
        await asyncio.sleep(0)  # The other task's statement may have its answer.
    return _Batch(readings, moved)


async def _store_and_fetch(
    conn: Connection, projector: Projector, batch: _Batch | None, end: Place, upto: int | None
) -> list[StoredRow]:
    if batch is not None:
        await projector.store(*batch)
    return await _fetch(conn, end, upto)


async def _fetch(conn: Connection, after: Place, upto: int | None) -> list[StoredRow]:
    if upto is not None and after.position >= upto:
        return []
    rows = await read_after(conn, after, BATCH)
    return rows if upto is None else [row for row in rows if row.position <= upto]
