"""How fast audit folds the log, and what that costs.

    .venv/bin/python benchmarks/audit_projection.py --tasks 2000
    .venv/bin/python benchmarks/audit_projection.py --tasks 2000 --live 250

The first appends that many ops-tasks (23 events each) through the event store, then projects them
from position 0, with several batch sizes. The second runs the audit process beside the appends, at
so many tasks per second, and then lets it idle. CPU is told for the audit process and for its
PostgreSQL backend.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path

import asyncpg
import psutil
import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from smartops.audit.adapters.connecting import connect
from smartops.audit.adapters.log import read_after
from smartops.audit.adapters.tables import Tables
from smartops.audit.projector import Projector
from smartops.audit.read_models import ALL
from smartops.audit.schema import READ_MODELS
from smartops.audit.verify import verify_all
from smartops.devstack.servers import PostgresServer
from smartops.eventstore import EVENTSTORE, EventStore, migrate, set_role_passwords
from support.audit_histories import SERVICES, append, ops_task

_PASSWORD = "only-for-the-benchmark"
_EVENTS = 23
_IDLE_S = 10


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def _told(mine: float, theirs: float, events: int) -> str:
    per_task = 1e3 * _EVENTS / events
    return (
        f"CPU per event: python {mine / events * 1e6:.1f} us, postgres "
        f"{theirs / events * 1e6:.1f} us; per ops-task: python {mine * per_task:.2f} ms, "
        f"postgres {theirs * per_task:.2f} ms"
    )


async def _replay(dsn: str, batch: int) -> None:
    conn = await connect(dsn)
    backend = psutil.Process(await conn.fetchval("select pg_backend_pid()"))
    me = psutil.Process()
    projector = await Projector.open(Tables(conn))
    before, theirs, started = _cpu(me), _cpu(backend), time.perf_counter()
    while rows := await read_after(conn, projector.place, batch):
        await projector.project(rows)
    took = time.perf_counter() - started
    events = projector.place.position
    print(
        f"batch {batch:>5}: {events:,} events in {took:.2f} s = {events / took:,.0f} events/s; "
        + _told(_cpu(me) - before, _cpu(backend) - theirs, events)
    )
    await conn.close()


async def _verify(dsn: str) -> None:
    conn = await connect(dsn)
    started = time.perf_counter()
    (report,) = await verify_all(conn)
    took = time.perf_counter() - started
    print(
        f"verify: {report.events:,} events in {took:.2f} s = {report.events / took:,.0f} events/s"
    )
    await conn.close()


async def _append(stores: Mapping[str, EventStore], tasks: int, rate: float | None) -> None:
    started = time.perf_counter()
    free = asyncio.Semaphore(256)

    async def one(number: int) -> None:
        async with free:
            await append(stores, ops_task("acme", str(number)))

    async with asyncio.TaskGroup() as group:
        for number in range(tasks):
            group.create_task(one(number))
            if rate is not None:
                due = started + number / rate
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
    took = time.perf_counter() - started
    print(f"appended {tasks} tasks in {took:.1f} s = {tasks * _EVENTS / took:,.0f} events/s")


async def _live(
    dsn: str, admin: asyncpg.Connection, stores: Mapping[str, EventStore], tasks: int, rate: float
) -> None:
    with tempfile.TemporaryDirectory() as anchors:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "smartops.audit"),
            env={
                **os.environ,
                "DATABASE_URL": dsn,
                "SMARTOPS_ANCHORS_DIR": anchors,
                "SMARTOPS_EVENTS_ENABLED": "false",
                "LOG_LEVEL": "warning",
            },
        )
        pid = None
        while pid is None:
            await asyncio.sleep(0.2)
            pid = await admin.fetchval(
                "select pid from pg_stat_activity where usename = 'smartops_audit'"
            )
        audit, backend = psutil.Process(process.pid), psutil.Process(pid)
        mine, theirs = _cpu(audit), _cpu(backend)
        await _append(stores, tasks, rate)
        ended = time.perf_counter()
        end = await admin.fetchval("select max(position) from smartops_log.events")
        while await admin.fetchval("select position from smartops.progress") != end:  # noqa: ASYNC110 - another process.
            await asyncio.sleep(0.01)
        print(f"caught up {(time.perf_counter() - ended) * 1e3:.0f} ms after the last append")
        print("live:", _told(_cpu(audit) - mine, _cpu(backend) - theirs, end))
        mine, theirs = _cpu(audit), _cpu(backend)
        await asyncio.sleep(_IDLE_S)
        print(
            f"idle: python {(_cpu(audit) - mine) / _IDLE_S * 1e3:.1f} ms CPU per second, "
            f"postgres {(_cpu(backend) - theirs) / _IDLE_S * 1e3:.1f} ms"
        )
        process.terminate()
        await process.wait()


@asynccontextmanager
async def _stores(server: PostgresServer) -> AsyncIterator[dict[str, EventStore]]:
    async with AsyncExitStack() as stack:
        stores = {}
        for service in SERVICES:
            store = await EventStore.connect(
                server.dsn(), role=f"smartops_{service}", password=_PASSWORD
            )
            stack.push_async_callback(store.close, timedelta(seconds=1))
            stores[service] = store
        yield stores


async def _main(tasks: int, batches: list[int], rate: float | None) -> None:
    with tempfile.TemporaryDirectory() as directory:
        async with PostgresServer(Path(directory) / "data") as server:
            await migrate(server.dsn(), [EVENTSTORE, READ_MODELS])
            admin = await asyncpg.connect(server.dsn())
            roles = [f"smartops_{service}" for service in (*SERVICES, "audit")]
            await set_role_passwords(admin, dict.fromkeys(roles, _PASSWORD))
            dsn = server.dsn("smartops_audit", _PASSWORD)
            if rate is not None:
                async with _stores(server) as stores:
                    await _live(dsn, admin, stores, tasks, rate)
            else:
                async with _stores(server) as stores:
                    await _append(stores, tasks, None)
                await admin.execute("vacuum analyze smartops_log.events")
                gc.set_threshold(100_000, 20, 20)  # As the service does.
                for batch in batches:
                    names = ", ".join(f"smartops.{model.name}" for model in ALL)
                    await admin.execute(f"truncate smartops.progress, {names}")
                    await _replay(dsn, batch)
                await _verify(dsn)
            await admin.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=2000)
    parser.add_argument("--batch", type=int, nargs="+", default=[100, 500, 2000])
    parser.add_argument("--live", type=float, metavar="TASKS_PER_SECOND")
    arguments = parser.parse_args()
    uvloop.run(_main(arguments.tasks, arguments.batch, arguments.live))
