"""How fast audit makes its read models anew from the log: verified, folded beside, put in place.

A log of tasks of every kind is appended through the event store. The read models are projected
once, then replaced by a rebuild several times, each with the whole way from the first event to the
commit that puts the new tables in the old ones' place. Once more while other processes append.
"""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace

from smartops.audit.adapters.connecting import connect
from smartops.audit.adapters.log import read_after
from smartops.audit.adapters.tables import Tables
from smartops.audit.checksum import checksum
from smartops.audit.projector import Projector
from smartops.audit.rebuild import replace
from smartops.contracts.catalogue import AUDIT
from smartops.eventstore.reader import COLUMNS
from smartops.runtime.process import settle_memory

from benchmarks.lib.experiment import Experiment, Outcome, progress
from benchmarks.lib.figures import percentile, rounded
from benchmarks.lib.histories import append_crowd, mixed
from benchmarks.lib.home import scratch_home
from benchmarks.lib.log_filling import chain_problem
from benchmarks.lib.machine import machine
from benchmarks.lib.processes import LOADGEN, CpuMeter
from benchmarks.lib.quiet import quiet
from benchmarks.lib.scratch_log import WRITERS, ScratchLog, scratch_log
from benchmarks.lib.writers import writers

__all__ = ["REBUILD"]

AT_LEAST = {"events_per_s": 20_000.0}
"""The bar: the median of the rebuilds without other load."""
OTHER_CPUS = 0.3
"""What else may be at work; beyond that a missed bar is void, not broken."""

_READ = (
    f"select {COLUMNS} from smartops_log.events where position > $1 order by position limit 2000"
)


def _options(parser: ArgumentParser) -> None:
    parser.add_argument("--tasks", type=int, default=3000, help="ops-tasks in the log")
    parser.add_argument("--rounds", type=int, default=5, help="rebuilds without other load")
    parser.add_argument("--load", type=float, default=60, help="tasks per second meanwhile")
    parser.add_argument("--quiet", type=float, default=60, help="seconds to wait for others' end")


async def _run(options: Namespace) -> Outcome:
    figures: dict[str, object] = {"n": {"tasks": options.tasks}, "machine": machine()}
    violations: list[str] = []
    with scratch_home() as home:
        async with scratch_log(home) as log:
            progress(f"appending {options.tasks} tasks, and their like of every other ending")
            began = time.perf_counter()
            async with log.stores() as stores:
                await append_crowd(stores, mixed(options.tasks))
            figures["appended_events_per_s"] = round(
                await log.head() / (time.perf_counter() - began)
            )
            await log.admin.execute("vacuum analyze smartops_log.events")
            figures["events"] = await log.head()
            wanted = await _project(log)
            settle_memory()  # As the command does.
            rounds = []
            for number in range(options.rounds):
                before = await quiet(options.quiet)
                progress(f"rebuild {number + 1} of {options.rounds}; {before} CPUs busy before")
                rounds.append(await _rebuild(log))
            figures["rounds"] = rounds
            rates = [each["events_per_s"] for each in rounds]
            figures["events_per_s"] = rounded(percentile(rates, 0.5), 0)
            figures["events_per_s_min"], figures["events_per_s_max"] = min(rates), max(rates)
            figures["floors"] = await _floors(log)
            if await _sums(log) != wanted:
                violations.append("a rebuild has other rows than projecting had")
            if options.load:
                figures["under_load"] = await _under_load(log, options)
    missed = [
        f"{name} is {figures[name]}, the bar is at least {bar:g}"
        for name, bar in AT_LEAST.items()
        if not float(str(figures[name])) >= bar
    ]
    busy = max(each["other_cpus_busy"] for each in rounds)
    if missed and busy > OTHER_CPUS:
        void = f"{'; '.join(missed)}; but something else kept {busy:g} CPUs busy"
        return Outcome(figures, tuple(violations), void)
    return Outcome(figures, (*violations, *missed))


async def _project(log: ScratchLog) -> dict[str, str]:
    """Fold the log as the service does, batch by batch; returns the checksums of the rows."""
    connection = await connect(log.dsn(AUDIT))
    try:
        projector = await Projector.open(Tables(connection))
        while rows := await read_after(connection, projector.place, 2000):
            await projector.project(rows)
        return await checksum(connection)
    finally:
        await connection.close()


async def _floors(log: ScratchLog) -> dict[str, float]:
    """The least that it takes: the same rows read, and read and verified, and nothing else."""
    events = await log.head()
    connection = await connect(log.dsn(AUDIT))
    try:
        began, position = time.perf_counter(), 0
        while rows := await connection.fetch(_READ, position):
            position = rows[-1]["position"]
        read = time.perf_counter() - began
    finally:
        await connection.close()
    began = time.perf_counter()
    problem = await chain_problem(log)
    verified = time.perf_counter() - began
    if problem is not None:
        raise ValueError(f"the log is not a valid one: {problem}")
    return {
        "read_events_per_s": round(events / read),
        "read_and_verified_events_per_s": round(events / verified),
    }


async def _sums(log: ScratchLog) -> dict[str, str]:
    connection = await connect(log.dsn(AUDIT))
    try:
        return await checksum(connection)
    finally:
        await connection.close()


async def _rebuild(log: ScratchLog, others: dict[str, int] | None = None) -> dict[str, float]:
    """One rebuild on sessions of its own, as the command has it."""
    meter = CpuMeter({"postgres": log.server.pid, **(others or {})}).begin()
    position = await replace(log.dsn(AUDIT))
    meter.end()
    return {
        "events_per_s": round(position / meter.wall),
        "events": position,
        "python_cpu_us_per_event": round(meter.used[LOADGEN] * 1e6 / position, 1),
        "postgres_cpu_us_per_event": round(meter.used["postgres"] * 1e6 / position, 1),
        "other_cpus_busy": round(meter.others, 2),
    }


async def _under_load(log: ScratchLog, options: Namespace) -> dict[str, object]:
    """A rebuild while tasks are appended; it ends with the events that came meanwhile."""
    dsns = [f"{name}={log.dsn(name)}" for name in WRITERS]
    async with writers("history_writer", 1, *dsns) as [writer]:
        before = await quiet(options.quiet)
        progress(f"rebuild while {options.load:g} tasks/s come; {before} CPUs busy before")
        tasks = max(1, round(options.load * 3 * await log.head() / 20_000))
        begun = await log.head()
        writer.tell(tenant="later", tasks=tasks, per_second=options.load)
        began = time.perf_counter()
        while await log.head() == begun:
            pass
        figures = await _rebuild(log, {"writer": writer.pid})
        came, took = await log.head() - begun, time.perf_counter() - began
        await writer.answer()
    return {**figures, "appended_events_per_s_meanwhile": round(came / took)}


REBUILD = Experiment(
    "rebuild",
    "how fast audit rebuilds its read models from the log; bar on events/s; again under load",
    _options,
    _run,
)
