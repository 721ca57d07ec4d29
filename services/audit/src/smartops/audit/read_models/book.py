"""The rows of one task that are in hand while its events are folded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

if TYPE_CHECKING:
    from smartops.audit.read_models.model import ReadModel

__all__ = ["Book", "Key"]

R = TypeVar("R", bound=tuple[Any, ...])

Key = tuple[Any, ...]


class Book:
    """All rows that an event of a task may look at or change.

    Holds the task's row, its plans, approvals, runs and phases, and those of its calls that are
    open. `task` is None for the events of a tenant that belong to no task.
    """

    __slots__ = ("_changed", "_rows", "floor", "task", "tenant")

    def __init__(self, tenant: str, task: UUID | None) -> None:
        self.tenant = tenant
        self.task = task
        self.floor = 0
        """Events up to this position are in the rows already: a repeat changes nothing."""
        self._rows: dict[ReadModel[Any], dict[Key, Any]] = {}
        self._changed: dict[ReadModel[Any], set[Key]] = {}

    def get(self, model: ReadModel[R], *key: Any) -> R | None:
        """The row with this key behind the tenant, if there is one."""
        rows = self._rows.get(model)
        return None if rows is None else rows.get((self.tenant, *key))

    def all(self, model: ReadModel[R]) -> tuple[R, ...]:
        """All rows of a model, in the order in which they came."""
        rows = self._rows.get(model)
        return () if rows is None else tuple(rows.values())

    def hold(self, model: ReadModel[R], row: R) -> None:
        """Take a stored row in hand."""
        rows = self._rows.get(model)
        if rows is None:
            rows = self._rows[model] = {}
        rows[model.key_of(row)] = row

    def put(self, model: ReadModel[R], row: R) -> None:
        """Take a changed row in hand, to be stored."""
        key = model.key_of(row)
        rows = self._rows.get(model)
        if rows is None:
            rows = self._rows[model] = {}
        rows[key] = row
        changed = self._changed.get(model)
        if changed is None:
            changed = self._changed[model] = set()
        changed.add(key)

    def drop(self, model: ReadModel[R], row: R) -> None:
        """Let go of a row that will hardly be asked for again."""
        self._rows[model].pop(model.key_of(row), None)

    def changes(self) -> Iterator[tuple[ReadModel[Any], Any]]:
        """The rows to be stored, each once."""
        for model, keys in self._changed.items():
            rows = self._rows[model]
            for key in keys:
                yield model, rows[key]

    def settle(self) -> None:
        """All changes have been stored."""
        self._changed.clear()
