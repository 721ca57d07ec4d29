"""An installation brought back to an earlier point, with an empty bus.

What was decided after the point is not in the log any more. Outsiders have heard of it, and tools
may have been called: the outside may be ahead. So nothing is thrown away, and all that is given up
is told.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
from smartops.devstack.archive import Archive, Base
from smartops.devstack.discarded import Discarded, read_discarded
from smartops.devstack.erasures import erase_again, erasures
from smartops.devstack.errors import BackupError
from smartops.devstack.files import write_private
from smartops.devstack.locking import DirectoryInUseError, directory_lock
from smartops.devstack.profiles import is_up
from smartops.devstack.recovering import recovered
from smartops.devstack.secrets import Credentials
from smartops.devstack.servers import PostgresServer
from smartops.eventstore import LOGIN_ROLES
from smartops.eventstore.roles import set_role_passwords

__all__ = ["Restored", "restore"]

LATEST = "latest"


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore came to.

    Attributes:
        to: as asked for.
        at: ISO time of the restore.
        position: the log's last position now.
        base: the backup it began from.
        kept_in: where the replaced cluster and bus are.
        anchors: what audit says of the anchored heads.
        discarded: what the log held beyond.
        erased_again: values of the vault that had been erased since, and are gone again.
    """

    to: str
    at: str
    position: int
    base: str
    kept_in: str
    anchors: Mapping[str, object]
    discarded: Discarded
    erased_again: int


@dataclass(frozen=True, slots=True)
class _Target:
    """Where to stop: settings for the server, and the position that this must come to."""

    settings: Mapping[str, str]
    position: int
    base: Base


async def restore(home: Path, to: str, by: str) -> Restored:
    """Bring a stopped installation back to a point.

    Args:
        home: the installation.
        to: `latest`, a position of the log, an ISO time, or a point's name.
        by: who does it; goes on record among the anchors.

    Raises:
        BackupError: nothing was changed, and why.
    """
    if is_up(home):
        raise BackupError("the installation is up", "Stop it first: Ctrl-C, or its supervisor.")
    archive = Archive(home)
    if not archive.bases():
        raise BackupError("there is no backup", "`smartops backup` takes one, while it is up.")
    try:
        async with directory_lock(home / "postgres", timedelta(0)):
            return await _restore(home, archive, to, by)
    except DirectoryInUseError:
        raise BackupError(
            "processes of its database still run", "Stop the installation first."
        ) from None


async def _restore(home: Path, archive: Archive, to: str, by: str) -> Restored:
    staging = archive.root.parent / "restoring" / "postgres"
    # First all there is: only the log itself knows which commit ends at a position, and what is
    # given up with the rest.
    async with recovered(home, archive.bases()[-1], {}, staging) as whole:
        target = await _target(whole, archive, to)
        discarded = await read_discarded(whole.dsn(), target.position)
        erased = await erasures(whole.dsn())
    async with recovered(home, target.base, target.settings, staging) as server:
        position = await _position(server)
        if position != target.position:
            raise BackupError(
                f"recovery came to position {position}, not to {target.position}",
                "Nothing was changed; take another point.",
            )
        anchors = await _note_anchors(home, server, by)
        erased_again = await erase_again(server.dsn(), erased)
    now = datetime.now(UTC)
    kept = home / f"replaced-{now:%Y%m%dT%H%M%SZ}"
    _swap(home, archive, staging, kept)
    told = Restored(
        to,
        now.isoformat(),
        position,
        target.base.name,
        str(kept),
        anchors,
        discarded,
        erased_again,
    )
    write_private(kept / "restored.json", json.dumps(asdict(told), indent=2, default=str) + "\n")
    return told


async def _target(whole: PostgresServer, archive: Archive, to: str) -> _Target:
    """Translate what was asked for into what the server understands."""
    last = await _position(whole)
    bases = archive.bases()
    for point in archive.points():
        if point.name == to:
            before = [base for base in bases if base.at <= point.at]
            return _Target({"recovery_target_name": to}, point.position, before[-1])
    connection = await asyncpg.connect(whole.dsn())
    try:
        if to == LATEST:
            return _Target({}, last, bases[-1])
        position = await _asked_position(connection, to)
        if position >= last:
            return _Target({}, last, bases[-1])
        # The append holds one lock to the end of its commit, so commits follow each other in the
        # order of positions, and the first one that is not wanted ends the log before it.
        end = await connection.fetchrow(
            "select max(position) as position, xmin::text as id from smartops_log.events "
            "where xmin = (select xmin from smartops_log.events where position = $1) group by xmin",
            position,
        )
    finally:
        await connection.close()
    if end is None:
        raise BackupError(f"the log has no position {position}", "Name one that it has.")
    if end["position"] != position:
        raise BackupError(
            f"position {position} was committed together with {end['position']}",
            f"Name that one: `--to {end['position']}`.",
        )
    before = [base for base in bases if base.position < position]
    if not before:
        raise BackupError(
            f"position {position} is not after the first backup, which holds {bases[0].position}",
            "Name a later one.",
        )
    return _Target({"recovery_target_xid": end["id"]}, position, before[-1])


async def _asked_position(connection: asyncpg.Connection, to: str) -> int:
    if to.isdigit():
        return int(to)
    try:
        moment = datetime.fromisoformat(to)
    except ValueError:
        raise BackupError(
            f"{to!r} is no point, position or time",
            "Name one of the points in backups/points.jsonl, a position of the log, an ISO time "
            "with its zone, or latest.",
        ) from None
    if moment.tzinfo is None:
        raise BackupError(f"{to!r} has no time zone", "Add one: 2026-03-01T12:00:00+00:00.")
    found: int = await connection.fetchval(
        # The last commit of that time, whole.
        "select coalesce(max(position), 0) from smartops_log.events where recorded_at <= $1",
        moment,
    )
    return found


async def _position(server: PostgresServer) -> int:
    connection = await asyncpg.connect(server.dsn())
    try:
        found: int = await connection.fetchval(
            "select coalesce(max(position), 0) from smartops_log.events"
        )
    finally:
        await connection.close()
    return found


async def _note_anchors(home: Path, server: PostgresServer, by: str) -> Mapping[str, object]:
    """Have audit verify what is left, and void the anchors beyond it.

    Raises:
        BackupError: what is left is not what was anchored.
    """
    passwords = Credentials(home).passwords(LOGIN_ROLES)
    connection = await asyncpg.connect(server.dsn())
    try:
        await set_role_passwords(connection, passwords)
    finally:
        await connection.close()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "smartops.audit", "rewound", "--by", by),
        env={
            "PATH": os.environ.get("PATH", os.defpath),
            "DATABASE_URL": server.dsn("smartops_audit", passwords["smartops_audit"]),
            "NATS_URL": "nats://127.0.0.1",
            "SMARTOPS_ANCHORS_DIR": str(home / "anchors"),
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    if process.returncode != 0:
        raise BackupError(
            "the restored log is not what was anchored",
            f"Keep everything as it is, and look:\n{(out + err).decode(errors='replace')}",
        )
    told: dict[str, object] = json.loads(out)
    return told


def _swap(home: Path, archive: Archive, staging: Path, kept: Path) -> None:
    """Put the restored cluster in place and the bus aside.

    The bus first: an installation without a bus fills it again, one whose bus is ahead of its log
    tells outsiders two stories.
    """
    kept.mkdir(mode=0o700)
    for name in ("nats", "postgres"):
        if (home / name).exists():
            (home / name).rename(kept / name)
    for history in (staging / "pg_wal").glob("*.history"):
        # Without it, a later recovery would not find from one line of history to the next.
        shutil.copy2(history, archive.wal / history.name)
    staging.rename(home / "postgres")
    shutil.rmtree(staging.parent, ignore_errors=True)
