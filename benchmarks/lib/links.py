"""The network of a stack: one proxy between each service and each server it talks to."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import NamedTuple, Self
from urllib.parse import urlsplit

from typing_extensions import override

from benchmarks.lib.tcp_proxy import TcpProxy

__all__ = ["BUS", "DATABASE", "Link", "Links"]

DATABASE = "database"
BUS = "bus"
_SERVERS = {"postgresql": DATABASE, "nats": BUS}


class Link(NamedTuple):
    """Who talks to whom."""

    service: str
    server: str

    @override
    def __str__(self) -> str:
        return f"{self.service}/{self.server}"


class Links:
    """All of them; enter before the stack starts, and give it `reach`.

    Args:
        services: that will run.
        seed: of jitter.
    """

    def __init__(self, services: Sequence[str], seed: int) -> None:
        names = [Link(service, server) for service in services for server in (DATABASE, BUS)]
        self._proxies = {name: TcpProxy(str(name), seed) for name in names}
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        for proxy in self._proxies.values():
            await self._open.enter_async_context(proxy)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    def __getitem__(self, link: Link) -> TcpProxy:
        return self._proxies[link]

    def names(self) -> list[Link]:
        """All of them, in order."""
        return list(self._proxies)

    def reach(self, service: str, url: str) -> str:
        """The URL by which a service reaches a server through its proxy."""
        parts = urlsplit(url)
        proxy = self[Link(service, _SERVERS[parts.scheme])]
        proxy.target = parts.port
        host, _, _ = parts.netloc.rpartition(":")
        return parts._replace(netloc=f"{host}:{proxy.port}").geturl()

    def attempts(self, server: str) -> dict[str, int]:
        """Connections opened to a server so far, by service."""
        return {
            link.service: proxy.counts.attempts
            for link, proxy in self._proxies.items()
            if link.server == server
        }

    def passed(self, server: str) -> int:
        """Bytes carried to and from a server so far."""
        return sum(
            sum(proxy.counts.passed.values())
            for link, proxy in self._proxies.items()
            if link.server == server
        )

    def heal(self) -> None:
        """Be a good network again, everywhere."""
        for proxy in self._proxies.values():
            proxy.heal()
