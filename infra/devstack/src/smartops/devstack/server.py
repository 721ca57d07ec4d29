"""What running any real server over a directory takes: lock, ports, readiness, a clean end."""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from smartops.devstack.errors import ServerStartError
from smartops.devstack.locking import DirectoryInUseError, directory_lock
from smartops.devstack.process import ServiceProcess, describe_exit, tail

__all__ = ["LocalServer"]

ORPHAN_PATIENCE: Final = timedelta(seconds=6)
"""How long processes of a killed predecessor may hold the directory. An immediate shutdown of
PostgreSQL kills stubborn backends after 5 s."""

PORT_TRIES: Final = 5
POLL_S: Final = 0.005


class LocalServer(ABC):
    """A server process over a directory which survives it.

    It dies with the thread that called `start`. `start`, `stop` and `kill` may be repeated and
    do nothing where nothing is to be done; after any of them `start` works again, on the same
    directory and the same ports.
    """

    name: str

    def __init__(
        self, directory: Path, *, log_path: Path | None, start_timeout: timedelta, grace: timedelta
    ) -> None:
        self.directory = directory.absolute()
        self.log_path = log_path or self._sibling(".log")
        self._start_timeout = start_timeout
        self._grace = grace
        self._process: ServiceProcess | None = None
        self._starting = asyncio.Lock()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    @property
    def pid(self) -> int:
        """The server's process id, current or last."""
        return self._started.pid

    @property
    def running(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.running

    @property
    def returncode(self) -> int | None:
        """How it ended; None while it runs or before it was started."""
        return None if self._process is None else self._process.returncode

    async def start(self) -> None:
        """Start it and wait until it is ready; does nothing if it runs.

        Raises:
            ServerStartError: It did not come up; nothing of it is left running.
        """
        async with self._starting:
            if self.running:
                return
            try:
                async with (
                    asyncio.timeout(self._start_timeout.total_seconds()),
                    directory_lock(
                        self.directory, ORPHAN_PATIENCE, meanwhile=self._clear_orphans
                    ) as lock,
                ):
                    await self._prepare(lock)
                    await self._launch_on_free_ports(lock)
                    await self._complete()
            except DirectoryInUseError:
                raise ServerStartError(
                    self.name,
                    f"{str(self.directory)!r} is in use by another running server",
                    advice="Stop that one first, or choose another home.",
                ) from None
            except TimeoutError:
                await self.kill()
                raise self._failure(
                    f"it was not ready within {self._start_timeout.total_seconds():g} s",
                    "Free the machine, or allow more time.",
                ) from None
            except BaseException:
                await asyncio.shield(self.kill())
                raise

    async def stop(self, grace: timedelta | None = None) -> None:
        """Disconnect all clients, write everything out, end; kill it after `grace`."""
        if self._process is None:
            return
        try:
            async with asyncio.timeout((grace or self._grace).total_seconds()):
                await self._process.ask_to_end()
        except TimeoutError:
            await self.kill()
        except asyncio.CancelledError:
            self.kill_now()
            raise

    async def terminate(self, grace: timedelta) -> None:
        """`stop`, under the name that service processes use."""
        await self.stop(grace)

    async def kill(self) -> None:
        """SIGKILL all of its processes at once and wait until they are gone."""
        self.kill_now()
        if self._process is not None:
            await self._process.wait()

    def kill_now(self) -> None:
        """SIGKILL all of its processes without waiting; safe in a signal handler."""
        if self._process is not None:
            self._process.kill_now()

    async def restart(self) -> None:
        """Stop it, if it runs, and start it again."""
        await self.stop()
        await self.start()

    async def wait(self) -> int:
        """Wait for its end; returns its exit code."""
        return await self._started.wait()

    def log_tail(self) -> str:
        """Return the last lines of its log."""
        return tail(self.log_path)

    @abstractmethod
    async def _prepare(self, lock: int) -> None:
        """Make the directory usable. `lock` is for processes that work in it."""

    @abstractmethod
    def _describe(self) -> ServiceProcess:
        """Return the process to start, on the ports chosen last."""

    @abstractmethod
    def _choose_ports(self) -> bool:
        """Choose the ports that are still open; returns whether any could be chosen anew."""

    @abstractmethod
    def _forget_ports(self) -> None:
        """Someone else took a port between our choice and the server's start."""

    @abstractmethod
    async def _is_ready(self) -> bool:
        """Look once, without waiting for a change."""

    async def _complete(self) -> None:  # noqa: B027 - most servers need nothing more
        """Do what takes a ready server."""

    def _clear_orphans(self) -> None:  # noqa: B027 - most servers have one process
        """Kill what a killed predecessor left."""

    async def _launch_on_free_ports(self, lock: int) -> None:
        for attempt in range(1, PORT_TRIES + 1):
            free_choice = self._choose_ports()
            log_start = self.log_path.stat().st_size if self.log_path.exists() else 0
            self._process = self._describe()
            await self._process.start(pass_fds=(lock,))
            if await self._becomes_ready():
                return
            code = await self._process.wait()
            said = tail(self.log_path, since=log_start)
            taken = "address already in use" in said.lower()
            if taken and free_choice and attempt < PORT_TRIES:
                self._forget_ports()
                continue
            raise ServerStartError(
                self.name,
                describe_exit(code),
                advice="Free its port, or let a free one be chosen."
                if taken
                else f"Its log is {str(self.log_path)!r}.",
                log_tail=said,
            )

    async def _becomes_ready(self) -> bool:
        """Wait until it is ready (True), or ends (False)."""
        ended = asyncio.ensure_future(self._started.wait())
        try:
            while not await self._is_ready():
                await asyncio.wait({ended}, timeout=POLL_S)
                if ended.done():
                    return False
            return not ended.done()
        finally:
            ended.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await ended

    @property
    def _started(self) -> ServiceProcess:
        if self._process is None:
            raise RuntimeError(f"{self.name} has not been started: call start() first")
        return self._process

    def _sibling(self, suffix: str) -> Path:
        return self.directory.with_name(self.directory.name + suffix)

    def _failure(self, reason: str, advice: str) -> ServerStartError:
        return ServerStartError(self.name, reason, advice=advice, log_tail=self.log_tail())
