"""The servers of the tests as containers: the same versions and settings as the embedded ones."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import quote

from smartops.devstack.postgres import DATABASE, DEFAULT_SETTINGS
from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import LogMessageWaitStrategy

__all__ = [
    "ContainerNats",
    "ContainerPostgres",
    "ContainerSpec",
    "described",
    "nats_container",
    "nats_spec",
    "postgres_container",
    "postgres_spec",
]

NATS_VERSION = "2.15.1"
POSTGRES_VERSION = "18.4"
"""Those of the embedded servers; a test compares."""

_CONFIG = "/etc/nats/smartops.conf"


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """All that is asked of the container engine."""

    image: str
    command: tuple[str, ...]
    ports: tuple[int, ...]
    ready: str
    """A line of its log that says it serves."""
    ready_times: int = 1
    environment: Mapping[str, str] | None = None
    files: Mapping[str, str] | None = None
    """Text by path, copied in before the start."""


@dataclass(frozen=True, slots=True)
class ContainerPostgres:
    """A PostgreSQL somewhere else; what tests need of `PostgresServer`."""

    host: str
    port: int
    superuser_password: str

    def dsn(
        self, user: str | None = None, password: str | None = None, database: str = DATABASE
    ) -> str:
        """The URL of a database for a role; without a role: for the superuser."""
        if user is None:
            user, password = "postgres", self.superuser_password
        login = quote(user, safe="")
        if password is not None:
            login += ":" + quote(password, safe="")
        return f"postgresql://{login}@{self.host}:{self.port}/{quote(database)}?sslmode=disable"


@dataclass(frozen=True, slots=True)
class ContainerNats:
    """A nats-server somewhere else; what tests need of `NatsServer`."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"nats://{self.host}:{self.port}"


def postgres_spec(password: str) -> ContainerSpec:
    """PostgreSQL with the embedded server's settings, so fsync and all, and a password."""
    settings = [
        part for name, value in DEFAULT_SETTINGS.items() for part in ("-c", f"{name}={value}")
    ]
    return ContainerSpec(
        image=f"postgres:{POSTGRES_VERSION}",
        command=("postgres", *settings),
        ports=(5432,),
        # The image starts the server once for itself, and then for us.
        ready="database system is ready to accept connections",
        ready_times=2,
        environment={
            "POSTGRES_PASSWORD": password,
            "POSTGRES_DB": DATABASE,
            "POSTGRES_INITDB_ARGS": "--data-checksums --auth-host=scram-sha-256",
        },
    )


def nats_spec() -> ContainerSpec:
    """nats-server with JetStream, flushed before each acknowledgement."""
    config = (
        'listen: "0.0.0.0:4222"\n'
        'http: "0.0.0.0:8222"\n'
        "max_payload: 1MB\n"
        'jetstream { store_dir: "/data", sync_interval: always }\n'
    )
    return ContainerSpec(
        image=f"nats:{NATS_VERSION}",
        command=("-c", _CONFIG),
        ports=(4222, 8222),
        ready="Server is ready",
        files={_CONFIG: config},
    )


@asynccontextmanager
async def running(spec: ContainerSpec) -> AsyncIterator[DockerContainer]:
    """The container while it runs; removed at the end. Needs a container engine."""
    container = described(spec)
    await asyncio.to_thread(container.start)
    try:
        yield container
    finally:
        await asyncio.to_thread(container.stop)


def described(spec: ContainerSpec) -> DockerContainer:
    """What `testcontainers` is told of a specification; nothing is started."""
    container = DockerContainer(spec.image).with_command(list(spec.command))
    container = container.with_exposed_ports(*spec.ports)
    for name, value in (spec.environment or {}).items():
        container = container.with_env(name, value)
    for path, text in (spec.files or {}).items():
        container = container.with_copy_into_container(text.encode(), path)
    return container.waiting_for(
        LogMessageWaitStrategy(spec.ready, times=spec.ready_times).with_startup_timeout(60)
    )


@asynccontextmanager
async def postgres_container() -> AsyncIterator[ContainerPostgres]:
    """A PostgreSQL of the test run's own."""
    password = secrets.token_hex(16)
    async with running(postgres_spec(password)) as container:
        host, port = container.get_container_host_ip(), int(container.get_exposed_port(5432))
        yield ContainerPostgres(host, port, password)


@asynccontextmanager
async def nats_container() -> AsyncIterator[ContainerNats]:
    """A nats-server of the test run's own."""
    async with running(nats_spec()) as container:
        host, port = container.get_container_host_ip(), int(container.get_exposed_port(4222))
        yield ContainerNats(host, port)
