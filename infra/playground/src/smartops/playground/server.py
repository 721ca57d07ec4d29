"""Serves the application with uvicorn: sudden closings, a ready file, a tidy end."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvicorn
from smartops.playground.app import ABORT, Playground
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    from typing_extensions import override
else:

    def override(method: object) -> object:
        """Mark an override for the type checker; `typing` has it from Python 3.12 on."""
        return method


__all__ = ["KEEP_ALIVE_S", "serve"]

KEEP_ALIVE_S = 75
"""Seconds that an idle connection stays open.

Longer than clients keep theirs in a pool (5 to 60 s). Were it shorter, a client could send a write
on a connection that is just being closed here, and would have to call its outcome unknown.
"""


class _Protocol(H11Protocol):
    """HTTP/1.1 that lets the application close the connection without an answer."""

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        inner = self.app

        async def with_abort(scope: Any, receive: Any, send: Any) -> None:
            scope["extensions"] = {ABORT: transport.abort}
            await inner(scope, receive, send)

        self.app = with_abort


class _Server(uvicorn.Server):
    """Tells when it listens, and lets go of held requests when it is asked to end."""

    def __init__(self, app: Playground, ready_file: Path | None) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                loop="asyncio",
                http=_Protocol,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=2,
            )
        )
        self._app = app
        self._ready_file = ready_file

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        if self._ready_file is not None:
            # Renamed into place, so that nobody reads half a number.
            beside = self._ready_file.with_name(f".{self._ready_file.name}.new")
            beside.write_text(f"{port}\n")
            beside.replace(self._ready_file)
        shown = f"[{host}]" if ":" in host else host
        sys.stdout.write(f"playground listens on http://{shown}:{port}\n")
        sys.stdout.flush()

    @override
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._ready_file is not None:
            self._ready_file.unlink(missing_ok=True)
        self._app.world.holds.drop_all()
        await super().shutdown(sockets)

    @override
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        # Uvicorn's own raises the signal again at the end, so that a wanted end looks like a crash.
        loop = asyncio.get_running_loop()
        signals = (signal.SIGTERM, signal.SIGINT)
        for number in signals:
            loop.add_signal_handler(number, self._end)
        try:
            yield
        finally:
            for number in signals:
                loop.remove_signal_handler(number)

    def _end(self) -> None:
        self.should_exit = True


def serve(app: Playground, listener: socket.socket, ready_file: Path | None = None) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        app: The application; it is not closed here.
        listener: A bound socket.
        ready_file: Written once requests are answered, holding the port; removed at a tidy end.
    """
    if ready_file is not None:
        ready_file.unlink(missing_ok=True)
    asyncio.run(_Server(app, ready_file).serve([listener]))
