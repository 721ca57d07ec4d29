"""A batch of events folded into the rows in hand. Pure: no clock, no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from smartops.audit.read_models import FOLDED
from smartops.audit.read_models.book import Book
from smartops.audit.read_models.calls import CALLS, OPEN
from smartops.audit.read_models.model import Reaction, ReadModel
from smartops.audit.read_models.tasks import TASKS, stamp
from smartops.audit.read_models.unknown import UNKNOWN_TOPICS, count
from smartops.audit.reading import Reading
from smartops.contracts.wire import EventData
from smartops.eventstore.rows import StoredRow

__all__ = ["BookKey", "book_key", "fold", "let_go"]

BookKey = tuple[str, UUID | None]

_Reactions = Mapping[type[EventData], Sequence[tuple[ReadModel[tuple[object, ...]], Reaction]]]


def _by_event() -> _Reactions:
    """What happens on an event, model by model in the order of `FOLDED`."""
    found: dict[type[EventData], list[tuple[ReadModel[tuple[object, ...]], Reaction]]] = {}
    for model in FOLDED:
        for event, reaction in model.reactions.items():
            found.setdefault(event, []).append((model, reaction))
    return found


_REACTIONS: _Reactions = _by_event()


def book_key(row: StoredRow) -> BookKey:
    """Which book an event belongs to."""
    return (row.tenant, row.task)


def fold(readings: Sequence[Reading], books: Mapping[BookKey, Book]) -> None:
    """Fold readings, in order, into their books, which hold all rows that may be looked at.

    Events at or below a book's floor are in its rows already.
    """
    newest: dict[Book, StoredRow] = {}
    for row, event, is_known in readings:
        book = books[row.tenant, row.task]
        if row.position <= book.floor:
            continue
        newest[book] = row
        if event is not None:
            for model, reaction in _REACTIONS[type(event)]:
                for changed in reaction(book, event, row):
                    book.put(model, changed)
        elif not is_known:
            # Counted per tenant, whatever task such an event may claim.
            tenant_book = books[row.tenant, None]
            for changed in count(tenant_book, row):
                tenant_book.put(UNKNOWN_TOPICS, changed)
    for book, row in newest.items():
        task = book.get(TASKS, book.task)
        if task is not None:
            book.floor = row.position
            book.put(TASKS, stamp(task, row))


def let_go(book: Book) -> None:
    """After storing: forget changes, and calls that are over."""
    book.settle()
    for call in book.all(CALLS):
        if call.status not in OPEN:
            book.drop(CALLS, call)
