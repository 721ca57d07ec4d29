"""What audit tells: on the bus only, never in the log."""

from __future__ import annotations

from typing import ClassVar

from smartops.contracts.wire import EventData

__all__ = ["AuditAppended"]


class AuditAppended(EventData):
    """A batch of a tenant's events was verified and projected."""

    topic: ClassVar[str] = "audit.appended"

    first: int
    last: int
    count: int
    head: str
    """Chain head at `last`, hex."""
