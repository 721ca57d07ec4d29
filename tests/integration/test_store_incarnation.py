"""Whether a process that may still send lives, as the database tells."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import asyncpg
import pytest
from smartops.eventstore import SERVICE_ROLES, EventStore, StoreClosed, incarnation
from support.store import PASSWORD, LogDatabase

pytest_plugins = ["support.store_fixtures"]

GATEWAY = "smartops_tool_gateway"
SOON_S = 10.0

_CHILD = """
import asyncio, sys
from smartops.eventstore import EventStore
async def main():
    store = await EventStore.connect(sys.argv[1], role=sys.argv[2], password=sys.argv[3])
    await store.incarnation.start()
    print(await store.incarnation.current(), flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


@asynccontextmanager
async def living(database: LogDatabase) -> AsyncIterator[EventStore]:
    async with database.store(GATEWAY) as store:
        await store.incarnation.start()
        yield store


@asynccontextmanager
async def another_process(
    database: LogDatabase,
) -> AsyncIterator[tuple[asyncio.subprocess.Process, UUID]]:
    """A process with an incarnation of its own."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _CHILD,
        database.dsn,
        GATEWAY,
        PASSWORD,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert child.stdout is not None
        yield child, UUID((await asyncio.wait_for(child.stdout.readline(), 30)).decode().strip())
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()


async def until_ended(store: EventStore, ident: UUID) -> None:
    async with asyncio.timeout(SOON_S):
        while await store.alive([ident]):  # noqa: ASYNC110 - a lock that goes sends no event.
            await asyncio.sleep(0.02)


async def test_whoever_lives_is_known_to_live_and_whoever_never_was_is_not(
    log_database: LogDatabase,
) -> None:
    async with living(log_database) as one, living(log_database) as other:
        idents = {await one.incarnation.current(), await other.incarnation.current()}
        assert len(idents) == 2
        assert await one.alive([*idents, uuid4()]) == idents


async def test_an_incarnation_ends_with_an_orderly_stop(log_database: LogDatabase) -> None:
    async with log_database.store(GATEWAY) as witness:
        async with living(log_database) as store:
            ident = await store.incarnation.current()
            assert await witness.alive([ident])
        await until_ended(witness, ident)
        assert not store.incarnation.holds(ident)
        with pytest.raises(StoreClosed):
            await store.incarnation.current()


async def test_a_process_that_stands_still_lives_and_a_killed_one_has_ended(
    log_database: LogDatabase,
) -> None:
    async with (
        log_database.store(GATEWAY) as witness,
        another_process(log_database) as (
            child,
            ident,
        ),
    ):
        os.kill(child.pid, signal.SIGSTOP)
        await asyncio.sleep(0.5)  # That nothing happens sends no event.
        assert await witness.alive([ident]) == {ident}
        child.kill()
        await until_ended(witness, ident)


async def test_who_loses_the_line_fences_itself_and_begins_another_life(
    log_database: LogDatabase,
) -> None:
    async with living(log_database) as store, log_database.connection() as admin:
        before = await store.incarnation.current()
        await admin.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where application_name = $1 and datname = current_database()",
            f"{GATEWAY} incarnation",
        )
        async with asyncio.timeout(SOON_S):
            while store.incarnation.holds(before):  # noqa: ASYNC110 - as above.
                await asyncio.sleep(0.01)
            after = await store.incarnation.current()
        assert after != before
        assert await store.alive([before, after]) == {after}


async def test_a_proof_that_is_too_old_is_none_until_there_is_another(
    log_database: LogDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with living(log_database) as store:
        ident = await store.incarnation.current()
        stood_still = incarnation.seconds_since_boot() + incarnation.FRESH_S + 1
        monkeypatch.setattr(incarnation, "seconds_since_boot", lambda: stood_still)
        assert not store.incarnation.holds(ident)
        async with asyncio.timeout(SOON_S):
            assert await store.incarnation.current() == ident, "its line never broke"


@pytest.mark.parametrize("role", sorted(set(SERVICE_ROLES) - {GATEWAY}))
async def test_nobody_else_may_begin_one(log_database: LogDatabase, role: str) -> None:
    async with log_database.connection(role) as conn:
        for statement in ("incarnation_begin($1)", "incarnations_alive(array[$1::uuid])"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await conn.fetch(f"select smartops_log.{statement}", uuid4())


async def test_an_id_is_taken_once(log_database: LogDatabase) -> None:
    async with living(log_database) as store, log_database.connection(GATEWAY) as conn:
        ident = await store.incarnation.current()
        assert not await conn.fetchval("select smartops_log.incarnation_begin($1)", ident)
