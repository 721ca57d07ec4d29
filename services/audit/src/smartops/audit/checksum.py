"""Canonical checksums of the read models: two sets of tables are equal if these are."""

from __future__ import annotations

import hashlib

from smartops.audit.adapters.tables import SCHEMA, Connection
from smartops.audit.read_models import ALL
from smartops.audit.read_models.model import ReadModel

__all__ = ["PATIENCE", "checksum"]

PATIENCE = 86_400.0
"""Seconds for a statement over a whole table, instead of the session's limit for a batch."""

_SETTINGS = (
    "set local timezone to 'UTC'",
    "set local datestyle to 'ISO'",
    "set local extra_float_digits to 1",
    "set local bytea_output to 'hex'",
)
"""What decides how values read as text."""


async def checksum(conn: Connection, schema: str = SCHEMA) -> dict[str, str]:
    """SHA-256, as hex, of each table's rows as text in the order of their keys.

    Independent of insertion order, physical layout and session. All times in the tables come from
    the log, so a replay gives the same sums. Streams the rows: tables of any size will do.

    Args:
        conn: as smartops_audit, or a superuser. Sees one moment of all tables.
        schema: of the tables.

    Returns:
        Table name to sum.
    """
    sums = {}
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        for setting in _SETTINGS:
            await conn.execute(setting)
        for model in ALL:
            sums[model.name] = await _sum(conn, model, schema)
    return sums


async def _sum(conn: Connection, model: ReadModel[tuple[object, ...]], schema: str) -> str:
    hashed = hashlib.sha256()

    async def take(chunk: bytes) -> None:
        hashed.update(chunk)

    await conn.copy_from_query(
        f"select {', '.join(model.columns)} from {schema}.{model.name} "  # noqa: S608 - constants
        f"order by {', '.join(model.key)}",
        output=take,
        timeout=PATIENCE,
    )
    return hashed.hexdigest()
