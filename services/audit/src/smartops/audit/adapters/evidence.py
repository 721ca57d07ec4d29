"""What the full check reads, with the rights of whoever asks: SELECT and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from smartops.audit.adapters.tables import Connection
from smartops.eventstore.rows import StoredRow

__all__ = ["CHUNK", "Evidence", "NamedHead"]

CHUNK = 2_000
"""Rows per query: each has a snapshot of its own, so a long check holds no vacuum back."""

_LOG_ROWS = """
select position, tenant, ordinal, stream, version, event_id, topic, task, cause, party, state, hash,
       recorded_at
  from smartops_log.events
 where position > $1 and position <= $2 and ($4::text is null or tenant = $4)
 order by position limit $3
"""
# The last position and the heads are of one moment, or a head could be ahead of it.
_LOG_HEADS = """
select e.upto, h.tenant, h.position, h.hash
  from (select coalesce(max(position), 0) as upto from smartops_log.events) e
  left join smartops_log.heads h on $1::text is null or h.tenant = $1
"""
_LOG_DAMAGED = """
select tenant, encode(digest, 'hex') from smartops_log.blobs
 where digest <> sha256(content) and ($1::text is null or tenant = $1)
"""
_LOG_MISSING = """
select k.tenant, encode(k.digest, 'hex') from unnest($1::text[], $2::bytea[]) as k(tenant, digest)
 where not exists (select from smartops_log.blobs b
                    where b.tenant = k.tenant and b.digest = k.digest)
"""
# The views show neither ordinal nor party; the chain covers the order, the bytes hold the party.
_VIEW_ROWS = """
select position, tenant, 0::bigint, stream, version, event_id, topic, task, cause, '-', state, hash,
       recorded_at
  from smartops.v_events
 where position > $1 and position <= $2 and tenant = $4
 order by position limit $3
"""
_VIEW_HEADS = """
select e.upto, h.tenant, h.head_position, h.head_hash
  from (select coalesce(max(position), 0) as upto from smartops.v_events) e
  left join smartops.v_tenants h on h.tenant = $1
"""
_VIEW_MISSING = """
select tenant, substr(document_digest, 8) from smartops.v_plans where document is null
union
select tenant, substr(assessment_hash, 8) from smartops.v_plans
 where assessment_hash is not null and assessment is null
"""


class NamedHead(NamedTuple):
    """A head as the database names it."""

    tenant: str
    position: int
    hash: bytes


class Evidence:
    """The log through one connection: of all tenants, or of the one that may be seen."""

    def __init__(self, conn: Connection, tenant: str | None, *, is_log: bool) -> None:
        self.tenant = tenant
        """The only tenant looked at; None: all of them."""
        self.is_log = is_log
        """The log itself, with ordinals and parties; else the reader's views."""
        self._conn = conn

    @classmethod
    async def open(cls, conn: Connection, tenant: str | None) -> Evidence:
        """Find out what this connection may read."""
        # Asked for the schema: without USAGE the log's tables cannot even be named.
        if await conn.fetchval("select has_schema_privilege('smartops_log', 'usage')"):
            return cls(conn, tenant, is_log=True)
        own: str = await conn.fetchval("select smartops.current_tenant()")
        return cls(conn, tenant or own, is_log=False)

    async def heads(self) -> tuple[int, list[NamedHead]]:
        """The last position, and the heads at that moment."""
        found = await self._conn.fetch(_LOG_HEADS if self.is_log else _VIEW_HEADS, self.tenant)
        heads = [NamedHead(*row[1:]) for row in found if row[1] is not None]
        upto: int = found[0][0]
        return upto, heads

    async def rows(self, after: int, upto: int) -> list[StoredRow]:
        """Some rows behind a position, oldest first; none: there are no more."""
        sql = _LOG_ROWS if self.is_log else _VIEW_ROWS
        found = await self._conn.fetch(sql, after, upto, CHUNK, self.tenant)
        return [StoredRow._make(row) for row in found]

    async def damaged_blobs(self) -> list[tuple[str, str]]:
        """Blobs with other bytes than their digest says: (tenant, hex digest)."""
        if not self.is_log:
            return []  # A reader sees blobs by way of plans only; see `missing_blobs`.
        return [(row[0], row[1]) for row in await self._conn.fetch(_LOG_DAMAGED, self.tenant)]

    async def missing_blobs(self, named: Sequence[tuple[str, bytes]]) -> list[tuple[str, str]]:
        """Blobs that events name and nobody holds: (tenant, hex digest)."""
        if self.is_log:
            found = await self._conn.fetch(
                _LOG_MISSING, [tenant for tenant, _ in named], [digest for _, digest in named]
            )
        else:
            found = await self._conn.fetch(_VIEW_MISSING)
        return [(row[0], row[1]) for row in found]
