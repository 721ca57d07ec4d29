"""Keeping an ordered set of children alive, and leaving none behind."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Any, Final, Protocol, Self

from smartops.devstack.curing import Curable, keep_curing
from smartops.devstack.errors import ServerStartError
from smartops.devstack.process import DEFAULT_GRACE, describe_exit

__all__ = ["Child", "RestartPolicy", "Supervisor"]

STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

READY_TIMEOUT: Final = timedelta(seconds=60)
"""A service imports, connects and binds in about a second; the rest is for a crowded machine."""

_log = logging.getLogger(__name__)


class Child(Protocol):
    """What the supervisor needs of a child; service processes and the servers have it."""

    name: str

    @property
    def running(self) -> bool: ...  # noqa: D102 - see ServiceProcess
    async def start(self) -> None: ...  # noqa: D102
    async def wait(self) -> int: ...  # noqa: D102
    async def terminate(self, grace: timedelta) -> None: ...  # noqa: D102
    def kill_now(self) -> None: ...  # noqa: D102
    def log_tail(self) -> str: ...  # noqa: D102


@dataclass(frozen=True)
class RestartPolicy:
    """How a child that ended unasked is started again.

    Attributes:
        first_delay: Before the first new start.
        longest_delay: The delay doubles up to this.
        steady_after: A child that ran this long begins with the first delay again.
    """

    first_delay: timedelta = timedelta(milliseconds=200)
    longest_delay: timedelta = timedelta(seconds=10)
    steady_after: timedelta = timedelta(seconds=30)

    def delay(self, quick_ends: int) -> timedelta:
        """Return the delay after so many ends in a row, the first of them being number 1."""
        factor: int = 1 << min(quick_ends - 1, 30)
        return min(self.first_delay * factor, self.longest_delay)


@dataclass
class _Kept:
    child: Child
    ready: Callable[[], Awaitable[None]] | None
    ready_timeout: timedelta
    keeper: asyncio.Task[None] | None = None
    curer: asyncio.Task[None] | None = None
    restarts: int = 0


class Supervisor:
    """Start children in order, start again what ends unasked, stop all in reverse order.

    An async context manager. Inside it, the first SIGINT, SIGTERM or SIGHUP cancels the body,
    wherever it waits; leaving it, by whatever way, stops the children, the last started first.
    A second signal kills them all at once. A body ended by a signal ends without an error.

        async with Supervisor(report=print) as supervisor:
            await supervisor.start(postgres)
            await supervisor.start(planner, ready=planner_answers)
            await supervisor.run_until_stopped()

    If this very process is killed, the kernel ends the children (see `ServiceProcess`).
    """

    def __init__(
        self,
        *,
        report: Callable[[str], None] | None = None,
        policy: RestartPolicy | None = None,
        grace: timedelta = DEFAULT_GRACE,
        handle_signals: bool = True,
    ) -> None:
        """Describe a supervisor.

        Args:
            report: Told, in a sentence, of each end and each new start.
            policy: When to start again.
            grace: How long each child may take to end when asked to.
            handle_signals: Whether to take over the stop signals; needs the main thread.
        """
        self._report = report or _log.warning
        self._policy = policy or RestartPolicy()
        self._grace = grace
        self._handle_signals = handle_signals
        self._kept: list[_Kept] = []
        self._body: asyncio.Task[object] | None = None
        self._stopping = asyncio.Event()
        self._signals: list[signal.Signals] = []
        self._leaving = False

    @property
    def stopped_by(self) -> signal.Signals | None:
        """The signal that ended the body, if one did."""
        return self._signals[0] if self._signals else None

    def restarts(self, name: str) -> int:
        """Return how often a child was started again."""
        return self._find(name).restarts

    async def __aenter__(self) -> Self:
        self._body = asyncio.current_task()
        if self._handle_signals:
            loop = asyncio.get_running_loop()
            for number in STOP_SIGNALS:
                loop.add_signal_handler(number, self._on_signal, number)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        self._leaving = True
        by_signal = bool(self._signals)
        try:
            if by_signal and self._body is not None:
                # Withdrawn, so that the awaits below, and the caller's, are not cancelled too.
                self._body.uncancel()
            await self._stop_all()
        finally:
            self.kill_now()
            if self._handle_signals:
                loop = asyncio.get_running_loop()
                for number in STOP_SIGNALS:
                    loop.remove_signal_handler(number)
        return by_signal and kind is asyncio.CancelledError

    async def start(
        self,
        child: Child,
        *,
        ready: Callable[[], Awaitable[None]] | None = None,
        ready_timeout: timedelta = READY_TIMEOUT,
    ) -> None:
        """Start a child, wait until it is ready, and keep it running from then on.

        A child that can tell that it runs and does not work (`Curable`) is looked after as well.

        Args:
            child: Started after all earlier ones, stopped before them.
            ready: Returns once the child serves; cancelled if the child ends first. None: the
                child's own `start` waits long enough.
            ready_timeout: How long that may take.

        Raises:
            ServerStartError: It did not start, ended before it was ready, or is not ready in time.
        """
        kept = _Kept(child, ready, ready_timeout)
        self._kept.append(kept)
        await self._start(kept)
        kept.keeper = asyncio.create_task(self._keep(kept), name=f"keep {child.name}")
        if isinstance(child, Curable):
            cure = keep_curing(child, self._grace, self._report)
            kept.curer = asyncio.create_task(cure, name=f"cure {child.name}")

    async def release(self, name: str) -> None:
        """Stop one child and do not start it again; the others go on."""
        kept = self._find(name)
        self._kept.remove(kept)
        await _leave_alone(kept)
        await kept.child.terminate(self._grace)

    async def run_until_stopped(self) -> None:
        """Wait for a stop signal, or for `stop`."""
        await self._stopping.wait()

    def stop(self) -> None:
        """Let `run_until_stopped` return."""
        self._stopping.set()

    def kill_now(self) -> None:
        """SIGKILL every child without waiting; the last started first."""
        for kept in reversed(self._kept):
            kept.child.kill_now()

    def _find(self, name: str) -> _Kept:
        for kept in self._kept:
            if kept.child.name == name:
                return kept
        raise KeyError(name)

    def _on_signal(self, number: signal.Signals) -> None:
        self._signals.append(number)
        if len(self._signals) == 1:
            self._report(f"{number.name}: stopping; once more to kill")
            # While leaving, the children are being stopped already: nothing is to be cut short.
            if self._body is not None and not self._leaving:
                self._body.cancel()
        else:
            self._report(f"{number.name}: killing")
            self.kill_now()

    async def _start(self, kept: _Kept) -> None:
        await kept.child.start()
        if kept.ready is None:
            return
        ended = asyncio.ensure_future(kept.child.wait())
        ready = asyncio.ensure_future(kept.ready())
        seconds = kept.ready_timeout.total_seconds()
        try:
            await asyncio.wait({ended, ready}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if ready.done():
                ready.result()
                return
            raise ServerStartError(
                kept.child.name,
                describe_exit(ended.result())
                if ended.done()
                else f"it was not ready within {seconds:g} s",
                advice="Its log says more.",
                log_tail=kept.child.log_tail(),
            )
        finally:
            await _cancel(ended)
            await _cancel(ready)

    async def _keep(self, kept: _Kept) -> None:
        """Start a child again whenever it ends, until cancelled."""
        clock = asyncio.get_running_loop().time
        quick_ends = 0
        started = clock()
        while True:
            end = describe_exit(await kept.child.wait())
            lasted = clock() - started
            quick_ends = 1 if lasted > self._policy.steady_after.total_seconds() else quick_ends + 1
            while True:
                delay = self._policy.delay(quick_ends).total_seconds()
                self._report(f"{kept.child.name} {end}; starting it again in {delay:g} s")
                await asyncio.sleep(delay)
                started = clock()
                try:
                    await self._start(kept)
                except Exception as error:  # noqa: BLE001 - whatever went wrong, it is not ready
                    end = f"failed again ({error})"
                    quick_ends += 1
                    continue
                break
            kept.restarts += 1
            self._report(f"{kept.child.name} is running again")

    async def _stop_all(self) -> None:
        for kept in self._kept:
            await _leave_alone(kept)
        for kept in reversed(self._kept):
            await kept.child.terminate(self._grace)


async def _leave_alone(kept: _Kept) -> None:
    for task in (kept.keeper, kept.curer):
        if task is not None:
            await _cancel(task)


async def _cancel(task: asyncio.Future[Any]) -> None:
    task.cancel()
    await asyncio.wait({task})
