"""The read models made anew from the log, beside those that people look at, then in their place.

Whoever projects goes on doing so meanwhile; so does everybody who looks. What is interrupted leaves
nothing but tables that the next rebuild removes.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from datetime import timedelta

import asyncpg
from smartops.audit.adapters.connecting import close, connect
from smartops.audit.adapters.log import last_position, read_after
from smartops.audit.adapters.tables import Connection, Tables
from smartops.audit.checksum import PATIENCE
from smartops.audit.errors import ReadersInTheWay, RebuildUnderWay
from smartops.audit.projector import Projector
from smartops.audit.read_models import ALL
from smartops.audit.replay import replay
from smartops.eventstore.faults import AWAY

__all__ = ["NAMES", "REBUILD_LOCK", "Progress", "replace"]

NEXT = "smartops_next"
"""The schema in which the next generation is built."""

NAMES = ("progress", *(model.name for model in ALL))
"""All tables of a generation; progress first, as whoever projects locks it first."""

REBUILD_LOCK = 5216902748839463218
"""Session advisory lock of the one rebuild: gone with the session, also if that is killed."""

BATCH = 2_000
CLOSE = 500
"""Events behind the log's end from which the rest is caught up with after the last long step."""

SWITCH_PATIENCE = timedelta(minutes=10)
"""How long to wait for a moment in which nobody holds on to the old rows."""

HELD_S = 2.0
"""For so long at most a try to switch holds up whoever projects; readers for a tenth of that."""

_LOOK_S = 0.005
_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 1.0

_IN_USE = """
select exists (select from pg_stat_activity a
                where a.datname = current_database() and a.usesysid is not null
                  and a.usename <> current_user
                  and age(a.backend_xmin) >= age((select p.xmin from smartops_next.progress p)))
"""
"""Whether somebody's snapshot may be older than the new rows. Vacuum workers have no user; audit's
own sessions are those that project: they wait for us, and look at nothing."""

Progress = Callable[[int, int], None]
"""Told how far it has come, and where the log ended when that was last looked at."""


async def replace(
    dsn: str, tell: Progress | None = None, *, patience: timedelta = SWITCH_PATIENCE
) -> int:
    """Build the read models anew from position 1, catch up, and let them take their place.

    The log may grow and somebody may project meanwhile. Readers see the old rows until one commit,
    from which on they see the new ones, which are at least as far.

    Args:
        dsn: as smartops_audit.
        tell: see `Progress`.
        patience: for the switch, once all is built.

    Returns:
        The position of the new read models when they took their place.

    Raises:
        RebuildUnderWay: another session does this already.
        ReadersInTheWay: the old rows were never let go of. As in all other cases, they stay.
        LogTampered: the log is not what was appended.
        NewerEvent: it holds events of a newer release.
        UnreadableEvent: an event does not fit its contract.
    """
    conn = await connect(dsn)
    try:
        if not await conn.fetchval("select pg_try_advisory_lock($1)", REBUILD_LOCK):
            raise RebuildUnderWay
        try:
            await conn.execute("select smartops.begin_generation($1)", NAMES)
            await _build(conn, tell)
            await conn.execute("select smartops.keep_generation($1)", NAMES, timeout=PATIENCE)
            return await _switch(conn, dsn, patience.total_seconds())
        except BaseException:
            # As tidy as can be; what stays behind is removed by the next rebuild.
            with contextlib.suppress(*AWAY):
                await asyncio.shield(conn.execute("select smartops.drop_generation()"))
            raise
    finally:
        await close(conn)


async def _build(conn: Connection, tell: Progress | None) -> None:
    """Fold nearly all there is. Each round leaves what came during the last one: ever less."""
    position = 0
    while (end := await last_position(conn)) - position > (CLOSE if position else 0):

        def told(position: int, end: int = end) -> None:
            if tell is not None:
                tell(position, end)

        position = (await replay(conn, Tables(conn, NEXT), end, told)).position


async def _switch(conn: Connection, dsn: str, patience: float) -> int:
    """Try again and again to find a moment in which nobody holds on to the old rows."""
    projector = await Projector.open(Tables(conn, NEXT))
    began, pause = time.monotonic(), _PAUSE_S
    switcher = await connect(dsn)
    try:
        while True:
            with contextlib.suppress(asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
                if await _try_to_switch(conn, switcher, projector):
                    return projector.place.position
            if time.monotonic() - began > patience:
                raise ReadersInTheWay(patience)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)
    finally:
        await close(switcher)


async def _try_to_switch(conn: Connection, switcher: Connection, projector: Projector) -> bool:
    """Hold the old rows where they are, catch up with them, and switch; false if that must wait.

    1. The old place is held, so that nothing is projected. Readers are not concerned.
    2. The new rows come at least as far: nobody shall see a task go backwards.
    3. Every snapshot from before that is waited for. Those that follow see all of the new rows.
    4. The switch, in the transaction that holds the old place.
    """
    async with switcher.transaction():
        # The old rows are dropped in this commit: it must not be lost.
        await switcher.execute("set local synchronous_commit = on")
        await switcher.execute(f"set local lock_timeout = '{HELD_S:g}s'")
        await switcher.execute("lock table smartops.progress in exclusive mode")
        while rows := await read_after(conn, projector.place, BATCH):
            await projector.project(rows)
            if len(rows) < BATCH:
                break
        held_until = time.monotonic() + HELD_S
        while await conn.fetchval(_IN_USE):
            if time.monotonic() > held_until:
                return False
            await asyncio.sleep(_LOOK_S)
        await switcher.execute("select smartops.switch_generation($1)", NAMES)
    return True
