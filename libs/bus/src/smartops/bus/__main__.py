"""`python -m smartops.bus`: keys, server configuration, provisioning, for whoever runs the bus."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from pathlib import Path

from smartops.bus.api import API
from smartops.bus.connection import close, connect
from smartops.bus.errors import BusError
from smartops.bus.household import Household
from smartops.bus.nkey import new_user_key
from smartops.bus.provisioner import Provisioner
from smartops.bus.server_config import TlsFiles, render_config
from smartops.bus.topology import Sizing, build_topology
from smartops.bus.users import PROVISIONER, inbox_prefix
from smartops.contracts.subjects import Subjects

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the process's exit code."""
    options = _parser().parse_args(arguments)
    try:
        text: str = options.run(options)
    except BusError as error:
        sys.stderr.write(f"{error.code}: {error}\n")
        return 1
    sys.stdout.write(text)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m smartops.bus", description=__doc__)
    commands = parser.add_subparsers(required=True)

    key = commands.add_parser("new-key", help="make a key pair; the seed goes into a new file")
    key.add_argument("seed_path", type=Path)
    key.set_defaults(run=_new_key)

    config = commands.add_parser("config", help="write the server's configuration")
    config.add_argument("users", type=Path, help="JSON file of users and public keys")
    config.add_argument("--host", default="127.0.0.1")
    config.add_argument("--server-name", default="smartops-0")
    config.add_argument("--tls-cert")
    config.add_argument("--tls-key")
    config.set_defaults(run=_config)

    provision = commands.add_parser("provision", help="make streams and durables as declared")
    provision.add_argument("--url", required=True)
    provision.add_argument("--seed-path", type=Path)
    provision.add_argument("--prefix", default="smartops")
    provision.add_argument("--replicas", type=int, default=1)
    provision.add_argument("--plan", action="store_true", help="only say what would be done")
    provision.set_defaults(run=lambda options: asyncio.run(_provision(options)))
    return parser


def _new_key(options: argparse.Namespace) -> str:
    pair = new_user_key()
    try:
        # Exclusive: an overwritten seed locks somebody out. Private from the first byte on.
        file = os.open(options.seed_path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise BusError(f"cannot create {str(options.seed_path)!r}: {error.strerror}") from error
    with os.fdopen(file, "w") as out:
        out.write(f"{pair.seed}\n")
    return f"{pair.public}\n"


def _config(options: argparse.Namespace) -> str:
    household = Household.read(options.users)
    topology = build_topology(household.subjects)
    tls = TlsFiles(options.tls_cert, options.tls_key) if options.tls_cert else None
    return render_config(
        household.users(topology),
        topology,
        system_key=household.system,
        server_name=options.server_name,
        host=options.host,
        tls=tls,
    )


async def _provision(options: argparse.Namespace) -> str:
    topology = build_topology(Subjects(options.prefix), Sizing(replicas=options.replicas))
    nc = await connect(
        options.url,
        name=PROVISIONER,
        inbox_prefix=inbox_prefix(PROVISIONER),
        seed_path=options.seed_path,
        api=API,
    )
    try:
        provisioner = Provisioner(nc)
        report = await (provisioner.plan if options.plan else provisioner.apply)(topology)
    finally:
        await close(nc)
    return f"{report}\n"


if __name__ == "__main__":
    sys.exit(main())
