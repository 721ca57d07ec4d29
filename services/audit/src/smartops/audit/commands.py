"""What an operator runs by hand: verify the log, check or replace the read models."""

from __future__ import annotations

import dataclasses
import json
import sys

from smartops.audit.adapters.connecting import connect
from smartops.audit.rebuild import check, replace
from smartops.audit.service import PROJECTOR_LOCK
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
    """Replay the log and put the result in the place of the read models."""
    settle_memory()
    conn = await connect(settings.database_url.get_secret_value())
    try:
        if not await conn.fetchval("select pg_try_advisory_lock($1)", PROJECTOR_LOCK):
            _print({"ok": False, "problem": "the audit service is projecting: stop it first"})
            return 1
        position = await replace(conn)
    finally:
        await conn.close()
    _print({"ok": True, "position": position})
    return 0


def _print(content: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(content) + "\n")
