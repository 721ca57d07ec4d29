"""How much of the log is read for what is done on it, counted by PostgreSQL itself.

Counts do not know how fast the machine is: they are the same in a slow hour, and with cold caches.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from uuid import uuid4

from smartops.audit.adapters.tables import Connection

__all__ = ["LOOK_UPS", "blocks_per_look_up", "rows_read"]

# Rows come to the counters when a session ends: close those whose reads shall be seen before.
_ROWS = """
select coalesce(sum(seq_tup_read + idx_tup_fetch), 0)::float8 from pg_stat_user_tables
 where schemaname in ('smartops_log', 'smartops')
"""

LOOK_UPS: Mapping[str, str] = {
    "events_by_id": "select event_id from smartops_log.events where event_id = $1",
    "events_by_stream": "select version from smartops_log.events where stream = $1 and version = 1",
    "events_by_task": "select position from smartops_log.events where task = $1",
    "inbox": "select cause from smartops_log.inbox where cause = $1 and handler = 'h'",
}
"""By the larger indexes, of what is not there: only the way down the tree is walked."""

TRIES = 3


async def rows_read(admin: Connection) -> float:
    """Table rows that all statements of ended sessions have read so far."""
    await admin.execute("select pg_stat_force_next_flush()")  # Of our own, before counting.
    await admin.execute("select pg_stat_clear_snapshot()")
    found: float = await admin.fetchval(_ROWS)
    return found


async def blocks_per_look_up(admin: Connection) -> dict[str, int]:
    """Blocks that one look-up walks: the depth of each index, the same whatever is cached."""
    # The least of a few: a session's first ones read the catalogue, too.
    return {
        name: min([await _blocks(admin, query) for _ in range(TRIES)])
        for name, query in LOOK_UPS.items()
    }


async def _blocks(admin: Connection, query: str) -> int:
    ident = uuid4()
    wanted = f"'acme/gate-{ident}'" if "stream =" in query else f"'{ident}'"
    async with admin.transaction():
        await admin.execute("set local enable_seqscan = off")
        await admin.execute("set local enable_bitmapscan = off")
        statement = f"explain (analyze, buffers, format json) {query.replace('$1', wanted)}"
        [plan] = json.loads(await admin.fetchval(statement))
    node: Mapping[str, int] = plan["Plan"]
    return node["Shared Hit Blocks"] + node["Shared Read Blocks"]
