"""Tools: every form in which each was registered."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from smartops.audit.read_models.book import Book
from smartops.audit.read_models.model import ReadModel
from smartops.contracts.events import ToolRegistered
from smartops.eventstore.rows import StoredRow

__all__ = ["TOOLS", "ToolRow"]


class ToolRow(NamedTuple):
    """A tool as it was registered once."""

    tenant: str
    name: str
    position: int
    version: str
    category: str
    risk: str
    scope: str
    idempotence: str
    timeout_ms: int
    digest: str
    descriptor: str
    registered_at: datetime


TOOLS = ReadModel("tools", ToolRow, key=3, json=frozenset({"descriptor"}))


@TOOLS.on(ToolRegistered)
def registered(_book: Book, event: ToolRegistered, at: StoredRow) -> Sequence[ToolRow]:
    """A row for each event: what a tool was stays to be seen beside what it is."""
    tool = event.descriptor
    return [
        ToolRow(
            tenant=at.tenant,
            name=tool.name,
            position=at.position,
            version=tool.version,
            category=tool.category.value,
            risk=tool.risk.value,
            scope=tool.scope.value,
            idempotence=tool.idempotence.value,
            timeout_ms=tool.timeout_ms,
            digest=event.digest,
            descriptor=tool.model_dump_json(),
            registered_at=at.recorded_at,
        )
    ]
