"""What a fleet looks like on its first day."""

from __future__ import annotations

import re
from dataclasses import dataclass

from smartops.playground.errors import InvalidOption

__all__ = ["BASE_LATENCY_MS", "VERSION", "WEB_SERVER", "FleetSpec", "Server", "first_servers"]

WEB_SERVER = "web-server"
"""The one role of the fleet."""

VERSION = re.compile(r"\d{1,6}\.\d{1,6}\.\d{1,6}(?:[-+][0-9A-Za-z.+-]{1,40})?")
"""A version as servers accept it: three numbers, perhaps a suffix."""

BASE_LATENCY_MS = 40.0
"""The slowest hundredth of requests to a server that nothing is wrong with."""

MAX_SERVERS = 10_000
"""Keeps one inventory answer below a few megabytes."""

MAX_BACKUP_MS = 3_600_000
"""An hour: nobody waits longer for a playground."""

_PLATFORMS = ("aws", "azure")
_REGIONS = ("us-east-1", "eu-west-1")


@dataclass(frozen=True, slots=True)
class FleetSpec:
    """The fleet to begin with, and to come back to on a reset."""

    servers: int = 12
    """How many servers, 1 to 10,000."""
    environment: str = "production"
    """The environment that every server is in."""
    drifted: int | None = None
    """How many servers, counted from the first, run the old version; None for all."""
    golden: str = "2.4.1"
    """The version that the role ought to run."""
    old: str = "2.4.0"
    """The version that drifted servers run."""
    backup_ms: int = 500
    """How long a backup takes."""

    def __post_init__(self) -> None:
        """Refuse a fleet that cannot exist.

        Raises:
            InvalidOption: A count is out of range, or a version is none.
        """
        if not 1 <= self.servers <= MAX_SERVERS:
            raise InvalidOption(f"A fleet has 1 to {MAX_SERVERS} servers, not {self.servers}.")
        if self.drifted is not None and not 0 <= self.drifted <= self.servers:
            raise InvalidOption(f"0 to {self.servers} servers can be drifted, not {self.drifted}.")
        if not 1 <= self.backup_ms <= MAX_BACKUP_MS:
            raise InvalidOption(f"A backup takes 1 to {MAX_BACKUP_MS} ms, not {self.backup_ms}.")
        if not self.environment:
            raise InvalidOption("Name the environment of the fleet.")
        for version in (self.golden, self.old):
            if not VERSION.fullmatch(version):
                raise InvalidOption(f"{version!r} is no version; write one like 2.4.1.")


@dataclass(slots=True)
class Server:
    """One web server: what it is, and what was done to it."""

    id: str
    role: str
    environment: str
    region: str
    platform: str
    version: str
    base_error_rate: float
    """Fraction of requests failing, 0 to 1, while no fault adds to it."""
    draining: bool = False
    restarts: int = 0
    """Restarts applied; a restart is never deduplicated."""
    patches: int = 0
    """Version writes applied, also those that named the version already running."""


def first_servers(spec: FleetSpec) -> dict[str, Server]:
    """The servers of a new fleet by id, in order; the same for the same `spec`."""
    drifted = spec.servers if spec.drifted is None else spec.drifted
    servers = (
        Server(
            id=f"web-{index + 1:02d}",
            role=WEB_SERVER,
            environment=spec.environment,
            region=_REGIONS[index // len(_PLATFORMS) % len(_REGIONS)],
            platform=_PLATFORMS[index % len(_PLATFORMS)],
            version=spec.old if index < drifted else spec.golden,
            base_error_rate=(2 + index % 5) / 2000,  # 0.1 % to 0.3 %: below any sane threshold
        )
        for index in range(spec.servers)
    )
    return {server.id: server for server in servers}
