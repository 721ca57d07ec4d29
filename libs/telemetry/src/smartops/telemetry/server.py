"""Serves an ASGI application from within the running event loop of a service."""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import TYPE_CHECKING, Final

from smartops.telemetry.errors import HealthPortTaken
from smartops.telemetry.health import AsgiApp

if TYPE_CHECKING:
    from smartops.telemetry.guest import GuestServer

__all__ = ["HealthServer"]

_log = logging.getLogger(__name__)

BACKLOG: Final = 64
"""Connections that may wait; a handful of watchers ask a few times a minute."""


class HealthServer:
    """Listens on one address between `start` and `stop`, and leaves signals to the service."""

    def __init__(self, app: AsgiApp, host: str = "127.0.0.1", port: int = 0) -> None:
        self._app = app
        self._host = host
        self._asked_port = port
        self._port: int | None = None
        self._server: GuestServer | None = None
        self._serving: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port listened on; the one given, or the one found for 0."""
        if self._port is None:
            raise RuntimeError("the health pages are not served yet: await start() first")
        return self._port

    @property
    def url(self) -> str:
        """Where the pages are, without a path."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self.port}"

    async def start(self) -> None:
        """Listen; when this returns, requests are answered. Again is harmless.

        Raises:
            HealthPortTaken: the address cannot be listened on.
        """
        if self._serving is not None:
            return
        # Imported here: who only describes the pages, or mounts them elsewhere, needs no server.
        from smartops.telemetry.guest import GuestServer  # noqa: PLC0415

        listener = _listen(self._host, self._asked_port)
        self._port = listener.getsockname()[1]
        self._server = GuestServer(self._app, listener)
        self._serving = asyncio.create_task(self._server.run_until_left(), name="health-pages")
        started = asyncio.create_task(self._server.started_event.wait())
        try:
            await asyncio.wait({self._serving, started}, return_when=asyncio.FIRST_COMPLETED)
            if self._serving.done():
                self._serving.result()  # Raises what kept it from serving.
        except BaseException:
            await self.stop()
            raise
        finally:
            started.cancel()

    async def stop(self) -> None:
        """Stop listening and finish what is being answered. Again is harmless."""
        serving, self._serving = self._serving, None
        if serving is None or self._server is None:
            return
        self._server.leave()
        await asyncio.wait({serving})
        if not serving.cancelled() and (error := serving.exception()) is not None:
            _log.error("the health pages had ended by an error", exc_info=error)


def _listen(host: str, port: int) -> socket.socket:
    """A bound socket. Bound here and not by the server: so the port is known before it serves."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise HealthPortTaken(host, port, error.strerror or str(error)) from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
        listener.setblocking(False)  # noqa: FBT003 - the standard library's own signature.
    except OSError as error:
        listener.close()
        raise HealthPortTaken(host, port, error.strerror or str(error)) from error
    return listener
