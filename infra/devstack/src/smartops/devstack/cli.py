"""`smartops up` and `smartops demo`: a whole stack behind one command."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from smartops.devstack.demo import run_demo
from smartops.devstack.errors import DevstackError
from smartops.devstack.people import local_people
from smartops.devstack.stack import StackOptions, running_stack

__all__ = ["demo", "up"]

_FAILED = 1
_OURS = ("SMARTOPS_", "OPA_URL")
"""Beginnings of environment variables that `up` hands on: settings of the services."""

NO_REPLICAS: Mapping[str, int] = MappingProxyType({})


def up(home: Path, *, foreground: bool = True, replicas: Mapping[str, int] = NO_REPLICAS) -> int:
    """Start everything, say where it is, and keep it up until Ctrl-C or SIGTERM.

    Args:
        home: the data directory; open tasks of an earlier run go on.
        foreground: must be true; a service manager is the way to run it in the background.
        replicas: processes per service; one where it is not named.

    Returns:
        The exit code.
    """
    if not foreground:
        raise ValueError("run it under a service manager instead")
    _log_plainly()
    try:
        asyncio.run(_up(home, replicas))
    except DevstackError as error:
        print(f"smartops up: {error}", file=sys.stderr)  # noqa: T201 - this is a command
        return _FAILED
    return 0


def demo(home: Path | None, *, break_target: bool, yes: bool, json_only: bool = False) -> int:
    """One task from intent to end, on real servers.

    Args:
        home: where; None: a directory of its own, removed afterwards.
        break_target: let the canary fall ill after its change, and see the rollback.
        yes: let a scripted client decide, with the approver's own credential.
        json_only: progress on standard error, so that only the last line is on standard output.

    Returns:
        0 when the task ended as it should, and the fleet and the chain agree.
    """
    _log_plainly()
    where = home or Path(tempfile.mkdtemp(prefix="smartops-demo-"))
    try:
        return asyncio.run(run_demo(where, break_target=break_target, yes=yes, json_only=json_only))
    except DevstackError as error:
        print(f"smartops demo: {error}", file=sys.stderr)  # noqa: T201 - this is a command
        return _FAILED
    finally:
        if home is None:
            shutil.rmtree(where, ignore_errors=True)


async def _up(home: Path, replicas: Mapping[str, int]) -> None:
    usual = StackOptions()
    options = replace(
        usual,
        replicas=replicas,
        persons=local_people(home, usual.tenant),
        settings={name: os.environ[name] for name in os.environ if name.startswith(_OURS)},
    )
    async with running_stack(home, options) as stack:
        lines = [
            f"SmartOps is up in {stack.home}",
            f"  bus        {stack.nats.url}",
            f"  database   127.0.0.1:{stack.postgres.port}",
            f"  playground {stack.fleet_url} ({stack.options.servers} web servers)",
            *(f"  {name:<12} {stack.health_url(name)}/ready" for name in stack.services),
            f"  {'people':<12} {', '.join(options.persons)}",
            "",
            "Ask for something in another terminal:",
            '  smartops submit "Fix drift on production web servers" --watch',
            "Ctrl-C stops it; the data stays.",
        ]
        print("\n".join(lines), flush=True)  # noqa: T201 - this is a command
        await stack.supervisor.run_until_stopped()


def _log_plainly() -> None:
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
