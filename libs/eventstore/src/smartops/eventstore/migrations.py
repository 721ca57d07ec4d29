"""Numbered SQL files, each applied once, in order, and never changed afterwards."""

import hashlib
import re
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from importlib.resources.abc import Traversable

import asyncpg
from smartops.eventstore.errors import MigrationError

__all__ = [
    "EVENTSTORE",
    "AppliedMigration",
    "Migration",
    "MigrationSource",
    "MigrationStatus",
    "migrate",
    "status",
]

_FILE = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
_LOCK = 7883946363647713593
"""Session advisory lock of the runner: two runs follow each other."""


@dataclass(frozen=True, slots=True)
class MigrationSource:
    """A package's directory of files `NNNN_name.sql`, numbered from 1 without gaps."""

    name: str
    path: Traversable
    """A directory; `importlib.resources.files` or a `Path`."""

    def migrations(self) -> list["Migration"]:
        """The files, in order.

        Raises:
            MigrationError: A number is missing or used twice.
        """
        found: list[Migration] = []
        for entry in self.path.iterdir():
            match = _FILE.fullmatch(entry.name)
            if match is not None:
                sql = entry.read_bytes()
                found.append(Migration(self.name, int(match[1]), match[2], sql))
        found.sort(key=lambda migration: migration.version)
        for place, migration in enumerate(found, start=1):
            if migration.version != place:
                raise MigrationError(
                    f"{self.name}: expected number {place:04}, found {migration.file!r}; "
                    "number the files from 0001 without gaps"
                )
        return found


@dataclass(frozen=True, slots=True)
class Migration:
    """One file."""

    source: str
    version: int
    name: str
    sql: bytes

    @property
    def file(self) -> str:
        """Its file name."""
        return f"{self.version:04}_{self.name}.sql"

    @property
    def sha256(self) -> bytes:
        """Digest of its bytes."""
        return hashlib.sha256(self.sql).digest()


@dataclass(frozen=True, slots=True)
class AppliedMigration:
    """One row of smartops_log.migrations."""

    source: str
    version: int
    name: str
    sha256: bytes
    applied_at: datetime
    ms: int
    """How long it took, in milliseconds."""


@dataclass(frozen=True, slots=True)
class MigrationStatus:
    """What was applied, and what is still to be."""

    applied: Sequence[AppliedMigration]
    pending: Sequence[Migration]


EVENTSTORE = MigrationSource("eventstore", files("smartops.eventstore") / "sql")
"""The log's own files; they always come first."""


async def migrate(
    database: "str | asyncpg.Connection[asyncpg.Record]",
    sources: Sequence[MigrationSource] = (EVENTSTORE,),
) -> list[Migration]:
    """Bring the schema up to date; one transaction per file, as role smartops_owner.

    Safe to run from several processes at once: they take turns, and the later ones find nothing to
    do. Needs a superuser, or a role with CREATEROLE that owns the database.

    Args:
        database: A DSN, or a connection outside any transaction.
        sources: Whose files, in order of dependence.

    Returns:
        What was applied.

    Raises:
        MigrationError: A file of the past was changed or is missing. Nothing was applied.
    """
    async with _connection(database) as conn, _locked(conn):
        async with conn.transaction():
            await conn.execute((EVENTSTORE.path / "bootstrap.sql").read_text())
        state = await _status(conn, sources)
        for migration in state.pending:
            await _apply(conn, migration)
        return list(state.pending)


async def status(
    database: "str | asyncpg.Connection[asyncpg.Record]",
    sources: Sequence[MigrationSource] = (EVENTSTORE,),
) -> MigrationStatus:
    """Compare files and database; changes nothing.

    Raises:
        MigrationError: A file of the past was changed or is missing.
    """
    async with _connection(database) as conn:
        return await _status(conn, sources)


async def _status(
    conn: "asyncpg.Connection[asyncpg.Record]", sources: Sequence[MigrationSource]
) -> MigrationStatus:
    applied: list[AppliedMigration] = []
    pending: list[Migration] = []
    exists = await conn.fetchval("select to_regclass('smartops_log.migrations') is not null")
    for source in sources:
        rows = (
            await conn.fetch(
                "select source, version, name, sha256, applied_at, ms from smartops_log.migrations "
                "where source = $1 order by version",
                source.name,
            )
            if exists
            else []
        )
        past = [AppliedMigration(*row) for row in rows]
        at_hand = source.migrations()
        for row in past:
            _compare(row, at_hand)
        applied += past
        pending += at_hand[len(past) :]
    return MigrationStatus(applied, pending)


def _compare(row: AppliedMigration, at_hand: Sequence[Migration]) -> None:
    file = f"{row.version:04}_{row.name}.sql"
    if row.version > len(at_hand):
        raise MigrationError(
            f"{row.source}: {file} was applied at {row.applied_at:%Y-%m-%d %H:%M} but is missing "
            "here; run a release that has it"
        )
    migration = at_hand[row.version - 1]
    if (migration.name, migration.sha256) != (row.name, row.sha256):
        raise MigrationError(
            f"{row.source}: {migration.file} differs from what was applied as {file}; "
            "restore the file and write a new one instead"
        )


async def _apply(conn: "asyncpg.Connection[asyncpg.Record]", migration: Migration) -> None:
    started = time.monotonic()
    async with conn.transaction():
        await conn.execute("set local role smartops_owner")
        try:
            await conn.execute(migration.sql.decode())
        except asyncpg.PostgresError as error:
            raise MigrationError(f"{migration.source}: {migration.file} failed: {error}") from error
        await conn.execute("set local role smartops_owner")
        await conn.execute(
            "insert into smartops_log.migrations (source, version, name, sha256, ms) "
            "values ($1, $2, $3, $4, $5)",
            migration.source,
            migration.version,
            migration.name,
            migration.sha256,
            round((time.monotonic() - started) * 1000),
        )


@asynccontextmanager
async def _connection(
    database: "str | asyncpg.Connection[asyncpg.Record]",
) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
    if not isinstance(database, str):
        yield database
        return
    conn = await asyncpg.connect(database)
    try:
        yield conn
    finally:
        await conn.close()


@asynccontextmanager
async def _locked(conn: "asyncpg.Connection[asyncpg.Record]") -> AsyncIterator[None]:
    await conn.execute("select pg_advisory_lock($1)", _LOCK)
    try:
        yield
    finally:
        await conn.execute("select pg_advisory_unlock($1)", _LOCK)
