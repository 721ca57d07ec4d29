"""What provisioning found and did, as data that reads well."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from typing_extensions import override

__all__ = ["Action", "Change", "Difference", "Report"]


class Action(StrEnum):
    """What was done, or in a plan would be done."""

    NONE = "unchanged"
    CREATE = "create"
    UPDATE = "update"


@dataclass(frozen=True, slots=True)
class Difference:
    """One field of one configuration that differs."""

    field: str
    have: object
    want: object

    @override
    def __str__(self) -> str:
        return f"{self.field}: {self.have!r} -> {self.want!r}"


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one stream or consumer."""

    name: str
    """`stream SMARTOPS` or `consumer SMARTOPS/policy-plans`."""
    action: Action
    differences: tuple[Difference, ...] = ()

    @override
    def __str__(self) -> str:
        lines = [f"{self.action.value:<9} {self.name}"]
        lines += [f"            {difference}" for difference in self.differences]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of a run, in the order of the topology."""

    changes: tuple[Change, ...]
    unknown: tuple[str, ...] = ()
    """Streams and durables that nobody declared. They are reported, never deleted: a durable may
    be the last place that knows how far someone has read."""

    @property
    def changed(self) -> bool:
        """Whether anything was, or would be, created or updated."""
        return any(change.action is not Action.NONE for change in self.changes)

    @override
    def __str__(self) -> str:
        lines = [str(change) for change in self.changes]
        lines += [
            f"{'unknown':<9} {name}: not in the topology, left alone" for name in self.unknown
        ]
        return "\n".join(lines)
