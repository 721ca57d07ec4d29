"""Reading the log by position."""

from __future__ import annotations

from smartops.audit.adapters.tables import Connection
from smartops.audit.errors import LogTampered
from smartops.audit.place import Place
from smartops.eventstore.reader import COLUMNS
from smartops.eventstore.rows import StoredRow

__all__ = ["MAX_BYTES", "last_position", "read_after"]

MAX_BYTES = 16 * 1024 * 1024
"""States in one batch: single events may have a megabyte."""

_TAIL = f"""
select {COLUMNS} from (
    select e.*, sum(octet_length(state)) over (order by position) - octet_length(state) as before
      from (select {COLUMNS} from smartops_log.events
             where position >= $1 order by position limit $2) e) as w
 where before <= $3
"""  # noqa: S608 - made of constants.


async def read_after(
    conn: Connection, place: Place, limit: int, max_bytes: int = MAX_BYTES
) -> list[StoredRow]:
    """The rows behind a place, oldest first; at most `limit`, and about `max_bytes` of states.

    The row at the place is read again each time: a log that was cut off behind it would else give
    its positions to other events, and we would wait for the first one behind us, for ever.

    Raises:
        LogTampered: the event at the place is gone, or is another one.
    """
    found = [
        StoredRow._make(record)
        for record in await conn.fetch(_TAIL, place.position, limit + 1, max_bytes)
    ]
    if place.hash is None:
        return found[:limit]
    if not found or found[0].position != place.position:
        raise LogTampered(place.position, "-", "the log ends before what was verified")
    if found[0].hash != place.hash:
        raise LogTampered(
            place.position, found[0].tenant, "another event stands where one was verified"
        )
    return found[1:]


async def last_position(conn: Connection) -> int:
    """Where the log ends; 0 when it is empty."""
    found: int = await conn.fetchval("select coalesce(max(position), 0) from smartops_log.events")
    return found
