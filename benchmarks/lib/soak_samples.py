"""What a running house holds, at one moment after another: memory, files, rows, messages."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.request import urlopen

import asyncpg
import psutil  # type: ignore[import-untyped]
from smartops.audit.adapters.tables import Connection
from smartops.bus.topology import COMMANDS_STREAM, DLQ_STREAM, EVENTS_STREAM
from smartops.devstack.stack import Stack

from benchmarks.lib.monitor import monitor_page, stream_states
from benchmarks.lib.processes import proportional_memory_mb, roots_of

__all__ = ["MIB", "NATS", "SHOWN", "Sample", "Sampler"]

MIB = 1024 * 1024
NATS = "nats"

Sample = Mapping[str, float]
"""Figures by name; `<kind>/<part>` where there is one per part."""

SHOWN: Mapping[str, str] = {
    "orchestrator_asyncio_tasks": "asyncio_tasks",
    "orchestrator_remembered": "remembered",
    "orchestrator_swept_total": "swept",
    "orchestrator_parked_triggers": "parked",
    "orchestrator_projection_lag_events": "projection_lag",
    "process_open_fds": "open_files",
}
"""What of the services' metrics is kept, summed over labels, and under which name."""

_SMALL_TABLES = ("outbox", "timers", "handlers", "publications")
"""Whose rows come and go: what they take on disk must not grow with what has passed through."""

_LOG = """
select (select coalesce(max(position), 0) from smartops_log.events) as events,
       (select count(*) from smartops_log.outbox) as outbox_rows,
       (select count(*) from smartops_log.timers) as timer_rows,
       (select n_tup_ins - n_tup_del from pg_stat_all_tables
         where relid = 'smartops_log.inbox'::regclass) as inbox_rows,
       (select count(*) from pg_stat_activity where backend_type = 'client backend'
           and pid <> pg_backend_pid()) as connections,
       (select sum(pg_total_relation_size(('smartops_log.' || name)::regclass))
          from unnest($1::text[]) as name) as small_tables_bytes,
       pg_database_size(current_database()) as database_bytes,
       pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0') as wal_bytes
"""


class Sampler:
    """Looks at every part of a stack. Looking costs some 50 ms of CPU, mostly the kernel's."""

    def __init__(self, stack: Stack, connection: Connection) -> None:
        self._stack = stack
        self._connection = connection

    @classmethod
    async def open(cls, stack: Stack) -> Sampler:
        """Connect, as the superuser; not counted among the connections."""
        return cls(stack, await asyncpg.connect(stack.postgres.dsn()))

    async def close(self) -> None:
        """Disconnect."""
        await self._connection.close()

    async def look(self) -> dict[str, float] | None:
        """Everything once; None: somebody did not answer in time."""
        try:
            return {
                **await asyncio.to_thread(self._processes),
                **await self._pages(),
                **await self._log(),
                **await self._bus(),
            }
        except OSError:  # TimeoutError is one.
            return None

    def _processes(self) -> dict[str, float]:
        roots = roots_of(self._stack)
        found = {f"pss_mb/{name}": mb for name, mb in proportional_memory_mb(roots).items()}
        for name in (*self._stack.services, NATS):
            process = psutil.Process(roots[name])
            found[f"private_mb/{name}"] = process.memory_full_info().uss / MIB
            found[f"threads/{name}"] = process.num_threads()
        found[f"open_files/{NATS}"] = psutil.Process(roots[NATS]).num_fds()
        return found

    async def _pages(self) -> dict[str, float]:
        names = list(self._stack.services)
        texts = await asyncio.gather(
            *(asyncio.to_thread(_page, self._stack.health_url(name)) for name in names)
        )
        return {
            f"{shown}/{name}": value
            for name, text in zip(names, texts, strict=True)
            for shown, value in _sums(text).items()
        }

    async def _log(self) -> dict[str, float]:
        [row] = await self._connection.fetch(_LOG, list(_SMALL_TABLES))
        return {name: float(value) for name, value in row.items()}

    async def _bus(self) -> dict[str, float]:
        streams = await stream_states(self._stack)
        page = await monitor_page(self._stack, "/varz")
        events = streams[EVENTS_STREAM]
        consumers: list[dict[str, Any]] = [
            each for state in streams.values() for each in state["consumers"]
        ]
        return {
            "bus_messages": events["messages"],
            "bus_bytes": events["bytes"],
            "commands_waiting": streams[COMMANDS_STREAM]["messages"],
            "dead_letters": streams[DLQ_STREAM]["messages"],
            "pending": sum(each["num_pending"] for each in consumers),
            "unacknowledged": sum(each["num_ack_pending"] for each in consumers),
            "redelivered": sum(each["num_redelivered"] for each in consumers),
            "bus_connections": page["connections"],
            "bus_subscriptions": page["subscriptions"],
        }


def _page(health_url: str) -> str:
    with urlopen(f"{health_url}/metrics", timeout=10) as reply:
        text: str = reply.read().decode()
    return text


def _sums(page: str) -> dict[str, float]:
    """The shown figures of a page of metrics."""
    found: dict[str, float] = {}
    for line in page.splitlines():
        name, _, value = line.rpartition(" ")
        shown = SHOWN.get(name.partition("{")[0])
        if shown is not None:
            found[shown] = found.get(shown, 0.0) + float(value)
    return found
