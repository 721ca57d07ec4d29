"""The whole of SmartOps on one machine: both servers, every service, a fleet to operate on.

Each part is a process of its own with credentials of its own, exactly as in production; only the
supervisor is shared.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from urllib.request import Request, urlopen

import asyncpg
from smartops.bus.api import API
from smartops.bus.connection import close, connect
from smartops.bus.provisioner import Provisioner
from smartops.bus.server_config import render_config
from smartops.bus.topology import build_topology
from smartops.bus.users import (
    BusUser,
    inbox_prefix,
    monitor_user,
    person_user,
    provisioner_user,
    service_users,
)
from smartops.contracts.catalogue import SERVICES
from smartops.contracts.ids import principal
from smartops.contracts.subjects import Subjects
from smartops.devstack.archive import Archive
from smartops.devstack.files import private_directory, write_private
from smartops.devstack.process import ServiceProcess
from smartops.devstack.secrets import Credentials
from smartops.devstack.servers import NatsServer, PostgresServer
from smartops.devstack.supervisor import Supervisor
from smartops.eventstore import EVENTSTORE, LOGIN_ROLES, MigrationSource, migrate
from smartops.eventstore.roles import set_role_passwords

__all__ = ["PERSONS", "Stack", "StackOptions", "running_stack"]

PERSONS: Mapping[str, tuple[str, ...]] = {
    "operator": ("operator", "policy-admin"),
    "approver": (
        "approver",
        "autonomy-admin",
        "break-glass",
        "policy-admin",
        "privacy",
        "senior-approver",
    ),
}
"""Local people and the roles of their actors."""

_AUTONOMY = {
    "environments": {
        "production": {"cooldown": "PT0S", "require_two_approvers": False},
        "staging": {"cooldown": "PT0S"},
        "development": {"cooldown": "PT0S"},
        "sandbox": {"cooldown": "PT0S"},
    }
}

_POLL_S = 0.03


@dataclass(frozen=True, kw_only=True)
class StackOptions:
    """What a stack on one machine may differ in.

    Attributes:
        tenant: whose the local people are.
        servers: size of the playground's fleet; 0 runs none.
        drifted: how many of them are off their golden version; None: all.
        environment: the fleet's environment.
        canary_window: how long a canary is watched.
        wave_window: the same for later phases.
        sample_interval: between two health samples.
        service_env: further environment variables, per service.
        services: which services run; tests may leave some out.
        persons: credentials of local people, each with the roles of its actor. An `actors.json`
            that is there already says otherwise who is who.
        replicas: processes per service; one where it is not named.
        postgres_settings: laid over the server's own.
        postgres_launcher: as of `PostgresServer`.
        bus_users: further users of the bus.
        bus_config: from the server configuration of the bus to the one that is used.
        reach: from a service and the URL of a server to the URL under which it is told of it; for
            whoever stands between the two.
    """

    tenant: str = "acme"
    servers: int = 12
    drifted: int | None = None
    environment: str = "production"
    canary_window: timedelta = timedelta(seconds=2)
    wave_window: timedelta = timedelta(seconds=1)
    sample_interval: timedelta = timedelta(milliseconds=250)
    service_env: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    services: Sequence[str] = SERVICES
    persons: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: dict(PERSONS))
    replicas: Mapping[str, int] = field(default_factory=dict)
    postgres_settings: Mapping[str, str] = field(default_factory=dict)
    postgres_launcher: Sequence[str] = ()
    bus_users: Sequence[BusUser] = ()
    bus_config: Callable[[str], str] = lambda text: text
    reach: Callable[[str, str], str] = lambda _service, url: url


class Stack:
    """A running stack; made by `running_stack`.

    Attributes:
        home: the data directory.
        postgres: the database server.
        nats: the bus.
        services: processes by name; the second of a service is called `name-2`.
        playground: the fleet's process, if there is one.
        fleet_url: where it listens.
    """

    def __init__(self, home: Path, options: StackOptions, supervisor: Supervisor) -> None:
        self.home = private_directory(home.absolute())
        self.options = options
        self.supervisor = supervisor
        self.subjects = Subjects()
        self.credentials = Credentials(self.home)
        self.topology = build_topology(self.subjects)
        self.principals = {name: principal("local", name) for name in options.persons}
        self.postgres = PostgresServer(
            self.home / "postgres",
            settings={**Archive(self.home).server_settings(), **options.postgres_settings},
            launcher=options.postgres_launcher,
        )
        config = options.bus_config(render_config(self._users(), self.topology))
        self.nats = NatsServer(self.home / "nats", config_text=config)
        self.services: dict[str, ServiceProcess] = {}
        self.playground: ServiceProcess | None = None
        self.fleet_url: str | None = None
        self.passwords = self.credentials.passwords(LOGIN_ROLES)
        self.vault_keys = self.credentials.vault_keys()

    # ---- coming up -------------------------------------------------------------------------

    async def start(self) -> None:
        """Bring everything up, in the order in which it depends on each other."""
        private_directory(self.home / "logs")
        private_directory(self.home / "run")
        private_directory(self.home / "anchors")
        await asyncio.gather(
            self.supervisor.start(self.postgres),
            self.supervisor.start(self.nats),
            self._start_playground(),
        )
        await asyncio.gather(self._migrate(), self.provision())
        self._write_actors()
        self._write_autonomy()
        await asyncio.gather(
            *(
                self._start_service(name, number)
                for name in self.options.services
                for number in range(1, self.options.replicas.get(name, 1) + 1)
            )
        )
        self._write_profile()

    def health_url(self, name: str) -> str:
        """Where a service's health pages answer."""
        return (self.home / "run" / f"{name}.health").read_text(encoding="utf-8").strip()

    def admin_token(self) -> str:
        """The bearer token of the playground."""
        return self._token_file().read_text(encoding="utf-8").strip()

    async def fleet(self) -> list[dict[str, object]]:
        """The servers of the fleet, as its own API tells them."""
        answer = await self.ask_fleet("GET", "/v1/servers")
        servers: list[dict[str, object]] = answer["servers"]
        return servers

    async def ask_fleet(
        self, method: str, path: str, body: object | None = None
    ) -> dict[str, list[dict[str, object]]]:
        """A request to the playground's API."""
        return await asyncio.to_thread(self._ask_fleet, method, path, body)

    # ---- parts -----------------------------------------------------------------------------

    def _users(self) -> list[BusUser]:
        keys = {
            name: user.public_key
            for name, user in self.credentials.nats_users(
                [*SERVICES, "provisioner", "monitor", *self.options.persons]
            ).items()
        }
        persons = [
            person_user(
                name,
                keys[name],
                tenant=self.options.tenant,
                principal=self.principals[name],
                subjects=self.subjects,
            )
            for name in self.options.persons
        ]
        services = service_users(
            {name: keys[name] for name in SERVICES}, self.topology, subjects=self.subjects
        )
        return [
            *services,
            *persons,
            provisioner_user(keys["provisioner"], self.topology),
            monitor_user(keys["monitor"]),
            *self.options.bus_users,
        ]

    async def _migrate(self) -> None:
        connection = await asyncpg.connect(self.postgres.dsn())
        try:
            await migrate(connection, [EVENTSTORE, _audit_migrations()])
            await set_role_passwords(connection, self.passwords)
        finally:
            await connection.close()

    async def provision(self) -> None:
        """Make the declared streams and consumers what they should be; idempotent."""
        connection = await connect(
            self.nats.url,
            name="provisioner",
            inbox_prefix=inbox_prefix("provisioner"),
            seed_path=self.credentials.directory / "provisioner.nk",
            api=API,
        )
        try:
            await Provisioner(connection).apply(self.topology)
        finally:
            await close(connection)

    async def _start_playground(self) -> None:
        if not self.options.servers:
            return
        token = self._token_file()
        if not token.exists():
            write_private(token, os.urandom(24).hex())
        ready = self.home / "run" / "playground.port"
        ready.parent.mkdir(exist_ok=True)
        ready.unlink(missing_ok=True)
        arguments = [
            *("--servers", str(self.options.servers)),
            *("--environment", self.options.environment),
            *("--record", str(self.home / "playground.record.jsonl")),
            *("--state", str(self.home / "playground.state.jsonl")),
            *("--token-file", str(token)),
            *("--ready-file", str(ready)),
        ]
        if self.options.drifted is not None:
            arguments += ["--drifted", str(self.options.drifted)]
        child = ServiceProcess(
            "playground",
            [sys.executable, "-m", "smartops.playground", *arguments],
            env=_base_env(),
            log_path=self.home / "logs" / "playground.log",
        )
        (self.home / "logs").mkdir(exist_ok=True)
        await self.supervisor.start(child, ready=lambda: _appears(ready))
        self.playground = child
        self.fleet_url = f"http://127.0.0.1:{ready.read_text(encoding='utf-8').strip()}"

    async def _start_service(self, service: str, number: int) -> None:
        name = service if number == 1 else f"{service}-{number}"
        health = self.home / "run" / f"{name}.health"
        health.unlink(missing_ok=True)
        child = ServiceProcess(
            name,
            [sys.executable, "-m", f"smartops.{service}"],
            env={**_base_env(), **self._env(service), "SMARTOPS_HEALTH_FILE": str(health)},
            log_path=self.home / "logs" / f"{name}.log",
        )
        self.services[name] = child
        await self.supervisor.start(child, ready=lambda: _ready(health))

    def _env(self, service: str) -> dict[str, str]:
        role = f"smartops_{service}"
        options = self.options
        env = {
            "DATABASE_URL": options.reach(service, self.postgres.dsn(role, self.passwords[role])),
            "NATS_URL": options.reach(service, self.nats.url),
            "SMARTOPS_NATS_SEED_FILE": str(self.credentials.directory / f"{service}.nk"),
        }
        if service == "planner":
            env["SMARTOPS_CANARY_WINDOW"] = _iso(options.canary_window)
            env["SMARTOPS_WAVE_WINDOW"] = _iso(options.wave_window)
            env["SMARTOPS_SAMPLE_INTERVAL"] = _iso(options.sample_interval)
        if service == "policy":
            env["SMARTOPS_ACTORS_FILE"] = str(self.home / "actors.json")
            env["SMARTOPS_AUTONOMY_FILE"] = str(self.home / "autonomy.json")
            env["SMARTOPS_LOCAL_CREDENTIALS_IN_PRODUCTION"] = "true"
        if service == "tool_gateway" and self.fleet_url is not None:
            env["SMARTOPS_FLEET_URL"] = self.fleet_url
            env["SMARTOPS_FLEET_TOKEN_FILE"] = str(self._token_file())
        keys = self.vault_keys.get(service, {})
        env.update({name: str(path) for name, path in keys.items()})
        if service == "audit":
            env["SMARTOPS_ANCHORS_DIR"] = str(self.home / "anchors")
        return {**env, **options.service_env.get(service, {})}

    def _token_file(self) -> Path:
        return self.credentials.directory / "playground.token"

    def _write_actors(self) -> None:
        actors = [
            {
                "tenant": self.options.tenant,
                "name": name,
                "roles": list(roles),
                "principals": [{"issuer": "local", "subject": name}],
            }
            for name, roles in self.options.persons.items()
        ]
        path = self.home / "actors.json"
        if not path.exists():  # People may edit it; the next start tells policy.
            write_private(path, json.dumps(actors, indent=2) + "\n")

    def _write_autonomy(self) -> None:
        """What a single machine needs otherwise: nobody there has a second approver or time."""
        path = self.home / "autonomy.json"
        if not path.exists():  # As above: people may edit it.
            write_private(path, json.dumps(_AUTONOMY, indent=2) + "\n")

    def _write_profile(self) -> None:
        reader = "smartops_reader"
        profile = {
            "nats_url": self.nats.url,
            "reader_dsn": self.postgres.dsn(reader, self.passwords[reader]),
            "tenant": self.options.tenant,
            "prefix": self.subjects.prefix,
            "principals": self.principals,
            "monitor_url": self.nats.monitor_url,
        }
        write_private(self.home / "profile.json", json.dumps(profile, indent=2) + "\n")
        running = {
            "pid": os.getpid(),
            "postgres": self.postgres.pid,
            "nats": self.nats.pid,
            "playground": self.fleet_url,
            "services": {
                name: {"pid": child.pid, "health_url": self.health_url(name)}
                for name, child in self.services.items()
            },
        }
        write_private(self.home / "run.json", json.dumps(running, indent=2) + "\n")

    def _ask_fleet(
        self, method: str, path: str, body: object | None
    ) -> dict[str, list[dict[str, object]]]:
        request = Request(  # noqa: S310 - our own loopback address
            f"{self.fleet_url}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "authorization": f"Bearer {self.admin_token()}",
                "content-type": "application/json",
            },
        )
        with urlopen(request, timeout=10) as reply:  # noqa: S310 - the same
            raw = reply.read()
        found: dict[str, list[dict[str, object]]] = json.loads(raw) if raw else {}
        return found


@asynccontextmanager
async def running_stack(
    home: Path, options: StackOptions | None = None, *, handle_signals: bool = True
) -> AsyncIterator[Stack]:
    """A stack that is up; down again, with every process, at the end of the block."""
    async with Supervisor(handle_signals=handle_signals) as supervisor:
        stack = Stack(home, options or StackOptions(), supervisor)
        await stack.start()
        try:
            yield stack
        finally:
            (stack.home / "run.json").unlink(missing_ok=True)


def _audit_migrations() -> MigrationSource:
    spec = importlib.util.find_spec("smartops.audit")
    if spec is None or spec.origin is None:
        raise RuntimeError("the audit service is not installed: run `make setup`")
    return MigrationSource("audit", Path(spec.origin).parent / "sql")


def _base_env() -> dict[str, str]:
    """What every child needs of our environment; no more, so that secrets of ours stay ours."""
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SSL_CERT_FILE", "LOG_LEVEL", "LOG_FORMAT")
    env = {name: os.environ[name] for name in kept if name in os.environ}
    return {**env, "PYTHONUNBUFFERED": "1"}


async def _appears(path: Path) -> None:
    """Wait until another process has written a file; nothing tells of it."""

    def written() -> bool:
        return path.exists() and bool(path.read_text(encoding="utf-8").strip())

    await _until(written)


async def _ready(health: Path) -> None:
    """Wait until a service answers that it is ready."""
    await _appears(health)

    def ready() -> bool:
        # Read each time: after a restart the file names the ended process's port for a while.
        url = health.read_text(encoding="utf-8").strip() + "/ready"
        with contextlib.suppress(OSError), urlopen(url, timeout=2) as reply:  # noqa: S310 - ours
            return bool(reply.status == HTTPStatus.OK)
        return False

    await _until(ready)


async def _until(holds: Callable[[], bool]) -> None:
    while not await asyncio.to_thread(holds):  # noqa: ASYNC110 - nothing tells of it
        await asyncio.sleep(_POLL_S)


def _iso(delay: timedelta) -> str:
    return f"PT{delay.total_seconds():.3f}S"
