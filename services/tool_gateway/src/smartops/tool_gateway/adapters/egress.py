"""The one place where a tool's driver gets a way out: to hosts on the list, and nowhere else.

What a driver asks for is checked where the connection is made: the host as it is named, and each
address that the name stands for. A name on the list that is later pointed at the metadata service
of the machine leads nowhere either.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterable, Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

import httpx2
from smartops.tool_gateway.tools.base import Tool
from smartops.tool_gateway.tools.rules import BadTools, Contradiction
from typing_extensions import override

__all__ = ["Egress", "EgressRefused", "Place"]

_PORTS = {"http": 80, "https": 443}

_METADATA = frozenset(
    map(ipaddress.ip_address, ("169.254.169.254", "100.100.100.200", "fd00:ec2::254"))
)
"""Where machines in clouds are told their credentials; two of these are not link-local."""


_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")
"""By NAT64, RFC 6052: the last four bytes are the address that is reached."""


class EgressRefused(httpx2.TransportError):
    """A driver asked for a host that no tool may talk to. Nothing was sent."""


class Place(NamedTuple):
    """A host, on one port or on all."""

    host: str
    port: int | None

    @classmethod
    def parse(cls, text: str) -> Place:
        """Read `host`, `host:port`, `[address]:port` or a URL.

        Raises:
            ValueError: it names no host.
        """
        parts = urlsplit(text if "://" in text else f"//{text}")
        if not parts.hostname:
            raise ValueError(f"{text!r} names no host; write host or host:port")
        return cls(parts.hostname, parts.port or _PORTS.get(parts.scheme))


class Egress:
    """The hosts that tools may talk to.

    Args:
        allowed: as `Place.parse` reads them.

    Raises:
        ValueError: one of them names no host.
    """

    def __init__(self, allowed: Iterable[str]) -> None:
        self._allowed = frozenset(map(Place.parse, allowed))
        self._hosts = {place.host for place in self._allowed}

    def allows(self, host: str, port: int | None) -> bool:
        """Whether a host stands on the list, for this port."""
        return Place(host, port) in self._allowed or Place(host, None) in self._allowed

    def forbids(self, address: str) -> bool:
        """Whether an address is one that must be listed as such, whatever names lead to it."""
        found = ipaddress.ip_address(address.partition("%")[0])
        if isinstance(found, ipaddress.IPv6Address):
            found = _within(found) or found
        special = found.is_link_local or found.is_multicast or found.is_unspecified
        return (special or found in _METADATA) and str(found) not in self._hosts

    def check(self, tools: Iterable[Tool]) -> None:
        """Refuse tools that declare a host which is not on the list.

        Raises:
            BadTools: they could never be carried out.
        """
        found = tuple(
            Contradiction(tool.descriptor.name, "egress", f"{host} is not on the list of hosts")
            for tool in tools
            for host in tool.descriptor.egress
            if host not in self._hosts
        )
        if found:
            raise BadTools(found)

    def client(
        self, url: str, headers: Mapping[str, str], *, hosts: Iterable[str]
    ) -> httpx2.AsyncClient:
        """A client for one system: no redirects, no proxies, no encodings, only these hosts.

        Args:
            url: what paths are relative to.
            headers: sent with each request.
            hosts: as the tools declare them; of those on the list, all that it may reach.
        """
        return httpx2.AsyncClient(
            base_url=url,
            headers={**headers, "accept-encoding": "identity"},
            follow_redirects=False,
            trust_env=False,
            transport=_Guarded(self, frozenset(hosts)),
        )


class _Guarded(httpx2.AsyncBaseTransport):
    """Checks host and addresses, then connects to an address that was checked."""

    def __init__(self, egress: Egress, hosts: frozenset[str]) -> None:
        self._egress = egress
        self._hosts = hosts
        self._inner = httpx2.AsyncHTTPTransport(
            trust_env=False,
            limits=httpx2.Limits(max_connections=200, max_keepalive_connections=50),
        )

    @override
    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        host = request.url.host
        port = request.url.port or _PORTS.get(request.url.scheme, 0)
        if host not in self._hosts or not self._egress.allows(host, port):
            raise EgressRefused(f"{host}:{port} is not on the list of hosts", request=request)
        addresses = await _addresses(host, port)
        for address in addresses:
            if self._egress.forbids(address):
                raise EgressRefused(f"{host} leads to {address}", request=request)
        # Asked for by address: a second look at the name could bring another one.
        request.extensions = {**request.extensions, "sni_hostname": host}
        failed: httpx2.TransportError = httpx2.ConnectError(f"{host} has no address")
        for address in addresses:
            request.url = request.url.copy_with(host=address)
            try:
                return await self._inner.handle_async_request(request)
            except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
                failed = error
        raise failed

    @override
    async def aclose(self) -> None:
        await self._inner.aclose()


def _within(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The address of version 4 that one of version 6 leads to, if it is of a kind that does."""
    if address in _TRANSLATED:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour


async def _addresses(host: str, port: int) -> list[str]:
    """What a name stands for, in the resolver's order; an address stands for itself."""
    try:
        return [str(ipaddress.ip_address(host))]
    except ValueError:
        pass
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise httpx2.ConnectError(f"{host} is not known: {error}") from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))
