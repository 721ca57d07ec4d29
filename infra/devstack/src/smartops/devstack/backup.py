"""Taking a base backup of a running installation, and naming points to come back to."""

from __future__ import annotations

import asyncio
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
from smartops.devstack.archive import Archive, Base, Point
from smartops.devstack.cluster import (
    postgres_environment,
    postgres_programs,
)
from smartops.devstack.errors import BackupError
from smartops.devstack.manifest import check_copy
from smartops.devstack.process import ServiceProcess, describe_exit
from smartops.devstack.profiles import superuser_dsn

__all__ = ["back_up", "mark"]

ARCHIVE_PATIENCE = timedelta(minutes=5)
"""For the server to hand over a segment: 16 MB to be flushed, on a busy disk perhaps."""

_POLL_S = 0.05

APPEND_LOCK = 8317411231030800499
"""Held by every append to the end of its commit (ADR 2)."""

_POSITION = "select coalesce(max(position), 0) from smartops_log.events"
_STATE = f"""
select ({_POSITION}) as position,
       (select timeline_id from pg_control_checkpoint()) as timeline,
       pg_walfile_name(pg_switch_wal()) as segment, clock_timestamp() as now
"""  # noqa: S608 - made of constants.


async def back_up(home: Path) -> Base:
    """Copy the running cluster, checked against its manifest; archiving goes on from there.

    Raises:
        BackupError: it could not be copied, or the copy is not sound. Nothing of it is kept.
    """
    archive = Archive(home)
    dsn = superuser_dsn(home)
    connection = await _connect(dsn)
    try:
        if await connection.fetchval("show archive_mode") != "on":
            raise BackupError(
                "the database was started without an archive", "Restart it: `smartops up`."
            )
        archive.begin()
        name = f"base-{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}"
        draft = archive.root / f".{name}"
        try:
            await _run(
                archive,
                "pg_basebackup",
                *("--pgdata", str(draft), "--dbname", dsn, "--no-password", "--label", name),
                *("--wal-method=stream", "--checkpoint=fast", "--manifest-checksums=SHA256"),
            )
            await asyncio.to_thread(check_copy, draft)
            draft.rename(archive.root / name)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        # Asked for after the copy: from any position behind it there is nothing left to copy. The
        # point gives the segment a record of its own: an empty one is not completed by a switch.
        await connection.execute("select pg_create_restore_point($1)", name)
        state = await connection.fetchrow(_STATE)
        heads = await connection.fetch("select tenant, hash from smartops_log.heads")
        if state is None:
            raise BackupError("the log does not answer", "Look at postgres.log.")
        base = Base(
            name,
            state["now"].isoformat(),
            state["position"],
            {tenant: bytes(head).hex() for tenant, head in heads},
            state["timeline"],
        )
        await _archived(connection, archive.wal / state["segment"])
        archive.keep_base(base)
    finally:
        await connection.close()
    return base


async def mark(home: Path, name: str) -> Point:
    """Give this moment a name, to which can be restored for as long as the archive is kept.

    Raises:
        BackupError: there is no backup yet, or the name was given before.
    """
    archive = Archive(home)
    if not archive.bases():
        raise BackupError("there is no backup yet", "Take one first: `smartops backup`.")
    if any(point.name == name for point in archive.points()):
        raise BackupError(f"a point is called {name!r} already", "Choose another name.")
    connection = await _connect(superuser_dsn(home))
    try:
        async with connection.transaction():
            # Between the point and the look at the log nobody may append: the position would be
            # one that the point does not have.
            await connection.execute("select pg_advisory_xact_lock($1)", APPEND_LOCK)
            await connection.execute("select pg_create_restore_point($1)", name)
            position = await connection.fetchval(_POSITION)
        state = await connection.fetchrow(_STATE)
        if state is None:
            raise BackupError("the log does not answer", "Look at postgres.log.")
        point = Point(name, state["now"].isoformat(), position, state["timeline"])
        await _archived(connection, archive.wal / state["segment"])
    finally:
        await connection.close()
    archive.keep_point(point)
    return point


async def _connect(dsn: str) -> asyncpg.Connection:
    try:
        return await asyncpg.connect(dsn)
    except (OSError, asyncpg.PostgresError) as error:
        raise BackupError(
            f"the database does not answer ({error})", "Start the installation: `smartops up`."
        ) from error


async def _archived(connection: asyncpg.Connection, segment: Path) -> None:
    """Wait until the server has handed this segment over: without it a backup is worth little."""
    try:
        async with asyncio.timeout(ARCHIVE_PATIENCE.total_seconds()):
            while not await asyncio.to_thread(segment.exists):  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(_POLL_S)
    except TimeoutError:
        failed = await connection.fetchval("select last_failed_wal from pg_stat_archiver")
        raise BackupError(
            f"the server does not archive its log (segment {segment.name}, last failure: {failed})",
            "Look at postgres.log, and for room on the archive's disk.",
        ) from None


async def _run(archive: Archive, program: str, *arguments: str) -> None:
    log = archive.root / "backup.log"
    process = ServiceProcess(
        program, [postgres_programs() / program, *arguments], postgres_environment(), log
    )
    await process.start()
    try:
        code = await process.wait()
    finally:
        await asyncio.shield(process.kill())
    if code != 0:
        raise BackupError(
            f"{program} {describe_exit(code)}", f"{log} says why.\n{process.log_tail()}"
        )
