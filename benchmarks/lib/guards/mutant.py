"""A guard switched off: what is edited, and which proof must then be broken."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from typing_extensions import override

__all__ = ["Edit", "Mutant", "Rotten", "Trial", "apply"]


class Rotten(ValueError):
    """An edit does not fit the source as it is now: look at the guard, and write the edit anew."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One exact replacement."""

    file: str
    """From the root of the tree."""
    before: str
    """Must stand there just once."""
    after: str


@dataclass(frozen=True, slots=True)
class Trial:
    """A proof in a small form."""

    proof: str
    """Its name, as `make prove` lists it."""
    options: tuple[str, ...] = ()

    @override
    def __str__(self) -> str:
        return " ".join((self.proof, *self.options))


@dataclass(frozen=True, slots=True)
class Mutant:
    """One guard, switched off.

    Attributes:
        name: for the command line.
        guard: what is gone.
        edits: that take it away; several where the guard has several layers.
        trial: that must notice.
        why: what the trial should see.
    """

    name: str
    guard: str
    edits: tuple[Edit, ...]
    trial: Trial
    why: str


def apply(edits: tuple[Edit, ...], root: Path) -> None:
    """Edit the files of a tree.

    Raises:
        Rotten: a text stands there not once; earlier edits have been made then.
    """
    for edit in edits:
        path = root / edit.file
        source = path.read_text(encoding="utf-8")
        times = source.count(edit.before)
        if times != 1:
            raise Rotten(f"{edit.file} has {times} times {edit.before!r}; once is wanted")
        path.write_text(source.replace(edit.before, edit.after), encoding="utf-8")
