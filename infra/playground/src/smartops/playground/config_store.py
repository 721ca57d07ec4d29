"""Settings with revisions: every change appends, so what was before is never lost."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = ["FIRST_SETTINGS", "Setting", "first_settings", "settings_from_json"]

FIRST_SETTINGS = {
    "checkout.timeout-ms": "3000",
    "checkout.retries": "2",
    "search.page-size": "20",
    "search.cache-seconds": "60",
}
"""What is set on the first day, in revision 1."""


@dataclass(slots=True)
class Setting:
    """One setting."""

    key: str
    values: list[str]
    """Of all revisions; the last is in force."""
    restored: int | None = field(default=None)
    """The revision that the last change put back; None if it was another change."""

    @property
    def revision(self) -> int:
        """Counted from 1; rises with each change, also with one back."""
        return len(self.values)

    def view(self) -> dict[str, Any]:
        """The setting as the API shows it."""
        return {"key": self.key, "value": self.values[-1], "revision": self.revision}

    def change(self, value: str) -> None:
        """Put a value in force."""
        self.values.append(value)
        self.restored = None

    def restore(self, revision: int) -> None:
        """Put the value of an earlier revision in force, as a change of its own."""
        self.values.append(self.values[revision - 1])
        self.restored = revision

    def is_back_at(self, revision: int) -> bool:
        """Whether nothing has changed since a revision, or the one change was taken back."""
        taken_back = self.restored == revision and self.revision == revision + 2
        return self.revision == revision or taken_back

    def to_json(self) -> list[Any]:
        """The setting as a snapshot holds it."""
        return [self.key, self.values, self.restored]


def first_settings() -> dict[str, Setting]:
    """The settings of a new fleet by key."""
    return {key: Setting(key, [value]) for key, value in FIRST_SETTINGS.items()}


def settings_from_json(data: list[Any]) -> dict[str, Setting]:
    """The settings written by `to_json`."""
    return {key: Setting(key, values, restored) for key, values, restored in data}
