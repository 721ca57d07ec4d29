"""Batches of the log verified, understood, folded and stored, one after the other."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from smartops.audit.adapters.tables import Tables
from smartops.audit.errors import LogTampered, NewerEvent, UnreadableEvent
from smartops.audit.folding import BookKey, book_key, fold, let_go
from smartops.audit.heads import Heads
from smartops.audit.place import Place
from smartops.audit.read_models import PROJECTOR
from smartops.audit.read_models.book import Book
from smartops.audit.read_models.tenants import TENANTS, TenantRow
from smartops.audit.reading import Reading, read
from smartops.eventstore.rows import StoredRow

__all__ = ["Measure", "Projector", "Stretch"]

Measure = Callable[[Sequence[Reading], Mapping[BookKey, Book]], None]
"""Looks at what was stored; must not fail."""

BOOKS = 2_000
"""Tasks kept in memory between batches (about 5 kB each); others are loaded again."""


class Stretch(NamedTuple):
    """What one batch added to one tenant."""

    first: StoredRow
    last: StoredRow
    end: TenantRow
    events: int


class Projector:
    """Folds the log into one set of tables, from the place where they stand.

    The only writer of those tables: rows kept in memory are trusted until a batch fails, and each
    batch is stored only if the place in the tables is still the one it began from.
    """

    def __init__(
        self,
        tables: Tables,
        place: Place,
        heads: Heads,
        *,
        books: int = BOOKS,
        measure: Measure | None = None,
    ) -> None:
        self.place = place
        self.heads = heads
        self._tables = tables
        self._books: OrderedDict[BookKey, Book] = OrderedDict()
        self._capacity = books
        self._measure = measure

    @classmethod
    async def open(cls, tables: Tables, *, measure: Measure | None = None) -> Projector:
        """Go on from where the tables stand; new ones stand at 0.

        Args:
            tables: to be written.
            measure: told of each batch once it is stored.
        """
        place = await tables.place()
        if place is None:
            place = Place(0, None, PROJECTOR)
            await tables.begin(place)
        return cls(tables, place, Heads(await tables.all_rows(TENANTS)), measure=measure)

    async def project(self, rows: Sequence[StoredRow]) -> Sequence[Stretch]:
        """Fold the rows that follow `place`; those before one that cannot be folded are stored.

        Raises:
            LogTampered: the rows do not link to what was verified before.
            NewerEvent: a newer release must go on.
            UnreadableEvent: an event does not fit its contract.
            PlaceLost: somebody else has stored a batch meanwhile.
        """
        if not rows:
            return ()
        try:
            moved = self.heads.follow(self.place.position, rows)
            readings = [read(row) for row in rows]
        except (LogTampered, NewerEvent, UnreadableEvent) as error:
            await self.project([row for row in rows if row.position < error.position])
            raise
        return await self.store(readings, moved)

    async def store(
        self, readings: Sequence[Reading], moved: Mapping[str, TenantRow]
    ) -> Sequence[Stretch]:
        """Fold and store the events that follow `place`, and the ends that they move.

        They are verified already: by `project`, or by who runs ahead of what is stored.

        Raises:
            PlaceLost: somebody else has stored a batch meanwhile.
        """
        rows = [reading.row for reading in readings]
        place = Place(rows[-1].position, rows[-1].hash, PROJECTOR)
        try:
            books = await self._open(readings)
            fold(readings, books)
            changes = [change for book in books.values() for change in book.changes()]
            changes += [(TENANTS, end) for end in moved.values()]
            await self._tables.store(changes, self.place, place)
        except BaseException:
            # Also when cancelled: whether it was stored is not known, so nothing in hand is true.
            self._books.clear()
            raise
        if self._measure is not None:
            self._measure(readings, books)
        for book in books.values():
            let_go(book)
        self.heads.accept(moved)
        self.place = place
        return _stretches(rows, moved)

    async def _open(self, readings: Sequence[Reading]) -> dict[BookKey, Book]:
        """The books of a batch, with every stored row that its events may look at."""
        books: dict[BookKey, Book] = {}
        fresh: list[Book] = []
        for reading in readings:
            keys = [book_key(reading.row)]
            if not reading.is_known:
                keys.append((reading.row.tenant, None))
            for key in keys:
                if key in books:
                    continue
                book = self._books.get(key)
                if book is None:
                    book = Book(*key)
                    fresh.append(book)
                books[key] = book
        await self._tables.load(fresh)
        await self._tables.load_calls(readings, books)
        for key, book in books.items():
            self._books[key] = book
            self._books.move_to_end(key)
        while len(self._books) > self._capacity:
            self._books.popitem(last=False)
        return books


def _stretches(rows: Sequence[StoredRow], moved: Mapping[str, TenantRow]) -> Sequence[Stretch]:
    by_tenant: dict[str, list[StoredRow]] = {}
    for row in rows:
        by_tenant.setdefault(row.tenant, []).append(row)
    return [
        Stretch(mine[0], mine[-1], moved[tenant], len(mine)) for tenant, mine in by_tenant.items()
    ]
