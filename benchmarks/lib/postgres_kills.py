"""The ways in which PostgreSQL loses processes to SIGKILL, each with its own way back."""

from __future__ import annotations

import asyncio
import os
import random
import signal

import asyncpg
from smartops.devstack.stack import Stack
from smartops.eventstore.faults import AWAY

from benchmarks.lib.supervised import POSTGRES, Wards

__all__ = ["BACKEND", "POSTMASTER", "kill_backend", "kill_postmaster"]

POSTMASTER = "postgres-postmaster"
"""It alone: its orphans go on with what they do until they notice, and hold the directory."""
BACKEND = "postgres-backend"
"""One that serves a service: the postmaster throws all out, and recovers as after a crash."""

LOOK_S = 0.02

_BACKENDS = (
    "select pid from pg_stat_activity where backend_type = 'client backend' "
    "and usename like 'smartops\\_%' order by usename, backend_start"
)


def kill_postmaster(wards: Wards) -> int:
    """SIGKILL the postmaster alone; returns the number of the restart to wait for."""
    restart = wards.stack.supervisor.restarts(POSTGRES) + 1
    os.kill(wards.stack.postgres.pid, signal.SIGKILL)
    return restart


async def kill_backend(stack: Stack, chance: random.Random) -> asyncio.Task[None]:
    """SIGKILL one backend of a service; the task ends once the server takes connections again.

    Raises:
        OSError, asyncpg.PostgresError: the server is away; nothing was killed.
        LookupError: no service is connected; nothing was killed.
    """
    witness = await asyncpg.connect(stack.postgres.dsn(), timeout=5)
    thrown_out = asyncio.Event()
    witness.add_termination_listener(lambda _: thrown_out.set())
    try:
        pids = [row[0] for row in await witness.fetch(_BACKENDS, timeout=5)]
        os.kill(chance.choice(pids), signal.SIGKILL)
    except BaseException:
        witness.terminate()
        raise
    return asyncio.create_task(_served_again(stack, witness, thrown_out))


async def _served_again(
    stack: Stack, witness: asyncpg.Connection[asyncpg.Record], thrown_out: asyncio.Event
) -> None:
    await thrown_out.wait()
    witness.terminate()  # It is gone, yet it would be called unclosed.
    while True:
        try:
            connection = await asyncpg.connect(stack.postgres.dsn(), timeout=5)
        except AWAY:
            await asyncio.sleep(LOOK_S)  # Nothing tells of the end of recovery.
            continue
        await connection.close()
        return
