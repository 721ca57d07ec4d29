"""The servers of a stack on disks of their own."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from smartops.devstack.servers import PostgresServer

from benchmarks.lib.loop_disk import LoopDisk

__all__ = ["BUS", "DATA", "WAL", "server_disks"]

DATA: Final = "data"
"""PostgreSQL's data directory."""
WAL: Final = "wal"
"""Its write-ahead log, which lies with the data if this disk is not asked for."""
BUS: Final = "bus"
"""The store of nats-server."""

_PLACES: Final = {DATA: "postgres", WAL: "postgres/pg_wal", BUS: "nats"}


@asynccontextmanager
async def server_disks(home: Path, sizes: Mapping[str, int]) -> AsyncIterator[dict[str, LoopDisk]]:
    """Disks under the directories of a home in which no stack has run yet.

    Args:
        home: the stack's future home, which is there, on a real disk.
        sizes: in bytes, by DATA, WAL and BUS; what is not named stays where it is.
    """
    # A mount point cannot be renamed, so the cluster is made first and carried over, as an
    # operator would do who moves a database to another disk.
    server = PostgresServer(home / _PLACES[DATA], log_path=home / "postgres.log")
    await server.start()
    await server.stop()
    disks: dict[str, LoopDisk] = {}
    async with AsyncExitStack() as open_disks:
        for name in (DATA, WAL, BUS):
            if name not in sizes:
                continue
            place = home / _PLACES[name]
            moved = place.with_name(place.name + ".moved")
            if place.exists():
                place.rename(moved)
            place.mkdir()
            image = home / f"{name}.image"
            disk = open_disks.enter_context(LoopDisk.made(image, place, sizes[name]))
            if moved.exists():
                _carry_over(moved, place)
            disk.flush()
            disks[name] = disk
        yield disks


def _carry_over(old: Path, place: Path) -> None:
    shutil.copytree(old, place, symlinks=True, dirs_exist_ok=True)
    place.chmod(old.stat().st_mode & 0o7777)
    # Files get their owner anew at the server's next start, which sees that the top has another.
    shutil.rmtree(old)
