"""The least that a durable commit costs here: what the disk and the bare database do."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from pathlib import Path

import asyncpg
from smartops.audit.adapters.tables import Connection

from benchmarks.lib.figures import percentile

__all__ = ["bare_commits", "commits_under_lock", "fsyncs_per_s", "slow_commits"]

PAGE = 8192
_TABLE = "create table if not exists public.floor (n bigint)"
_LOCKED = """
create or replace function public.floor_under_lock() returns void language plpgsql as $$
begin
    perform pg_advisory_xact_lock(1);
    insert into public.floor values (1);
end $$
"""


def fsyncs_per_s(home: Path, seconds: float = 1.0) -> float:
    """Writes of one page over the same place, each flushed by fdatasync, by one thread."""
    with tempfile.NamedTemporaryFile(dir=home) as file:
        os.write(file.fileno(), bytes(16 * PAGE))
        os.fsync(file.fileno())
        count, began = 0, time.perf_counter()
        while (now := time.perf_counter()) - began < seconds:
            os.pwrite(file.fileno(), bytes([count % 256]) * PAGE, 0)
            os.fdatasync(file.fileno())
            count += 1
    return count / (now - began)


async def slow_commits(admin: Connection, ms: float) -> None:
    """Let every flush of a commit wait for so long first, while the backend holds all its locks.

    `commit_delay` is slept in the flush, by the committing backend, before it lets go of anything:
    where a slow disk would be waited for. With `commit_siblings` above 0 it would almost never be:
    that counts other open transactions which wait for no lock, and writers that queue for the
    append's lock do. So it is 0. A trigger with pg_sleep would lie before the flush, be called
    for each row, and cost CPU of its own.
    """
    await admin.execute("alter system set commit_siblings = 0")
    await admin.execute(f"alter system set commit_delay = {round(ms * 1000)}")
    await admin.execute("select pg_reload_conf()")
    # Backends take it before their next statement; ours tells that the signal is out.
    while await admin.fetchval("show commit_delay") != str(round(ms * 1000)):  # noqa: ASYNC110 - the server's signals cannot be awaited.
        await asyncio.sleep(0.01)


async def bare_commits(dsn: str, seconds: float = 1.0) -> tuple[float, float]:
    """One-row inserts of one connection, each committed: how many per second, and the median ms."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(_TABLE)
        statement = await connection.prepare("insert into public.floor values ($1)")
        took: list[float] = []
        began = time.perf_counter()
        while (start := time.perf_counter()) - began < seconds:
            await statement.fetch(len(took))
            took.append(time.perf_counter() - start)
        middle = percentile(took, 0.5)
        assert middle is not None
        return len(took) / (time.perf_counter() - began), middle * 1000
    finally:
        await connection.close()


async def commits_under_lock(dsn: str, connections: int, seconds: float = 1.0) -> float:
    """The same under one advisory lock, by several connections: all of them, per second.

    With a delay that is slept under the lock, two do no more than one.
    """
    opened = [await asyncpg.connect(dsn) for _ in range(connections)]
    try:
        await opened[0].execute(_TABLE)
        await opened[0].execute(_LOCKED)
        end = time.perf_counter() + seconds

        async def insert(connection: Connection) -> int:
            count = 0
            while time.perf_counter() < end:
                await connection.execute("select public.floor_under_lock()")
                count += 1
            return count

        return sum(await asyncio.gather(*(insert(each) for each in opened))) / seconds
    finally:
        for connection in opened:
            await connection.close()
