"""What the log's users feel, at whatever size the log has."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from smartops.audit.adapters.connecting import connect
from smartops.audit.adapters.log import read_after
from smartops.audit.adapters.tables import Tables
from smartops.audit.projector import Projector
from smartops.contracts.catalogue import AUDIT, RUNNER
from smartops.contracts.events import TaskApprovalGranted, ToolCallCompleted
from smartops.eventstore import EventStore, Handler, TimerCancel, TimerSet, Trigger, Unit
from smartops.eventstore.results import AppendResult

from benchmarks.lib.figures import percentile, rounded
from benchmarks.lib.histories import append_crowd, ops_task
from benchmarks.lib.log_filling import TENANT
from benchmarks.lib.processes import CpuMeter, cpu_seconds_of
from benchmarks.lib.scratch_log import ScratchLog

__all__ = ["Probe", "probe"]

ALONE = 15
"""Tasks one at a time, per look."""
CROWD = 100
"""Tasks with 64 in flight, per look."""
LOOKS = 20
"""Sweeps and looks for timers."""

# What a house has done on this log is nothing to our handler, and it had no inbox rows for it.
_CAUGHT_UP = """
update smartops_log.handlers set low_water = (select max(position) from smartops_log.events)
 where handler = $1
"""
_OLD = """
select public.some_id(1 + floor(random() * tasks)::bigint || '/task')
  from public.filled, generate_series(1, $1)
"""
_NEWEST = """
select * from smartops.v_tasks where tenant = $1 and ($2::text is null or status = $2)
 order by submitted_at desc, task limit $3
"""
"""As the command line lists them."""

_SWEPT = Handler("test", (TaskApprovalGranted.type_key(), ToolCallCompleted.type_key()))
"""What wakes the runner in these histories."""


class _Timed:
    """An event store that notes how long each append took."""

    def __init__(self, store: EventStore, took: list[float]) -> None:
        self._store = store
        self._took = took

    def db_now(self) -> datetime:
        return self._store.db_now()

    async def append(self, unit: Unit) -> AppendResult:
        began = time.perf_counter()
        result = await self._store.append(unit)
        self._took.append(time.perf_counter() - began)
        return result


@dataclass
class Probe:
    """One log, looked at again and again: samples are kept until `figures`."""

    log: ScratchLog
    stores: Mapping[str, EventStore]
    units: int = 0
    """Units stored by all looks, the one that warms up included."""
    appends: list[float] = field(default_factory=list)
    sweeps: list[float] = field(default_factory=list)
    timers: list[float] = field(default_factory=list)
    timer_looks: list[float] = field(default_factory=list)
    histories: list[float] = field(default_factory=list)
    lists: list[float] = field(default_factory=list)
    crowd: dict[str, float] = field(default_factory=dict)
    tail: dict[str, float] = field(default_factory=dict)

    async def look(self) -> None:
        """Everything once; what it stores is projected at the end."""
        await self._alone()
        await self._crowd()
        await self._sweep()
        await self._timers()
        await self._reads()
        await self._tail()
        self.units = sum(store.units for store in self.stores.values())

    def figures(self) -> dict[str, float | None]:
        """Medians in ms, and costs per unit or event in µs."""
        units, events = self.crowd["units"], self.tail["events"]
        return {
            "append_p50_ms": _ms(self.appends, 0.5),
            "append_p99_ms": _ms(self.appends, 0.99),
            "crowd_units_per_s": round(units / self.crowd["wall"]),
            "postgres_cpu_us_per_unit": round(self.crowd["postgres"] * 1e6 / units, 1),
            "other_cpus_busy": round(self.crowd["others"] / self.crowd["wall"], 2),
            "sweep_p50_ms": _ms(self.sweeps, 0.5),
            "timer_set_or_cancelled_p50_ms": _ms(self.timers, 0.5),
            "due_timers_p50_ms": _ms(self.timer_looks, 0.5),
            "history_p50_ms": _ms(self.histories, 0.5),
            "newest_tasks_p50_ms": _ms(self.lists, 0.5),
            "audit_us_per_event": round(self.tail["wall"] * 1e6 / events, 1),
            "audit_python_cpu_us_per_event": round(self.tail["python"] * 1e6 / events, 1),
            "audit_postgres_cpu_us_per_event": round(self.tail["postgres"] * 1e6 / events, 1),
        }

    async def _alone(self) -> None:
        timed: dict[str, Any] = {
            name: _Timed(store, self.appends) for name, store in self.stores.items()
        }
        await append_crowd(timed, _tasks(ALONE), 1)

    async def _crowd(self) -> None:
        before = sum(store.units for store in self.stores.values())
        tasks = _tasks(CROWD)
        meter = CpuMeter({"postgres": self.log.server.pid}).begin()
        await append_crowd(self.stores, tasks)
        meter.end()
        _add(
            self.crowd,
            units=sum(store.units for store in self.stores.values()) - before,
            wall=meter.wall,
            postgres=meter.used["postgres"],
            others=meter.others * meter.wall,
        )

    async def _sweep(self) -> None:
        store = self.stores[RUNNER]
        await store.register_handlers([_SWEPT])
        await store.unhandled(_SWEPT, timedelta(0))  # Catches up; the others find nothing.
        for _ in range(LOOKS):
            began = time.perf_counter()
            left = await store.unhandled(_SWEPT, timedelta(0))
            self.sweeps.append(time.perf_counter() - began)
            if left:
                raise ValueError(f"a sweep found {len(left)} events that were handled")

    async def _timers(self) -> None:
        store = self.stores[RUNNER]
        for _ in range(LOOKS):
            ident = uuid4()
            timer = TimerSet(ident, "later", f"{TENANT}/run-{ident}", "later", timedelta(days=1))
            for change in (timer, TimerCancel(ident)):
                began = time.perf_counter()
                await store.append(Unit([Trigger("timed", uuid4())], timers=[change]))
                self.timers.append(time.perf_counter() - began)
            began = time.perf_counter()
            await store.due_timers()
            self.timer_looks.append(time.perf_counter() - began)

    async def _reads(self) -> None:
        """Old tasks, chosen by chance, as whoever explains one reads them; and people's list."""
        store = self.stores[RUNNER]
        wanted = await self.log.admin.fetch(_OLD, LOOKS)
        connection = await connect(self.log.dsn("reader"))
        try:
            await connection.execute(f"set smartops.tenant = '{TENANT}'")
            for row in wanted:
                began = time.perf_counter()
                events = await store.history(row[0])
                self.histories.append(time.perf_counter() - began)
                if not events:
                    raise ValueError(f"the log holds nothing of the task {row[0]}")
                began = time.perf_counter()
                await connection.fetch(_NEWEST, TENANT, None, 20)
                self.lists.append(time.perf_counter() - began)
        finally:
            await connection.close()

    async def _tail(self) -> None:
        connection = await connect(self.log.dsn(AUDIT))
        try:
            backend = int(await connection.fetchval("select pg_backend_pid()"))
            projector = await Projector.open(Tables(connection))
            start = projector.place.position
            python, postgres = cpu_seconds_of(os.getpid()), cpu_seconds_of(backend)
            began = time.perf_counter()
            while rows := await read_after(connection, projector.place, 200):
                await projector.project(rows)
            _add(
                self.tail,
                wall=time.perf_counter() - began,
                events=projector.place.position - start,
                python=cpu_seconds_of(os.getpid()) - python,
                postgres=cpu_seconds_of(backend) - postgres,
            )
        finally:
            await connection.close()


@asynccontextmanager
async def probe(log: ScratchLog) -> AsyncIterator[Probe]:
    """Open fresh sessions on a log: their plans are made at the size that it has now."""
    await log.admin.execute(_CAUGHT_UP, _SWEPT.name)
    async with log.stores() as stores:
        await Probe(log, stores).look()  # Warms up.
        yield Probe(log, stores)


def _tasks(count: int) -> Sequence[Any]:
    return [ops_task(TENANT, str(uuid4())) for _ in range(count)]


def _add(totals: dict[str, float], **more: float) -> None:
    for name, value in more.items():
        totals[name] = totals.get(name, 0.0) + value


def _ms(seconds: Sequence[float], share: float) -> float | None:
    value = percentile(seconds, share)
    return rounded(None if value is None else value * 1000, 3)
