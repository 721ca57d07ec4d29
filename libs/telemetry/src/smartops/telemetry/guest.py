"""uvicorn as a guest in somebody else's event loop. Imported only when pages are served."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, cast

import uvicorn
from typing_extensions import override

if TYPE_CHECKING:
    from smartops.telemetry.health import AsgiApp
    from uvicorn._types import ASGIApplication

__all__ = ["GuestServer"]

GRACE_SECONDS: Final = 1
"""How long an answer under way may take once the service stops."""


class GuestServer(uvicorn.Server):
    """Takes no signals, touches no logs, and waits to be told to leave rather than to look."""

    def __init__(self, app: AsgiApp, listener: socket.socket) -> None:
        super().__init__(
            uvicorn.Config(
                cast("ASGIApplication", app),
                lifespan="on",
                http="h11",
                ws="none",
                loop="none",
                log_config=None,
                access_log=False,
                server_header=False,
                date_header=False,
                timeout_graceful_shutdown=GRACE_SECONDS,
            )
        )
        self._listener = listener
        self._told_to_leave = asyncio.Event()
        self.started_event = asyncio.Event()

    async def run_until_left(self) -> None:
        """Serve until `leave`; the listener is closed at the end."""
        try:
            await self.serve([self._listener])
        finally:
            self._listener.close()

    def leave(self) -> None:
        """Finish what is being answered, then end."""
        self.should_exit = True
        self._told_to_leave.set()

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.started_event.set()

    @override
    async def main_loop(self) -> None:
        # The original looks ten times a second whether it should leave, to no other end than
        # renewing a date header, which these pages do not send.
        await self._told_to_leave.wait()

    @override
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
