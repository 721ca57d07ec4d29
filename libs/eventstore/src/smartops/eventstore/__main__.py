"""Administration: `python -m smartops.eventstore migrate|status|verify --dsn postgresql://…`.

The DSN may also come from DATABASE_URL. Exit status 1 means: something is wrong with the log.
"""

import argparse
import asyncio
import os
import sys

from smartops.eventstore.chain import Broken, Verifier
from smartops.eventstore.errors import StoreError
from smartops.eventstore.migrations import migrate, status
from smartops.eventstore.store import EventStore

__all__ = ["main"]

PAGE = 2_000
"""Rows verified per query."""


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m smartops.eventstore", description=__doc__)
    parser.add_argument("command", choices=["migrate", "status", "verify"])
    parser.add_argument("--dsn", default=os.environ.get("DATABASE_URL"))
    arguments = parser.parse_args(argv)
    if not arguments.dsn:
        parser.error("name the database: --dsn, or DATABASE_URL")
    run = {"migrate": _migrate, "status": _status, "verify": _verify}[arguments.command]
    try:
        return asyncio.run(run(arguments.dsn))
    except StoreError as error:
        sys.stderr.write(f"{error.code}: {error}\n")
        return 1


async def _migrate(dsn: str) -> int:
    for migration in await migrate(dsn):
        sys.stdout.write(f"applied {migration.source} {migration.file}\n")
    return 0


async def _status(dsn: str) -> int:
    state = await status(dsn)
    for row in state.applied:
        when = f"{row.applied_at:%Y-%m-%d %H:%M:%S}"
        sys.stdout.write(f"applied {row.source} {row.version:04}_{row.name} {when} {row.ms} ms\n")
    for migration in state.pending:
        sys.stdout.write(f"pending {migration.source} {migration.file}\n")
    return 0


async def _verify(dsn: str) -> int:
    store = await EventStore.connect(dsn)
    try:
        verifier = Verifier()
        broken = await _walk(store, verifier)
    finally:
        await store.close()
    if broken is not None:
        sys.stdout.write(f"broken at position {broken.position} ({broken.tenant}): {broken.why}\n")
        return 1
    for head in verifier.heads.values():
        sys.stdout.write(f"{head.tenant} {head.count} events, head {head.hash.hex()}\n")
    sys.stdout.write(f"sound up to position {verifier.position}\n")
    return 0


async def _walk(store: EventStore, verifier: Verifier) -> Broken | None:
    while rows := await store.read_log(verifier.position, PAGE):
        broken = verifier.feed(rows)
        if broken is not None:
            return broken
    return None


if __name__ == "__main__":
    sys.exit(main())
