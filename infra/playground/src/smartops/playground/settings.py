"""The options of the process."""

from __future__ import annotations

import argparse
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from smartops.playground.errors import InvalidOption
from smartops.playground.spec import FleetSpec

__all__ = ["Settings", "read_settings"]


@dataclass(frozen=True, slots=True)
class Settings:
    """What one process serves, where, and for whom."""

    host: str
    """The address to listen on; beyond this machine only with a token file."""
    port: int
    """The port; 0 for any free one."""
    fleet: FleetSpec
    record: Path
    record_reads: bool
    state: Path
    token_file: Path | None
    admin_token_file: Path | None
    ready_file: Path | None


def read_settings(arguments: Sequence[str] | None = None) -> Settings:
    """Settings from the command line; exits with a hint where it cannot be read.

    Raises:
        InvalidOption: An option was read but cannot work.
    """
    given = _parser().parse_args(arguments)
    if given.token_file is None and not _is_local(given.host):
        raise InvalidOption(f"Give a --token-file to listen on {given.host!r}.")
    return Settings(
        host=given.host,
        port=given.port,
        fleet=FleetSpec(
            servers=given.servers,
            environment=given.environment,
            drifted=given.drifted,
            golden=given.golden,
            old=given.old,
            backup_ms=given.backup_ms,
        ),
        record=given.record,
        record_reads=given.record_reads,
        state=given.state,
        token_file=given.token_file,
        admin_token_file=given.admin_token_file,
        ready_file=given.ready_file,
    )


def _parser() -> argparse.ArgumentParser:
    first = FleetSpec()
    parser = argparse.ArgumentParser(
        prog="smartops.playground", description="An HTTP fleet of web servers to operate on."
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on")
    add("--port", type=int, default=0, help="port to listen on; 0 takes a free one")
    add("--servers", type=int, default=first.servers, help="how many servers")
    add("--environment", default=first.environment, help="the environment they are in")
    add("--drifted", type=int, help="how many run the old version; all, if not given")
    add("--golden", default=first.golden, help="the version they ought to run")
    add("--old", default=first.old, help="the version that drifted ones run")
    add("--backup-ms", type=int, default=first.backup_ms, help="how long a backup takes")
    add("--record", type=Path, required=True, help="file to append requests to")
    add("--record-reads", action="store_true", help="record reads too")
    add("--state", type=Path, required=True, help="file that keeps the fleet")
    add("--token-file", type=Path, help="file holding the bearer token to ask for")
    add("--admin-token-file", type=Path, help="the same for the switches below /admin")
    add("--ready-file", type=Path, help="file to write the port to once it listens")
    return parser


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
