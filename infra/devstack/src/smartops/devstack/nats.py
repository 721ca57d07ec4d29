"""A real nats-server with JetStream, durable and private to its directory, while we live."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sysconfig
from datetime import timedelta
from pathlib import Path
from typing import Final

from smartops.devstack.curing import Illness
from smartops.devstack.errors import ServerReloadError, ServerStartError
from smartops.devstack.files import write_private
from smartops.devstack.monitor import greets, read_monitor
from smartops.devstack.ports import LOOPBACK, free_port
from smartops.devstack.process import ServiceProcess, tail
from smartops.devstack.server import POLL_S, LocalServer
from typing_extensions import override

__all__ = ["DEFAULT_NATS_CONFIG", "NatsServer", "nats_program"]

START_TIMEOUT: Final = timedelta(seconds=60)
"""Covers reading a large store after a crash; an empty one is ready in a few hundredths."""

STOP_GRACE: Final = timedelta(seconds=10)
RELOAD_TIMEOUT: Final = timedelta(seconds=5)

ROOM_BYTES: Final = 64 * 1024**2
"""With less room on its disk than this a restart would soon end as the last time did."""

_FROZEN: Final = "write error"
"""How the server's health page names a stream that it has closed after a failed write."""

DEFAULT_NATS_CONFIG: Final = """\
listen: "127.0.0.1:${PORT}"
http: "127.0.0.1:${MONITOR_PORT}"
server_name: "smartops-dev"
max_payload: 1MB
jetstream {
  store_dir: "${STORE_DIR}"
  # Acknowledged means on disk. The default would flush every two minutes.
  sync_interval: always
}
"""


class NatsServer(LocalServer):
    """nats-server on loopback ports.

    With `sync_interval: always`, as in the default configuration, acknowledged messages survive
    every crash, ours included.
    """

    name = "nats-server"

    def __init__(
        self,
        store_dir: Path,
        *,
        config_text: str | None = None,
        port: int | None = None,
        monitor_port: int | None = None,
        log_path: Path | None = None,
        start_timeout: timedelta = START_TIMEOUT,
    ) -> None:
        """Describe a server.

        Args:
            store_dir: The JetStream store. Configuration, log and lock become siblings.
            config_text: A template in which `${PORT}`, `${MONITOR_PORT}` and `${STORE_DIR}`
                are filled in; the last one must stand in double quotes. None: one account,
                no users, JetStream with a flush per message.
            port: Of clients; None: a free one, kept over restarts of this object.
            monitor_port: Of the HTTP monitor, likewise.
            log_path: Where its log is appended.
            start_timeout: How long a start may take, reading the store included.
        """
        super().__init__(
            store_dir, log_path=log_path, start_timeout=start_timeout, grace=STOP_GRACE
        )
        self.config_path = self._sibling(".conf")
        self._template = DEFAULT_NATS_CONFIG if config_text is None else config_text
        self._wanted = (port, monitor_port)
        self._port, self._monitor_port = self._wanted

    @property
    def store_dir(self) -> Path:
        """The JetStream store."""
        return self.directory

    @property
    def port(self) -> int:
        """The port of clients."""
        return _chosen(self._port)

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"nats://{LOOPBACK}:{self.port}"

    @property
    def monitor_url(self) -> str:
        """Where its HTTP monitor answers, if the configuration has one."""
        return f"http://{LOOPBACK}:{_chosen(self._monitor_port)}"

    async def illness(self) -> Illness | None:
        """A stream that takes nothing any more, because a write to it has failed once."""
        if not self.running or "${MONITOR_PORT}" not in self._template:
            return None
        try:
            health = await read_monitor(_chosen(self._monitor_port), "/healthz")
        except (OSError, ValueError):
            return None  # It does not serve, or is just going down; its end is seen otherwise.
        what = str(health.get("error", ""))
        return Illness(what, self._lacks_room()) if _FROZEN in what else None

    def _lacks_room(self) -> str | None:
        try:
            disk = os.statvfs(self.store_dir)
        except OSError as error:
            return f"look after {self.store_dir}: {error.strerror}"
        free = disk.f_bavail * disk.f_frsize
        if free >= ROOM_BYTES:
            return None
        return (
            f"free some room where {self.store_dir} lies: {free >> 20} MiB are left, and once there"
            f" are {ROOM_BYTES >> 20} MiB it is restarted"
        )

    async def reload(self, config_text: str | None = None) -> None:
        """Rewrite the configuration, from a new template if one is given, and have it taken over.

        The configuration must have an HTTP monitor: it tells when the new one is in force.

        Raises:
            ServerReloadError: The server refused it and goes on with the old one.
        """
        previous = self._template
        self._template = previous if config_text is None else config_text
        try:
            self._write_config()
            await self._check_config()
            await self._reload_checked()
        except BaseException:
            self._template = previous
            self._write_config()
            raise

    async def _reload_checked(self) -> None:
        before = await self._loaded_at()
        log_start = self.log_path.stat().st_size
        self._started.signal(signal.SIGHUP)
        try:
            async with asyncio.timeout(RELOAD_TIMEOUT.total_seconds()):
                while await self._loaded_at() == before:
                    said = tail(self.log_path, since=log_start)
                    if "Failed to reload" in said:
                        raise ServerReloadError(self.name, said)
                    await asyncio.sleep(POLL_S)
        except (TimeoutError, ConnectionError) as error:
            raise ServerReloadError(self.name, "it does not say that it has taken it") from error

    async def _loaded_at(self) -> object:
        return (await read_monitor(_chosen(self._monitor_port), "/varz"))["config_load_time"]

    async def _check_config(self) -> None:
        checker = await asyncio.create_subprocess_exec(
            *(str(nats_program()), "-t", "-c", str(self.config_path)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await checker.communicate()
        if checker.returncode != 0:
            raise ServerReloadError(self.name, said.decode("utf-8", "replace").strip())

    def _write_config(self) -> None:
        values = {
            "PORT": str(self.port),
            "MONITOR_PORT": str(_chosen(self._monitor_port)),
            "STORE_DIR": str(self.store_dir).replace("\\", "\\\\").replace('"', '\\"'),
        }
        filled = re.sub(
            r"\$\{(PORT|MONITOR_PORT|STORE_DIR)\}", lambda m: values[m[1]], self._template
        )
        write_private(self.config_path, filled)

    @override
    async def _prepare(self, lock: int) -> None:
        self.store_dir.mkdir(exist_ok=True, mode=0o700)

    @override
    def _describe(self) -> ServiceProcess:
        self._write_config()
        kept = ("PATH", "TMPDIR")
        # A third less memory than at Go's own 100, with no more CPU than could be told from noise.
        environment = {
            "TZ": "UTC",
            "GOGC": "50",
            **{k: os.environ[k] for k in kept if k in os.environ},
        }
        return ServiceProcess(
            self.name, [nats_program(), "-c", self.config_path], environment, self.log_path
        )

    @override
    def _choose_ports(self) -> bool:
        self._port = self._port or free_port()
        self._monitor_port = self._monitor_port or free_port()
        return None in self._wanted

    @override
    def _forget_ports(self) -> None:
        self._port, self._monitor_port = self._wanted

    @override
    async def _is_ready(self) -> bool:
        if "${MONITOR_PORT}" not in self._template:
            return await greets(self.port)
        try:
            health = await read_monitor(_chosen(self._monitor_port), "/healthz")
        except OSError:
            return False
        return bool(health["status"] == "ok")


def nats_program() -> Path:
    """Return the path of the nats-server program.

    Raises:
        ServerStartError: It is not installed.
    """
    program = Path(sysconfig.get_path("scripts")) / "nats-server"
    if program.is_file():
        return program
    raise ServerStartError(
        "nats-server", f"{str(program)!r} is missing", advice="Run `make setup`."
    )


def _chosen(port: int | None) -> int:
    if port is None:
        raise RuntimeError("ports are chosen by the first start(): start the server first")
    return port
