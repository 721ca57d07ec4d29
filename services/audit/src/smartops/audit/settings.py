"""The audit service's settings."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from pydantic import Field
from smartops.audit.options import AuditOptions
from smartops.runtime.settings import ServiceSettings

__all__ = ["AuditSettings"]

_DEFAULTS = AuditOptions()


class AuditSettings(ServiceSettings):
    """The common settings, and where and how often heads are anchored. No secret of its own."""

    anchors_dir: Path
    """Directory of the anchor files. Outside the database's disk, or anchors prove little."""

    anchor_interval: timedelta = timedelta(seconds=10)
    """Between two anchors of a tenant whose head moves: what may be cut off unnoticed."""

    batch: int = Field(default=2_000, ge=1, le=20_000)
    """Events folded in one transaction, at most."""

    busy_pause: timedelta = _DEFAULTS.busy_pause
    """After a small batch: how late the read models are while little happens."""

    crowded_pause: timedelta = _DEFAULTS.crowded_pause
    """After a batch of more than 200 events: how late they are under load, to save work."""

    idle_pause: timedelta = _DEFAULTS.idle_pause
    """Longest pause while nothing comes."""

    def options(self) -> AuditOptions:
        """What of this concerns the core."""
        return AuditOptions(
            batch=self.batch,
            busy_pause=self.busy_pause,
            crowded_pause=self.crowded_pause,
            idle_pause=self.idle_pause,
            anchor_interval=self.anchor_interval,
        )
