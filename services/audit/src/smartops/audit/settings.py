"""The audit service's settings."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from pydantic import Field
from smartops.audit.service import AuditOptions
from smartops.runtime.settings import ServiceSettings

__all__ = ["AuditSettings"]


class AuditSettings(ServiceSettings):
    """The common settings, and where and how often heads are anchored. No secret of its own."""

    anchors_dir: Path
    """Directory of the anchor files. Outside the database's disk, or anchors prove little."""

    anchor_interval: timedelta = timedelta(seconds=10)
    """Between two anchors of a tenant whose head moves: what may be cut off unnoticed."""

    batch: int = Field(default=2_000, ge=1, le=20_000)
    """Events folded in one transaction, at most."""

    busy_pause: timedelta = timedelta(milliseconds=50)
    """After a batch that was not full; how late the read models are, at the least."""

    idle_pause: timedelta = timedelta(milliseconds=250)
    """Longest pause while nothing comes."""

    def options(self) -> AuditOptions:
        """What of this concerns the core."""
        return AuditOptions(
            batch=self.batch,
            busy_pause=self.busy_pause,
            idle_pause=self.idle_pause,
            anchor_interval=self.anchor_interval,
        )
