"""A cluster brought from a backup and archived segments to a point, aside from the living one."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
from smartops.devstack.archive import Archive, Base
from smartops.devstack.errors import BackupError, ServerStartError
from smartops.devstack.servers import PostgresServer

__all__ = ["recovered"]

_SEGMENT = "[0-9A-F]" * 24
_HISTORY = "*.history"


@asynccontextmanager
async def recovered(
    home: Path, base: Base, target: Mapping[str, str], into: Path
) -> AsyncIterator[PostgresServer]:
    """A server on a recovered copy, open for writes; stopped, and whole on disk, afterwards.

    It archives nothing: only what takes the living cluster's place may leave a line of history.

    Args:
        home: the installation; its cluster must not run.
        base: where recovery begins.
        target: server settings that say where it ends; none: with the last segment there is.
        into: the copy's directory; replaced if it is there.

    Raises:
        BackupError: the point is not within what was archived.
    """
    archive = Archive(home)
    tail = into.with_name(into.name + ".tail")
    for left in (into, tail):
        await asyncio.to_thread(shutil.rmtree, left, ignore_errors=True)
    await asyncio.to_thread(_lay_out, archive.root / base.name, home / "postgres", into, tail)
    # Not open to anybody before the end is reached: a log that is read on the way is cut short.
    settings = {**archive.restore_settings(tail), **target, "hot_standby": "off"}
    if target:
        settings["recovery_target_action"] = "promote"
    server = PostgresServer(into, settings=settings)
    try:
        await server.start()
    except (ServerStartError, asyncpg.PostgresError) as error:
        raise BackupError(
            "the copy did not come to the point asked for",
            f"Is it between the backup and the archive's end? See {server.log_path}.\n{error}",
        ) from error
    try:
        yield server
    finally:
        await server.stop()
        await asyncio.to_thread(shutil.rmtree, tail, ignore_errors=True)


def _lay_out(base: Path, old: Path, into: Path, tail: Path) -> None:
    """The copy; and the segments that the living cluster may not have handed over yet."""
    shutil.copytree(base, into)
    (into / "recovery.signal").touch(mode=0o600)
    tail.mkdir(mode=0o755)
    for pattern in (_SEGMENT, _HISTORY):
        for segment in (old / "pg_wal").glob(pattern):
            shutil.copy2(segment, tail / segment.name)
