"""How fast audit folds the log, and what that costs.

Replay: so many ops-tasks are appended through the event store, then projected from position 0 with
several batch sizes, and verified. Live (`--live`): the audit process runs beside the appends, at so
many tasks per second, and then idles. CPU is told for the audit process and for its backend.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path

import asyncpg
from smartops.audit.adapters.connecting import connect
from smartops.audit.adapters.log import read_after
from smartops.audit.adapters.tables import Tables
from smartops.audit.projector import Projector
from smartops.audit.read_models import ALL
from smartops.audit.schema import READ_MODELS
from smartops.audit.verify import verify_all
from smartops.devstack.servers import PostgresServer
from smartops.eventstore import EVENTSTORE, EventStore, migrate, set_role_passwords

from benchmarks.lib.experiment import Experiment, Outcome, progress
from benchmarks.lib.home import scratch_home
from benchmarks.lib.machine import machine
from benchmarks.lib.processes import cpu_seconds_of

__all__ = ["AUDIT_PROJECTION"]

_PASSWORD = "only-for-the-benchmark"
_TESTS = str(Path(__file__).resolve().parent.parent.parent / "tests")
_IDLE_S = 10
_HEAD = "select coalesce(max(position), 0) from smartops_log.events"


def _options(parser: ArgumentParser) -> None:
    parser.add_argument("--tasks", type=int, default=2000)
    parser.add_argument("--batch", type=int, nargs="+", default=[100, 500, 2000])
    parser.add_argument("--live", type=float, metavar="TASKS_PER_SECOND")


async def _run(options: Namespace) -> Outcome:
    # The histories are those of audit's own tests.
    sys.path.append(_TESTS)
    figures: dict[str, object] = {"n": options.tasks, "machine": machine()}
    with scratch_home() as home:
        async with PostgresServer(home / "postgres") as server:
            admin = await asyncpg.connect(server.dsn())
            await migrate(admin, [EVENTSTORE, READ_MODELS])
            roles = [f"smartops_{name}" for name in (*_services(), "audit")]
            await set_role_passwords(admin, dict.fromkeys(roles, _PASSWORD))
            async with _stores(server) as stores:
                if options.live is None:
                    figures |= await _replays(server, admin, stores, options)
                else:
                    figures |= await _live(server, admin, stores, options)
            await admin.close()
    return Outcome(figures)


async def _replays(
    server: PostgresServer,
    admin: asyncpg.Connection[asyncpg.Record],
    stores: Mapping[str, EventStore],
    options: Namespace,
) -> dict[str, object]:
    figures: dict[str, object] = {"appended_events_per_s": await _append(stores, admin, options)}
    await admin.execute("vacuum analyze smartops_log.events")
    gc.set_threshold(100_000, 20, 20)  # As the service does.
    dsn = server.dsn("smartops_audit", _PASSWORD)
    for batch in options.batch:
        progress(f"replay in batches of {batch}")
        names = ", ".join(f"smartops.{model.name}" for model in ALL)
        await admin.execute(f"truncate smartops.progress, {names}")
        figures[f"replay_by_{batch}"] = await _replay(dsn, batch, options.tasks)
    connection = await connect(dsn)
    began = time.perf_counter()
    [report] = await verify_all(connection)
    figures["verified_events_per_s"] = round(report.events / (time.perf_counter() - began))
    await connection.close()
    return figures


async def _replay(dsn: str, batch: int, tasks: int) -> dict[str, float]:
    connection = await connect(dsn)
    backend = int(await connection.fetchval("select pg_backend_pid()"))
    projector = await Projector.open(Tables(connection))
    before = cpu_seconds_of(os.getpid()), cpu_seconds_of(backend)
    began = time.perf_counter()
    while rows := await read_after(connection, projector.place, batch):
        await projector.project(rows)
    took = time.perf_counter() - began
    figures = {
        "events_per_s": round(projector.place.position / took),
        **_per_task(before, (os.getpid(), backend), tasks),
    }
    await connection.close()
    return figures


async def _live(
    server: PostgresServer,
    admin: asyncpg.Connection[asyncpg.Record],
    stores: Mapping[str, EventStore],
    options: Namespace,
) -> dict[str, object]:
    anchors = server.data_dir.with_name("anchors")
    anchors.mkdir()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "smartops.audit"),
        env={
            **os.environ,
            "DATABASE_URL": server.dsn("smartops_audit", _PASSWORD),
            "SMARTOPS_ANCHORS_DIR": str(anchors),
            "SMARTOPS_EVENTS_ENABLED": "false",
            "LOG_LEVEL": "warning",
        },
    )
    backend = None
    while backend is None:
        await asyncio.sleep(0.2)
        backend = await admin.fetchval(
            "select pid from pg_stat_activity where usename = 'smartops_audit'"
        )
    both = (process.pid, int(backend))
    before = cpu_seconds_of(both[0]), cpu_seconds_of(both[1])
    rate = await _append(stores, admin, options)
    ended = time.perf_counter()
    end = await admin.fetchval(_HEAD)
    while await admin.fetchval("select position from smartops.progress") != end:  # noqa: ASYNC110 - another process.
        await asyncio.sleep(0.01)
    figures: dict[str, object] = {
        "appended_events_per_s": rate,
        "caught_up_after_ms": round((time.perf_counter() - ended) * 1e3),
        "live": _per_task(before, both, options.tasks),
    }
    before = cpu_seconds_of(both[0]), cpu_seconds_of(both[1])
    await asyncio.sleep(_IDLE_S)
    figures["idle_cpu_ms_per_s"] = _per_task(before, both, _IDLE_S)
    process.terminate()
    await process.wait()
    return figures


def _per_task(
    before: tuple[float, float], processes: tuple[int, int], count: int
) -> dict[str, float]:
    """CPU since `before`, in ms per one of `count`."""
    return {
        name: round((cpu_seconds_of(pid) - begin) * 1e3 / count, 3)
        for name, pid, begin in zip(
            ("python_cpu_ms", "postgres_cpu_ms"), processes, before, strict=True
        )
    }


async def _append(
    stores: Mapping[str, EventStore],
    admin: asyncpg.Connection[asyncpg.Record],
    options: Namespace,
) -> int:
    """Append the histories, at the wanted rate if there is one; returns events per second."""
    from support.audit_histories import append, ops_task  # type: ignore[import-not-found]  # noqa: PLC0415 - found once the path is set.

    began = time.perf_counter()
    free = asyncio.Semaphore(256)

    async def one(number: int) -> None:
        async with free:
            await append(stores, ops_task("acme", str(number)))

    async with asyncio.TaskGroup() as group:
        for number in range(options.tasks):
            group.create_task(one(number))
            if options.live is not None:
                due = began + number / options.live
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
    took = time.perf_counter() - began
    return round(int(await admin.fetchval(_HEAD)) / took)


def _services() -> tuple[str, ...]:
    from support.audit_histories import SERVICES  # noqa: PLC0415 - found once the path is set.

    names: tuple[str, ...] = SERVICES
    return names


@asynccontextmanager
async def _stores(server: PostgresServer) -> AsyncIterator[dict[str, EventStore]]:
    async with AsyncExitStack() as leaving:
        stores = {}
        for name in _services():
            store = await EventStore.connect(
                server.dsn(), role=f"smartops_{name}", password=_PASSWORD
            )
            leaving.push_async_callback(store.close, timedelta(seconds=1))
            stores[name] = store
        yield stores


AUDIT_PROJECTION = Experiment(
    "audit-projection",
    "how fast audit projects and verifies the log, and what that costs; --live beside appends",
    _options,
    _run,
)
