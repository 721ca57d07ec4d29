"""When heads are anchored, and what the last anchors say about the log."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from smartops.audit.adapters.anchor_files import AnchorLog
from smartops.audit.adapters.tables import Connection
from smartops.audit.errors import AnchorsDamaged, LogTampered
from smartops.audit.read_models.tenants import TenantRow

__all__ = ["Anchoring"]

_log = logging.getLogger(__name__)


class Anchoring:
    """Writes heads down every few seconds. Its own trouble never stops the projecting.

    Args:
        directory: of the anchor files.
        interval: between two anchors of a tenant.
    """

    def __init__(self, directory: Path, interval: timedelta) -> None:
        self._files = AnchorLog(directory)
        self._interval = interval.total_seconds()
        self._due = 0.0
        self._is_open = False
        self.trouble: str | None = None
        """Why nothing is anchored; None while it is."""

    async def open(self, conn: Connection) -> None:
        """Find the last anchors, and compare them with the log.

        Raises:
            LogTampered: an anchored head is not in the log any more: it was cut off or rewritten.
        """
        self._is_open = False
        try:
            await asyncio.to_thread(self._files.open)
        except (AnchorsDamaged, OSError) as error:
            self._note(error)
            return
        for anchor in self._files.latest:
            found = await conn.fetchrow(
                "select ordinal, hash from smartops_log.events where position = $1 and tenant = $2",
                anchor.position,
                anchor.tenant,
            )
            if found is None or (found[0], found[1].hex()) != (anchor.count, anchor.head):
                raise LogTampered(
                    anchor.position,
                    anchor.tenant,
                    f"the head that was anchored here at {anchor.at} is not in the log (if it was "
                    "restored to an earlier point on purpose: empty the bus, then say so by "
                    "`python -m smartops.audit rewound`)",
                )
        self._is_open = True
        self.trouble = None
        self._due = time.monotonic() + self._interval

    async def append_if_due(self, ends: Sequence[TenantRow]) -> None:
        """Anchor if the interval is over."""
        if time.monotonic() >= self._due:
            await self.append(ends)

    async def append(self, ends: Sequence[TenantRow]) -> None:
        """Anchor the heads that have moved, now."""
        self._due = time.monotonic() + self._interval
        if not self._is_open:
            return
        try:
            await asyncio.to_thread(self._files.append, ends)
        except OSError as error:
            self._note(error)
        else:
            self.trouble = None

    def _note(self, error: Exception) -> None:
        text = str(error) or type(error).__name__
        if text != self.trouble:
            _log.error("nothing is anchored: %s", text, exc_info=error)
        self.trouble = text
