"""The whole of SmartOps on one machine: both servers, every service, a fleet to operate on.

Each part is a process of its own with credentials of its own, exactly as in production; only the
supervisor is shared.
"""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

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
from smartops.devstack.awaiting import ready
from smartops.devstack.files import private_directory
from smartops.devstack.fleet import Fleet
from smartops.devstack.papers import write_actors, write_autonomy, write_profile, write_running
from smartops.devstack.process import ServiceProcess, base_env
from smartops.devstack.secrets import Credentials
from smartops.devstack.servers import NatsServer, PostgresServer
from smartops.devstack.stack_options import PERSONS, StackOptions
from smartops.devstack.supervisor import Supervisor
from smartops.eventstore import EVENTSTORE, LOGIN_ROLES, MigrationSource, migrate
from smartops.eventstore.roles import set_role_passwords

__all__ = ["PERSONS", "Stack", "StackOptions", "running_stack"]


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
        token_file = self.credentials.directory / "playground.token"
        self._fleet = Fleet(self.home, options, token_file)
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
        write_actors(self.home, self.options.tenant, self.options.persons)
        write_autonomy(self.home)
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
        return self._fleet.token()

    async def fleet(self) -> list[dict[str, object]]:
        """The servers of the fleet, as its own API tells them."""
        answer = await self.ask_fleet("GET", "/v1/servers")
        servers: list[dict[str, object]] = answer["servers"]
        return servers

    async def ask_fleet(
        self, method: str, path: str, body: object | None = None
    ) -> dict[str, list[dict[str, object]]]:
        """A request to the playground's API."""
        return await self._fleet.ask(method, path, body)

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
        self._fleet.prepare()
        await self.supervisor.start(self._fleet.child, ready=self._fleet.ready)
        self.playground = self._fleet.child
        self.fleet_url = self._fleet.url

    async def _start_service(self, service: str, number: int) -> None:
        name = service if number == 1 else f"{service}-{number}"
        health = self.home / "run" / f"{name}.health"
        health.unlink(missing_ok=True)
        child = ServiceProcess(
            name,
            [sys.executable, "-m", f"smartops.{service}"],
            env={**base_env(), **self._env(service), "SMARTOPS_HEALTH_FILE": str(health)},
            log_path=self.home / "logs" / f"{name}.log",
        )
        self.services[name] = child
        await self.supervisor.start(child, ready=lambda: ready(health))

    def _env(self, service: str) -> dict[str, str]:
        role = f"smartops_{service}"
        options = self.options
        env = {
            **options.settings,
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
            env["SMARTOPS_GOVERNING_TENANT"] = options.tenant
            env["SMARTOPS_LOCAL_CREDENTIALS_IN_PRODUCTION"] = "true"
        if service == "tool_gateway" and self.fleet_url is not None:
            env["SMARTOPS_FLEET_URL"] = self.fleet_url
            env["SMARTOPS_FLEET_TOKEN_FILE"] = str(self._fleet.token_file)
        keys = self.vault_keys.get(service, {})
        env.update({name: str(path) for name, path in keys.items()})
        if service == "audit":
            env["SMARTOPS_ANCHORS_DIR"] = str(self.home / "anchors")
        return {**env, **options.service_env.get(service, {})}

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
        write_profile(self.home, profile)
        running = {
            "postgres": self.postgres.pid,
            "nats": self.nats.pid,
            "playground": self.fleet_url,
            "services": {
                name: {"pid": child.pid, "health_url": self.health_url(name)}
                for name, child in self.services.items()
            },
        }
        write_running(self.home, running)


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


def _iso(delay: timedelta) -> str:
    return f"PT{delay.total_seconds():.3f}S"
