"""Where and with what a figure was measured."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import asyncpg
from smartops.devstack.stack import Stack

from benchmarks.lib.monitor import monitor_page

__all__ = ["machine", "versions"]

_PACKAGES = ("asyncpg", "nats-py", "uvloop", "pydantic", "faststream")
_ROOT = Path(__file__).resolve().parent.parent.parent


def machine() -> dict[str, object]:
    """The computer."""
    return {
        "cpu": _cpu_model(),
        "cpus": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1024**3, 1),
        "kernel": platform.release(),
        "load_before": round(os.getloadavg()[0], 2),
    }


async def versions(stack: Stack) -> dict[str, str]:
    """What ran; our own code by its commit, with a `+` if files differ from it."""
    connection = await asyncpg.connect(stack.postgres.dsn())
    try:
        postgres = str(await connection.fetchval("show server_version"))
    finally:
        await connection.close()
    return {
        "smartops": _commit(),
        "python": platform.python_version(),
        "postgres": postgres,
        "nats": str((await monitor_page(stack, "/varz"))["version"]),
        **{name: version(name) for name in _PACKAGES},
    }


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def _commit() -> str:
    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(_ROOT), *arguments], capture_output=True, text=True, check=False
        )
        return done.stdout.strip()

    commit = git("rev-parse", "--short", "HEAD") or "unknown"
    return commit + ("+" if git("status", "--porcelain") else "")
