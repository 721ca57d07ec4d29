"""A stack whose parts are killed: who runs, who has come back, how often."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from smartops.devstack.stack import Stack, StackOptions
from smartops.devstack.supervisor import Child, RestartPolicy, Supervisor

__all__ = ["NATS", "POSTGRES", "Wards", "supervised_stack"]

NATS = "nats-server"
POSTGRES = "postgres"


class Wards:
    """The supervised parts of a stack, by name; kills them and awaits their return."""

    def __init__(self) -> None:
        self.stack: Stack
        self._supervisor: Supervisor
        self._heard = asyncio.Event()
        self.said: list[tuple[float, str]] = []
        """What the supervisor told, with the time."""

    def names(self) -> list[str]:
        """All parts that may be killed."""
        return [*self.stack.services, NATS, POSTGRES]

    def kill(self, name: str) -> int:
        """SIGKILL a part; returns the number of the restart to wait for."""
        restarts = self._supervisor.restarts(name)
        self._part(name).kill_now()
        return restarts + 1

    async def back(self, name: str, restart: int) -> float:
        """Wait until a part serves again; returns when that was heard, in seconds of the epoch."""
        while self._supervisor.restarts(name) < restart:
            self._heard.clear()
            await self._heard.wait()
        return time.time()

    def hear(self, text: str) -> None:
        """Told by the supervisor at each end and each new start."""
        self.said.append((time.time(), text))
        self._heard.set()

    def bind(self, stack: Stack, supervisor: Supervisor) -> None:
        """Learn whose parts these are."""
        self.stack, self._supervisor = stack, supervisor

    def _part(self, name: str) -> Child:
        servers: dict[str, Child] = {NATS: self.stack.nats, POSTGRES: self.stack.postgres}
        return servers.get(name) or self.stack.services[name]


@asynccontextmanager
async def supervised_stack(
    home: Path,
    options: StackOptions,
    *,
    policy: RestartPolicy | None = None,
) -> AsyncIterator[Wards]:
    """A running stack with a supervisor that we hear; all of it is gone at the end.

    It does not listen to signals: see `interrupting`.
    """
    wards = Wards()
    async with Supervisor(report=wards.hear, handle_signals=False, policy=policy) as supervisor:
        stack = Stack(home, options, supervisor)
        wards.bind(stack, supervisor)
        await stack.start()
        yield wards
