"""A read model: a table, its rows, and what each event does to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar, overload

from smartops.audit.read_models.book import Book, Key
from smartops.contracts.wire import EventData
from smartops.eventstore.rows import StoredRow

__all__ = ["Reaction", "ReadModel"]

R_co = TypeVar("R_co", bound=tuple[Any, ...], covariant=True)
E1 = TypeVar("E1", bound=EventData)
E2 = TypeVar("E2", bound=EventData)
E3 = TypeVar("E3", bound=EventData)

Reaction = Callable[[Book, Any, StoredRow], Iterable[tuple[Any, ...]]]
"""Pure: from the rows in hand, an event and its place in the log to the rows that change."""

On = Callable[[Callable[[Book, E1, StoredRow], Iterable[R_co]]], Reaction]


class ReadModel(Generic[R_co]):
    """One table of the schema `smartops`.

    Args:
        name: of the table.
        row: a NamedTuple with the table's columns, in their order.
        key: how many leading columns are the primary key.
        json: names of the columns that hold JSON, as text.
    """

    def __init__(
        self, name: str, row: type[R_co], key: int, json: frozenset[str] = frozenset()
    ) -> None:
        self.name = name
        self.row = row
        self.columns: tuple[str, ...] = row._fields  # type: ignore[attr-defined]
        self.key = self.columns[:key]
        self.json = frozenset(self.columns.index(column) for column in json)
        self.reactions: dict[type[EventData], Reaction] = {}
        self._width = key

    def key_of(self, row: tuple[Any, ...]) -> Key:
        """The primary key of a row."""
        return row[: self._width]

    @overload
    def on(self, first: type[E1], /) -> On[E1, R_co]: ...
    @overload
    def on(self, first: type[E1], second: type[E2], /) -> On[E1 | E2, R_co]: ...
    @overload
    def on(
        self, first: type[E1], second: type[E2], third: type[E3], /
    ) -> On[E1 | E2 | E3, R_co]: ...
    def on(self, *events: type[Any]) -> Any:
        """Register what these events do to the rows: a function of (book, event, place)."""

        def register(reaction: Reaction) -> Reaction:
            for event in events:
                if event in self.reactions:
                    raise ValueError(f"{self.name} reacts twice to {event.__name__}")
                self.reactions[event] = reaction
            return reaction

        return register
