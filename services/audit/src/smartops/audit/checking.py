"""The read models compared with what a replay of the log makes."""

from __future__ import annotations

from dataclasses import dataclass

from smartops.audit.adapters.tables import SCHEMA, Connection, Tables
from smartops.audit.checksum import checksum
from smartops.audit.rebuild import NAMES
from smartops.audit.replay import replay

__all__ = ["RebuildReport", "check", "rebuild_into_scratch"]

SCRATCH = "pg_temp"
"""Temporary tables: private to the session, gone with it, and no DDL right is needed."""

SCRATCH_BUFFERS = "64MB"
"""Memory that the session may take for them, as it fills; by default an eighth of that."""


@dataclass(frozen=True, slots=True)
class RebuildReport:
    """Read models against a fresh replay of the log up to the same position."""

    position: int
    live: dict[str, str]
    scratch: dict[str, str]

    @property
    def different(self) -> tuple[str, ...]:
        """Tables that a replay does not bring back as they are."""
        return tuple(name for name in self.live if self.live[name] != self.scratch[name])

    @property
    def ok(self) -> bool:
        """All are equal."""
        return not self.different


async def rebuild_into_scratch(conn: Connection, upto: int | None = None) -> dict[str, str]:
    """Replay the log from its first event into fresh scratch tables; returns their checksums.

    The chain is verified on the way. The tables live until the session ends or the next call.

    Args:
        conn: as smartops_audit, from `connect`; not the one that projects.
        upto: the last position to fold; None: all there is.

    Raises:
        LogTampered: the log is not what was appended.
        NewerEvent: it holds events of a newer release.
    """
    await _fill_scratch(conn, upto)
    return await checksum(conn, SCRATCH)


async def check(conn: Connection) -> RebuildReport:
    """Compare the read models with a replay up to where they stand; projecting may go on."""
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        place = await Tables(conn).place()
        live = await checksum(conn)
    position = 0 if place is None else place.position
    return RebuildReport(position, live, await rebuild_into_scratch(conn, position))


async def _fill_scratch(conn: Connection, upto: int | None = None) -> int:
    await conn.execute(f"set temp_buffers = '{SCRATCH_BUFFERS}'")
    for name in NAMES:
        await conn.execute(f"drop table if exists {SCRATCH}.{name}")
        await conn.execute(
            f"create temporary table {name} (like {SCHEMA}.{name} including defaults "
            "including constraints including indexes)"
        )
    return (await replay(conn, Tables(conn, SCRATCH), upto)).position
