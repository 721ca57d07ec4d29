"""What an operator runs by hand: verify the log, check or replace the read models."""

from __future__ import annotations

import dataclasses
import json
import sys
import time

from smartops.audit.adapters.connecting import connect
from smartops.audit.checking import check
from smartops.audit.errors import AuditError
from smartops.audit.rebuild import Progress, replace
from smartops.audit.settings import AuditSettings
from smartops.audit.verify import verify_all
from smartops.runtime.process import settle_memory

__all__ = ["check_read_models", "rebuild_read_models", "verify_log"]


async def verify_log(settings: AuditSettings, tenant: str | None) -> int:
    """Print one JSON line per tenant; returns the exit status."""
    settle_memory()
    conn = await connect(settings.database_url.get_secret_value())
    try:
        reports = await verify_all(conn, tenant, settings.anchors_dir)
    finally:
        await conn.close()
    for report in reports:
        _print(dataclasses.asdict(report))
    return 0 if all(report.ok for report in reports) else 1


async def check_read_models(settings: AuditSettings) -> int:
    """Replay the log beside the read models and compare; the service may go on meanwhile."""
    settle_memory()
    conn = await connect(settings.database_url.get_secret_value())
    try:
        report = await check(conn)
    finally:
        await conn.close()
    _print({"ok": report.ok, "position": report.position, "different": report.different})
    return 0 if report.ok else 1


async def rebuild_read_models(settings: AuditSettings) -> int:
    """Build the read models anew beside the old ones, then switch; the service may go on."""
    settle_memory()
    began = time.monotonic()
    try:
        position = await replace(settings.database_url.get_secret_value(), _progress())
    except AuditError as error:
        _print({"ok": False, "code": error.code, "problem": str(error)})
        return 1
    _print({"ok": True, "position": position, "seconds": round(time.monotonic() - began, 1)})
    return 0


def _progress() -> Progress:
    """A line on standard error each second."""
    began = told = time.monotonic()

    def tell(position: int, end: int) -> None:
        nonlocal told
        now = time.monotonic()
        if now - told < 1 and position < end:
            return
        told, speed = now, position / max(now - began, 1e-3)
        left = (end - position) / speed
        sys.stderr.write(f"{position:,} of {end:,} events, {speed:,.0f}/s, {left:.0f} s left\n")

    return tell


def _print(content: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(content) + "\n")
