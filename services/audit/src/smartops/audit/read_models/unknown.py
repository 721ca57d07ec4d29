"""Topics that nobody here knows: folded into nothing, but counted."""

from __future__ import annotations

from typing import NamedTuple

from smartops.audit.read_models.book import Book
from smartops.audit.read_models.model import ReadModel
from smartops.eventstore.rows import StoredRow

__all__ = ["UNKNOWN_TOPICS", "UnknownTopicRow", "count"]


class UnknownTopicRow(NamedTuple):
    """One topic of a tenant."""

    tenant: str
    topic: str
    events: int
    first_position: int
    last_position: int


UNKNOWN_TOPICS = ReadModel("unknown_topics", UnknownTopicRow, key=2)


def count(book: Book, at: StoredRow) -> list[UnknownTopicRow]:
    """One event more; a repeat is not counted twice."""
    row = book.get(UNKNOWN_TOPICS, at.topic)
    if row is None:
        return [UnknownTopicRow(at.tenant, at.topic, 1, at.position, at.position)]
    if at.position <= row.last_position:
        return []
    return [row._replace(events=row.events + 1, last_position=at.position)]
