"""Three nats-servers on loopback that are one cluster."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from nats.aio.client import Client
from smartops.bus.api import API, ApiError, api_request
from smartops.bus.connection import close, connect
from smartops.devstack.ports import free_port
from smartops.devstack.servers import NatsServer
from support.bus import eventually

__all__ = ["Cluster", "cluster_at"]

SIZE = 3

_CONFIG = """\
listen: "127.0.0.1:${PORT}"
server_name: "%(name)s"
jetstream {
  store_dir: "${STORE_DIR}"
  sync_interval: always
}
cluster {
  name: "tests"
  listen: "127.0.0.1:%(port)d"
  routes: [%(routes)s]
  # Clients are told of servers that they cannot reach from elsewhere; here all is loopback.
  no_advertise: true
}
"""


class Cluster:
    """The servers, and who leads what."""

    def __init__(self, servers: dict[str, NatsServer]) -> None:
        self.servers = servers

    @property
    def urls(self) -> list[str]:
        """Of the servers that run."""
        return [server.url for server in self.servers.values() if server.running]

    @asynccontextmanager
    async def client(self, name: str) -> AsyncIterator[Client]:
        """A connection that knows every server."""
        nc = await connect(
            [server.url for server in self.servers.values()],
            name=name,
            inbox_prefix=f"_INBOX_{name}",
        )
        try:
            yield nc
        finally:
            await close(nc)

    async def leader(self, nc: Client, stream: str) -> str:
        """The server that leads a stream."""
        answer = await api_request(nc, f"{API}.STREAM.INFO.{stream}")
        return str(answer["cluster"]["leader"])

    async def settled(self, nc: Client) -> None:
        """Wait until the cluster has a leader that answers."""

        async def answers() -> bool:
            try:
                return bool(await api_request(nc, f"{API}.INFO"))
            except ApiError:
                return False

        await eventually(answers, seconds=30)

    async def current(self, nc: Client, stream: str) -> None:
        """Wait until a stream has all its replicas, each up to date."""

        async def all_are() -> bool:
            try:
                found = (await api_request(nc, f"{API}.STREAM.INFO.{stream}"))["cluster"]
            except ApiError:
                return False
            others = found.get("replicas", [])
            return bool(found.get("leader")) and all(one["current"] for one in others)

        await eventually(all_are, seconds=30)


@asynccontextmanager
async def cluster_at(directory: Path) -> AsyncIterator[Cluster]:
    """Start three servers and wait until they are one."""
    ports = {f"nats-{number}": free_port() for number in range(SIZE)}
    routes = ", ".join(f'"nats://127.0.0.1:{port}"' for port in ports.values())
    servers = {
        name: NatsServer(
            directory / name / "store",
            config_text=_CONFIG % {"name": name, "port": port, "routes": routes},
        )
        for name, port in ports.items()
    }
    for name in servers:
        (directory / name).mkdir()
    try:
        await asyncio.gather(*(server.start() for server in servers.values()))
        cluster = Cluster(servers)
        async with cluster.client("founder") as nc:
            await cluster.settled(nc)
        yield cluster
    finally:
        await asyncio.gather(*(server.stop() for server in servers.values() if server.running))
