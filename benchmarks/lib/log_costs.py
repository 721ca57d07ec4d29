"""What work cost the log: group commits, events and WAL between two moments."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import asyncpg
from smartops.devstack.stack import Stack

__all__ = ["LogCosts", "Mark", "costs_since", "mark"]

# All rows that one append statement stores carry the same time, read under the lock that all
# appends take: so distinct times count the group commits, exactly.
_COSTS = """
select (select count(distinct recorded_at) from (
            select recorded_at from smartops_log.events where position > $1
            union all
            select recorded_at from smartops_log.inbox where recorded_at > $2) as stored),
       (select count(*) from smartops_log.events where position > $1),
       (select count(*) from smartops_log.inbox where recorded_at > $2),
       pg_wal_lsn_diff(pg_current_wal_lsn(), $3::text::pg_lsn)
"""

_MARK = """
select coalesce(max(position), 0), clock_timestamp(), pg_current_wal_lsn()::text
  from smartops_log.events
"""


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment in the log."""

    position: int
    at: datetime
    lsn: str


@dataclass(frozen=True, slots=True)
class LogCosts:
    """Totals."""

    commits: int
    """Group commits that stored anything: each is one flush to disk."""
    events: int
    triggers: int
    """Inbox rows: messages, commands and timers decided on."""
    wal_bytes: int


async def mark(stack: Stack) -> Mark:
    """This moment."""
    connection = await asyncpg.connect(stack.postgres.dsn())
    try:
        [row] = await connection.fetch(_MARK)
        return Mark(*row)
    finally:
        await connection.close()


async def costs_since(stack: Stack, begin: Mark) -> LogCosts:
    """What was stored since a mark."""
    connection = await asyncpg.connect(stack.postgres.dsn())
    try:
        [row] = await connection.fetch(_COSTS, begin.position, begin.at, begin.lsn)
        return LogCosts(row[0], row[1], row[2], int(row[3]))
    finally:
        await connection.close()
