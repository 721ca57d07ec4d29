"""Getting onto the bus, and staying there."""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from nats import errors as nats_errors
from nats.aio.client import Client, Server
from smartops.bus.api import API, SERVICE_API, BusClient
from smartops.bus.errors import ConnectError, Unauthorised
from smartops.bus.unhurried import finishes_within

__all__ = ["ConnectOptions", "close", "connect"]

_log = logging.getLogger(__name__)

_MIB = 1024 * 1024
_LONGEST_WAIT = 2.0
"""Seconds between two tries on the same server, at most."""
_CLOSING_PATIENCE = timedelta(seconds=2)

Notice = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectOptions:
    """How a process holds its connection. The defaults suit every service."""

    reconnect_wait: timedelta = timedelta(milliseconds=200)
    """Before the second try; then doubled up to two seconds, with jitter. It never gives up."""
    ping_interval: timedelta = timedelta(seconds=20)
    """Two unanswered pings end a dead connection: after a minute at the latest."""
    pending_bytes: int = 8 * _MIB
    """Outbound buffer. While disconnected, more than this raises instead of waiting."""
    patience: timedelta | None = timedelta(seconds=30)
    """For the first connection; None waits for ever."""


async def connect(
    url: str | Sequence[str],
    *,
    name: str,
    inbox_prefix: str,
    seed: str | None = None,
    seed_path: Path | None = None,
    tls: ssl.SSLContext | None = None,
    options: ConnectOptions | None = None,
    api: str | None = None,
    on_reconnected: Notice | None = None,
    on_closed: Notice | None = None,
) -> BusClient:
    """Connect, and reconnect for ever.

    Args:
        url: of one server, or of several of one cluster.
        name: shown by the server's monitoring.
        inbox_prefix: the only prefix this user may subscribe below, without a trailing dot.
        seed: the NKEY seed itself; or
        seed_path: a file that holds it. Neither: a server without authentication.
        tls: when the server asks for TLS.
        options: see `ConnectOptions`.
        api: root of JetStream requests; None: with a key that of a service in our server
            configuration, without one JetStream's own. The provisioner and the monitor live in
            the account of the streams and name it: `API`.
        on_reconnected: coroutine function, called after each reconnect.
        on_closed: coroutine function, called when the connection has ended for good: either we
            closed it, or the server refused to have us. In the latter case end the process.

    Raises:
        ConnectError: no server answered within `options.patience`.
        Unauthorised: the server refused the key, at the first connection.
    """
    options = options or ConnectOptions()
    urls = [url] if isinstance(url, str) else list(url)
    nc = BusClient()
    nc.api = api or (API if seed is None and seed_path is None else SERVICE_API)
    reports = _Reports(name, urls[0])

    async def reconnected() -> None:
        _log.info("%s is back on the bus", name)
        if on_reconnected is not None:
            await on_reconnected()

    settings: dict[str, Any] = {
        "servers": urls,
        "name": name,
        "inbox_prefix": inbox_prefix,
        "nkeys_seed_str": seed,
        "nkeys_seed": str(seed_path) if seed_path is not None else None,
        "tls": tls,
        "no_echo": True,
        "allow_reconnect": True,
        "max_reconnect_attempts": -1,
        "reconnect_time_wait": options.reconnect_wait.total_seconds(),
        "reconnect_to_server_handler": _Chooser(options.reconnect_wait.total_seconds()),
        "ping_interval": options.ping_interval.total_seconds(),
        "max_outstanding_pings": 2,
        "pending_size": options.pending_bytes,
        "drain_timeout": 5,
        "error_cb": reports.error,
        "disconnected_cb": reports.disconnected,
        "reconnected_cb": reconnected,
        "closed_cb": on_closed,
    }
    patience = options.patience.total_seconds() if options.patience is not None else None
    try:
        async with asyncio.timeout(patience):
            await nc.connect(**settings)
    except TimeoutError as error:
        await nc.close()
        raise ConnectError(urls[0], f"no answer in {patience:g} s ({reports.last})") from error
    except Unauthorised:
        await nc.close()
        raise
    reports.connected = True
    return nc


async def close(nc: Client) -> None:
    """Send what is pending, then close; at most two seconds if the server is away.

    Stop pull loops and relays first: nothing is drained here.
    """
    if nc.is_connected:
        # The round trip also empties our receive buffer: closing a socket with unread bytes
        # resets it, and the server would lose decisions it has not read yet.
        await finishes_within(_CLOSING_PATIENCE, nc.flush())
    if not nc.is_closed:
        await nc.close()


class _Chooser:
    """Picks the server that failed least, and how long to wait before trying it."""

    def __init__(self, first: float) -> None:
        self._first = first

    def __call__(self, servers: list[Server], _info: dict[str, Any]) -> tuple[Server | None, float]:
        server = min(servers, key=lambda one: one.reconnects)
        if server.reconnects == 0:
            return server, random.uniform(0, self._first / 4)  # noqa: S311 - jitter
        full = min(_LONGEST_WAIT, self._first * 2 ** min(server.reconnects - 1, 10))
        return server, full * random.uniform(0.5, 1.0)  # noqa: S311 - jitter


class _Reports:
    """What the client tells us in passing, logged without flooding."""

    def __init__(self, name: str, url: str) -> None:
        self._name = name
        self._url = url
        self._violations: set[str] = set()
        self.connected = False
        self.last: str = "nothing heard"

    async def error(self, error: Exception) -> None:
        """Log a violation once each; end the first connection if our key is refused."""
        text = str(error) or type(error).__name__
        self.last = text
        lowered = text.lower()
        if "permissions violation" in lowered:
            if text not in self._violations:
                self._violations.add(text)
                _log.error("%s may not do this: %s", self._name, text)
        elif "authorization violation" in lowered:
            # Later, while reconnecting, raising here would end the client's only attempt loop:
            # a server reloaded with the users missing for a moment would lose us for ever.
            if not self.connected:
                raise Unauthorised(self._url, self._name)
            _log.error("%s: its key is refused now; trying on", self._name)
        elif isinstance(error, nats_errors.SlowConsumerError):
            _log.error("%s: a message was dropped, its buffer is full", self._name)
        else:
            _log.debug("%s: %s", self._name, text)

    async def disconnected(self) -> None:
        """The connection was lost, or closed by us."""
        _log.info("%s left the bus (%s)", self._name, self.last)
