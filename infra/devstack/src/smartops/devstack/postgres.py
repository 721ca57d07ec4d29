"""A real PostgreSQL, durable and private to its directory, for as long as we live."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final
from urllib.parse import quote

import asyncpg
from smartops.devstack.cluster import (
    SUPERUSER,
    make_cluster,
    postgres_environment,
    postgres_programs,
    stored_superuser_password,
)
from smartops.devstack.identity import Account, Way, choose_account
from smartops.devstack.ports import LOOPBACK, free_port
from smartops.devstack.process import ServiceProcess
from smartops.devstack.procfs import processes_in
from smartops.devstack.server import POLL_S, LocalServer
from typing_extensions import override

__all__ = ["DATABASE", "DEFAULT_SETTINGS", "PostgresServer"]

DATABASE: Final = "smartops"

START_TIMEOUT: Final = timedelta(seconds=60)
"""Covers crash recovery after a kill under load; an undisturbed start takes a tenth of a second."""

STOP_GRACE: Final = timedelta(seconds=20)
"""Covers the shutdown checkpoint on a slow disk."""

DEFAULT_SETTINGS: Final[Mapping[str, str]] = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    # The kernel caches as well; more here is only counted twice on a small machine.
    "shared_buffers": "32MB",
    "max_connections": "100",
    "max_wal_size": "512MB",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",
    # Our statements are short: compiling them costs more than it saves.
    "jit": "off",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "log_checkpoints": "off",
}

_STATUS_LINE: Final = 7
"""Where postmaster.pid says how far the server has come."""


class PostgresServer(LocalServer):
    """PostgreSQL 18 on a loopback port.

    Passwords are required of everyone; no socket file is made. The first start makes the cluster
    (with data checksums), every start the database `smartops` if it is missing. Acknowledged
    commits survive every crash, ours included.
    """

    name = "postgres"

    def __init__(
        self,
        data_dir: Path,
        *,
        port: int | None = None,
        superuser_password: str | None = None,
        settings: Mapping[str, str] | None = None,
        log_path: Path | None = None,
        start_timeout: timedelta = START_TIMEOUT,
        launcher: Sequence[str] = (),
    ) -> None:
        """Describe a server.

        Args:
            data_dir: The cluster's directory. Its log and lock become siblings.
            port: None: a free one, kept over restarts of this object.
            superuser_password: None: made up at the first start and kept inside `data_dir`.
            settings: Server settings laid over `DEFAULT_SETTINGS`.
            log_path: Where its log is appended.
            start_timeout: How long a start may take, recovery included.
            launcher: Program and arguments, such as `env NAME=value`, that become the server.
        """
        super().__init__(data_dir, log_path=log_path, start_timeout=start_timeout, grace=STOP_GRACE)
        self._wanted_port = port
        self._port = port
        self._password = superuser_password
        self._settings = {**DEFAULT_SETTINGS, **(settings or {})}
        self._launcher = tuple(launcher)
        self._account: Account | None = None

    @property
    def data_dir(self) -> Path:
        """The cluster's directory."""
        return self.directory

    @property
    def port(self) -> int:
        """The port it listens on."""
        if self._port is None:
            raise RuntimeError("the port is chosen by the first start(): start the server first")
        return self._port

    @property
    def way(self) -> Way:
        """How it avoids being root."""
        return self._chosen_account.way

    @property
    def superuser_password(self) -> str:
        """The password of the role `postgres`."""
        return self._password or stored_superuser_password(self.data_dir)

    def dsn(
        self, user: str | None = None, password: str | None = None, database: str = DATABASE
    ) -> str:
        """Return the URL of a database for a role; without a role: for the superuser."""
        if user is None:
            user, password = SUPERUSER, self.superuser_password
        login = quote(user, safe="")
        if password is not None:
            login += ":" + quote(password, safe="")
        place = f"{LOOPBACK}:{self.port}/{quote(database, safe='')}"
        # Without a mode, clients first look for certificates in a home that may not exist.
        return f"postgresql://{login}@{place}?sslmode=disable"

    @override
    async def kill(self) -> None:
        await super().kill()
        while processes_in(self.data_dir, "postgres"):
            self._clear_orphans()
            await asyncio.sleep(POLL_S)

    @override
    def kill_now(self) -> None:
        if self._process is None or not self._process.running:
            return
        # Stopped first: a postmaster at work could still fork between our look and our signal.
        self._process.signal(signal.SIGSTOP)
        _kill(processes_in(self.data_dir, "postgres"))
        self._process.kill_now()

    @override
    async def _prepare(self, lock: int) -> None:
        self._account = await choose_account(
            postgres_programs() / "postgres", self.data_dir.parent, postgres_environment()
        )
        await make_cluster(self.data_dir, self._account, self._password, self.log_path, lock)

    @override
    def _describe(self) -> ServiceProcess:
        settings = {
            **self._settings,
            "listen_addresses": LOOPBACK,
            "port": str(self.port),
            "unix_socket_directories": "",
        }
        return ServiceProcess(
            self.name,
            [
                *self._launcher,
                *(postgres_programs() / "postgres", "-D", self.data_dir),
                *(part for key, value in settings.items() for part in ("-c", f"{key}={value}")),
            ],
            postgres_environment(),
            self.log_path,
            # Fast shutdown: clients are cut off, then everything is written out.
            stop_signal=signal.SIGINT,
            # Immediate shutdown: the postmaster takes its backends along. SIGKILL would not.
            death_signal=signal.SIGQUIT,
            identity=self._chosen_account.options,
        )

    @override
    def _choose_ports(self) -> bool:
        self._port = self._port or free_port()
        return self._wanted_port is None

    @override
    def _forget_ports(self) -> None:
        self._port = self._wanted_port

    @override
    async def _is_ready(self) -> bool:
        lines = self._pid_file()
        return (
            len(lines) > _STATUS_LINE
            and lines[0] == str(self.pid)
            and lines[_STATUS_LINE].strip() == "ready"
        )

    @override
    async def _complete(self) -> None:
        try:
            try:
                await _execute(self.dsn(), "select 1")
            except asyncpg.InvalidCatalogNameError:
                await _execute(self.dsn(database="postgres"), f"create database {DATABASE}")
        except (OSError, asyncpg.PostgresError) as error:
            raise self._failure(
                f"its superuser cannot work: {error}",
                "Give the password with which the data directory was made.",
            ) from error

    @override
    def _clear_orphans(self) -> None:
        """Kill backends whose postmaster is gone; they hold the directory until they notice."""
        remaining = processes_in(self.data_dir, "postgres")
        lines = self._pid_file()
        if lines and lines[0] not in {str(pid) for pid in remaining}:
            _kill(remaining)

    def _pid_file(self) -> list[str]:
        try:
            text = (self.data_dir / "postmaster.pid").read_text("utf-8", "replace")
        except FileNotFoundError:
            return []
        return text.splitlines()

    @property
    def _chosen_account(self) -> Account:
        if self._account is None:
            raise RuntimeError("this is found out by the first start(): start the server first")
        return self._account


async def _execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def _kill(pids: set[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
