"""How fast audit folds the log, and what that costs.

Replay: so many ops-tasks are appended through the event store, then projected from position 0 with
several batch sizes, and verified. Live (`--live`): the audit process runs beside the appends, at so
many tasks per second, and then idles. CPU is told for the audit process and for its backend.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping

from smartops.audit.adapters.connecting import connect
from smartops.audit.adapters.log import read_after
from smartops.audit.adapters.tables import Tables
from smartops.audit.projector import Projector
from smartops.audit.read_models import ALL
from smartops.audit.verify import verify_all
from smartops.contracts.catalogue import AUDIT
from smartops.eventstore import EventStore
from smartops.runtime.process import settle_memory

from benchmarks.lib.experiment import Experiment, Outcome, progress
from benchmarks.lib.histories import append_at, append_crowd, ops_task
from benchmarks.lib.home import scratch_home
from benchmarks.lib.machine import machine
from benchmarks.lib.processes import cpu_seconds_of
from benchmarks.lib.scratch_log import ScratchLog, scratch_log

__all__ = ["AUDIT_PROJECTION"]

_IDLE_S = 10
IN_FLIGHT = 256


def _options(parser: ArgumentParser) -> None:
    parser.add_argument("--tasks", type=int, default=2000)
    parser.add_argument("--batch", type=int, nargs="+", default=[100, 500, 2000])
    parser.add_argument("--live", type=float, metavar="TASKS_PER_SECOND")


async def _run(options: Namespace) -> Outcome:
    figures: dict[str, object] = {"n": options.tasks, "machine": machine()}
    with scratch_home() as home:
        async with scratch_log(home) as log, log.stores() as stores:
            if options.live is None:
                figures |= await _replays(log, stores, options)
            else:
                figures |= await _live(log, stores, options)
    return Outcome(figures)


async def _replays(
    log: ScratchLog, stores: Mapping[str, EventStore], options: Namespace
) -> dict[str, object]:
    figures: dict[str, object] = {"appended_events_per_s": await _append(log, stores, options)}
    admin = log.admin
    await admin.execute("vacuum analyze smartops_log.events")
    settle_memory()  # As the service does.
    dsn = log.dsn(AUDIT)
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
    log: ScratchLog, stores: Mapping[str, EventStore], options: Namespace
) -> dict[str, object]:
    admin = log.admin
    anchors = log.server.data_dir.with_name("anchors")
    anchors.mkdir()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "smartops.audit"),
        env={
            **os.environ,
            "DATABASE_URL": log.dsn(AUDIT),
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
    rate = await _append(log, stores, options)
    ended = time.perf_counter()
    end = await log.head()
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


async def _append(log: ScratchLog, stores: Mapping[str, EventStore], options: Namespace) -> int:
    """Append the histories, at the wanted rate if there is one; returns events per second."""
    stories = (ops_task("acme", str(number)) for number in range(options.tasks))
    began = time.perf_counter()
    if options.live is None:
        await append_crowd(stores, stories, IN_FLIGHT)
    else:
        await append_at(stores, stories, options.live)
    return round(await log.head() / (time.perf_counter() - began))


AUDIT_PROJECTION = Experiment(
    "audit-projection",
    "how fast audit projects and verifies the log, and what that costs; --live beside appends",
    _options,
    _run,
)
