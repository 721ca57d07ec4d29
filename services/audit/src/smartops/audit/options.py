"""How audit goes about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

__all__ = ["AuditOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditOptions:
    """How audit goes about it. The defaults suit every installation."""

    batch: int = 2_000
    """Events folded in one transaction, at most."""
    busy_pause: timedelta = timedelta(milliseconds=100)
    """After a small batch: how late the read models are while little happens."""
    crowd: int = 200
    """Events from which a batch counts as large: then throughput matters more than haste."""
    crowded_pause: timedelta = timedelta(milliseconds=200)
    """After a large batch: the rows of a task that changes often are then stored less often."""
    idle_pause: timedelta = timedelta(milliseconds=250)
    """Longest pause while nothing comes; reached by doubling."""
    standby_pause: timedelta = timedelta(seconds=1)
    """Between two looks whether the projecting process is gone."""
    retry_pause: timedelta = timedelta(seconds=2)
    """Before beginning again after trouble."""
    anchor_interval: timedelta = timedelta(seconds=10)
    """Between two anchors of a tenant whose head moves."""
