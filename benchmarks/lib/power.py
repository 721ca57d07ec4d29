"""Nodes that lose their power: their disks and all of their processes, at one moment."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from smartops.devstack.procfs import processes_in
from smartops.devstack.servers import NatsServer, PostgresServer

from benchmarks.lib.canary import Canary, Lost
from benchmarks.lib.loop_disk import LoopDisk
from benchmarks.lib.server_disks import BUS, DATA
from benchmarks.lib.supervised import Wards

__all__ = ["BACK_S", "NODES", "Cut", "Power"]

NODES: Final[Mapping[str, Sequence[str]]] = {
    "database": (DATA,),
    "bus": (BUS,),
    "machine": (DATA, BUS),
}
"""What can lose its power, and the disks in it. In the machine all services run as well."""


_STILL: Final = frozenset("TtDZX")
"""Stopped, dead, or within the kernel, from where a stopped process does not come back."""
_STILL_S = 5.0
BACK_S = 120.0
"""Within which a service must serve again, however busy the machine is."""


@dataclass(frozen=True, slots=True)
class Cut:
    """One cut."""

    node: str
    lost: Sequence[Lost]
    """Of the canaries, by disk."""
    down_s: float
    """Until servers and services served again; 0.1 to 0.5 s of it the supervisor's pause."""


class Power:
    """Cuts the power of a running stack's nodes, and brings them up again."""

    def __init__(self, wards: Wards, disks: Mapping[str, LoopDisk]) -> None:
        self._wards = wards
        self._disks = disks
        self._canaries = {name: Canary(disk.place) for name, disk in disks.items()}

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Let canaries write on every disk during the block."""
        for canary in self._canaries.values():
            canary.start()
        try:
            yield
        finally:
            for canary in self._canaries.values():
                canary.stop()

    async def cut(self, node: str) -> Cut:
        """Cut, and come back; returns once everything of the node serves.

        Raises:
            ServerStartError: a server cannot work with what its disk still has.
            TimeoutError: a service does not serve again.
        """
        began = time.monotonic()
        stack, supervisor = self._wards.stack, self._wards.stack.supervisor
        servers: list[PostgresServer | NatsServer] = []
        if DATA in NODES[node]:
            servers.append(stack.postgres)
        if BUS in NODES[node]:
            servers.append(stack.nats)
        services = list(stack.services) if len(servers) > 1 else []
        # No await until all is dead. First everybody stands still: a flush during the cut may
        # fail, or even say that it worked, and with the power gone nobody is there to hear it.
        _stand_still(servers)
        for name in NODES[node]:
            self._canaries[name].note()
            self._disks[name].cut()
        for server in servers:
            server.kill_now()
        restarts = {name: self._wards.kill(name) for name in services}
        for server in servers:
            await supervisor.release(server.name)
        lost = [await self._come_back(name) for name in NODES[node]]
        await asyncio.gather(*(supervisor.start(server) for server in servers))
        if stack.nats in servers:
            await stack.provision()  # As whoever starts it does; there should be nothing to do.
        async with asyncio.timeout(BACK_S):
            for name, restart in restarts.items():
                await self._wards.back(name, restart)
        return Cut(node, lost, time.monotonic() - began)

    async def _come_back(self, name: str) -> Lost:
        canary = self._canaries[name]
        canary.stop()
        await self._disks[name].come_back()
        lost = canary.lost()
        canary.start()
        return lost


def _stand_still(servers: Sequence[PostgresServer | NatsServer]) -> None:
    """Stop every process of the servers, and wait until they have stopped."""
    pids: set[int] = set()
    for server in servers:
        # The first process first: it could still fork between our look and our signal.
        os.kill(server.pid, signal.SIGSTOP)
        pids.add(server.pid)
        if isinstance(server, PostgresServer):
            pids |= processes_in(server.data_dir, "postgres")
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
    give_up = time.monotonic() + _STILL_S
    while _states(pids) - _STILL:
        if time.monotonic() > give_up:
            raise RuntimeError(f"not all of {pids} stand still")
        time.sleep(0.0002)


def _states(pids: Iterable[int]) -> set[str]:
    """In which states the threads of some processes are; see proc(5)."""
    found = set()
    for pid in pids:
        for stat in Path(f"/proc/{pid}/task").glob("*/stat"):
            with contextlib.suppress(OSError):
                found.add(stat.read_text(encoding="utf-8").rpartition(")")[2].split()[0])
    return found
