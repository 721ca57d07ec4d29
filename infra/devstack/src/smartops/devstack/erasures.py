"""What was erased stays erased, also where an installation goes back to a point before that."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

__all__ = ["Erasure", "erase_again", "erasures"]

Erasure = tuple[str, UUID, str, datetime]
"""Tenant, task, token, when: what the vault keeps of an erased value."""


async def erasures(dsn: str) -> Sequence[Erasure]:
    """All that were erased, as the newest state of a database knows."""
    connection = await asyncpg.connect(dsn)
    try:
        if await connection.fetchval("select to_regclass('smartops_vault.entries')") is None:
            return ()  # Of a release before there was a vault.
        rows = await connection.fetch(
            "select tenant, task, token, erased_at from smartops_vault.entries"
            " where erased_at is not null"
        )
    finally:
        await connection.close()
    return [tuple(row) for row in rows]


async def erase_again(dsn: str, erased: Sequence[Erasure]) -> int:
    """Delete those of them that an older state has; returns how many it had."""
    if not erased:
        return 0
    connection = await asyncpg.connect(dsn)
    try:
        if await connection.fetchval("select to_regclass('smartops_vault.entries')") is None:
            return 0
        rows = await connection.fetch(
            "update smartops_vault.entries x set sealed = null, key_id = null, erased_at = q.at"
            " from unnest($1::text[], $2::uuid[], $3::text[], $4::timestamptz[])"
            " as q(tenant, task, token, at) where x.sealed is not null"
            " and (x.tenant, x.task, x.token) = (q.tenant, q.task, q.token) returning 1",
            *(list(column) for column in zip(*erased, strict=True)),
        )
        await connection.execute("delete from smartops_vault.answers")
    finally:
        await connection.close()
    return len(rows)
