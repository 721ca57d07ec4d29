"""A log that was restored to an earlier point: what still holds of it, and a line that says so."""

from __future__ import annotations

import dataclasses
import json
import sys

from smartops.audit.adapters.anchor_files import AnchorLog
from smartops.audit.adapters.connecting import close, connect
from smartops.audit.adapters.log import last_position
from smartops.audit.anchors import read_anchors
from smartops.audit.settings import AuditSettings
from smartops.audit.verify import verify_all
from smartops.runtime.process import settle_memory

__all__ = ["note_rewind"]


async def note_rewind(settings: AuditSettings, position: int | None, by: str) -> int:
    """Verify all up to a position, then void the anchors beyond it; returns the exit status.

    To be run while audit does not. Prints one JSON line. Nothing is written if what is left is not
    what was anchored, or if nothing was anchored beyond it.

    Args:
        settings: whose log and anchors.
        position: the last one that is still what it was; None: the last one of the log.
        by: who says so.
    """
    settle_memory()
    conn = await connect(settings.database_url.get_secret_value())
    try:
        if position is None:
            position = await last_position(conn)
        anchors = list(read_anchors(settings.anchors_dir))
        kept = [anchor for anchor in anchors if anchor.position <= position]
        reports = await verify_all(conn, None, kept)
    finally:
        await close(conn)
    problems = [f"{report.tenant}: {text}" for report in reports for text in report.problems]
    told: dict[str, object] = {
        "ok": not problems,
        "position": position,
        "anchors_kept": len(kept),
        "anchors_void": len(anchors) - len(kept),
    }
    if problems:
        _print({**told, "problems": problems})
        return 1
    if len(kept) < len(anchors):
        files = AnchorLog(settings.anchors_dir)
        files.open()
        last = max(anchor.position for anchor in anchors)
        told["rewind"] = dataclasses.asdict(files.rewind(position, last, by))
    _print(told)
    return 0


def _print(content: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(content) + "\n")
