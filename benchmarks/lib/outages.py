"""PostgreSQL that stops, is restarted, and stays away; and what services do meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from smartops.contracts.catalogue import SERVICES
from smartops.devstack.procfs import processes_in
from smartops.devstack.stack import Stack

from benchmarks.lib.links import DATABASE, Links
from benchmarks.lib.monitor import monitor_page
from benchmarks.lib.readiness import Readiness
from benchmarks.lib.supervised import POSTGRES, Wards

__all__ = ["Watched", "restart_at_once", "stopped", "watched", "without_postgres"]

SETTLING_S = 3.0
"""After so many seconds away, everybody has found out, and only retries are left."""


@dataclass(slots=True)
class Watched:
    """What services did while the database was away."""

    seconds: float = 0.0
    """Over which was counted."""
    attempts_per_s: dict[str, float] = field(default_factory=dict)
    """Connections opened to the database, by service."""
    bus_messages_per_s: float = 0.0
    """Sent to the bus by everybody: pull requests, naks, signs of life."""
    ready: Readiness = field(default_factory=Readiness)

    def figures(self) -> dict[str, object]:
        """For people."""
        return {
            "counted_s": round(self.seconds, 1),
            "connection_attempts_per_s": {
                **self.attempts_per_s,
                "all": round(sum(self.attempts_per_s.values()), 2),
            },
            "messages_to_the_bus_per_s": self.bus_messages_per_s,
            "not_ready_after_s": self.ready.first_s,
            "not_ready_because": {name: sorted(why) for name, why in self.ready.reasons.items()},
            "in_words": self.ready.texts,
        }


@contextmanager
def stopped(stack: Stack) -> Iterator[None]:
    """SIGSTOP every process of the server; SIGCONT at the end. Lines stay open, nobody answers."""
    # The postmaster first: it could still fork between our look and our signal.
    os.kill(stack.postgres.pid, signal.SIGSTOP)
    pids = processes_in(stack.postgres.data_dir, "postgres")
    _signal(pids, signal.SIGSTOP)
    try:
        yield
    finally:
        _signal(pids, signal.SIGCONT)


async def restart_at_once(wards: Wards) -> None:
    """An immediate shutdown: backends are thrown out, recovery follows; returns when it is back."""
    restart = wards.stack.supervisor.restarts(POSTGRES) + 1
    os.kill(wards.stack.postgres.pid, signal.SIGQUIT)
    await wards.back(POSTGRES, restart)


@asynccontextmanager
async def without_postgres(stack: Stack) -> AsyncIterator[None]:
    """Shut the server down, and start it again at the end; supervised as before."""
    await stack.supervisor.release(POSTGRES)
    try:
        yield
    finally:
        await stack.supervisor.start(stack.postgres)


async def watched(stack: Stack, links: Links, seconds: float) -> Watched:
    """Let an outage last, and count; the first moments, in which all find out, are not counted."""
    found = Watched()
    async with Readiness.followed(stack) as found.ready:
        await asyncio.sleep(min(SETTLING_S, seconds / 2))
        began = time.monotonic()
        attempts = Counter(links.attempts(DATABASE))
        sent = await _sent(stack)
        await asyncio.sleep(seconds - min(SETTLING_S, seconds / 2))
        found.seconds = time.monotonic() - began
        attempts = Counter(links.attempts(DATABASE)) - attempts
        found.attempts_per_s = {name: round(attempts[name] / found.seconds, 2) for name in SERVICES}
        found.bus_messages_per_s = round((await _sent(stack) - sent) / found.seconds, 1)
    return found


async def _sent(stack: Stack) -> int:
    page: dict[str, Any] = await monitor_page(stack, "/varz")
    return int(page["in_msgs"])


def _signal(pids: set[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
