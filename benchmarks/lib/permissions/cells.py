"""A cell of the matrix: who tries what, what is to happen, what did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = ["ALLOWED", "DENIED", "Cell", "figures_of", "known", "violations_of", "word"]

ALLOWED = "allowed"
DENIED = "denied"


@dataclass(frozen=True, slots=True)
class Cell:
    """One thing tried by one credential.

    Attributes:
        who: the credential or role.
        what: what was tried, as people would name it: an action and its object.
        expected: `allowed` or `denied`, from the table written by hand.
        measured: the same, or what else came of it, in words.
        why: the reason for what is expected.
    """

    who: str
    what: str
    expected: str
    measured: str
    why: str = ""

    @property
    def kept(self) -> bool:
        """What was to happen did."""
        return self.expected == self.measured


def violations_of(cells: Iterable[Cell]) -> list[str]:
    """One sentence for each cell that is not as the table says."""
    return [
        f"{cell.who}: {cell.what}: {cell.measured}, expected {cell.expected}"
        + (f" ({cell.why})" if cell.why else "")
        for cell in cells
        if not cell.kept
    ]


def figures_of(cells: Sequence[Cell]) -> dict[str, object]:
    """How many cells there are, and what was measured."""
    by: dict[str, Counter[str]] = {}
    for cell in cells:
        kind = cell.measured if cell.measured in {ALLOWED, DENIED} else "other"
        by.setdefault(cell.who, Counter())[kind] += 1
    measured = Counter(cell.measured for cell in cells)
    return {
        "cells": len(cells),
        "allowed": measured[ALLOWED],
        "denied": measured[DENIED],
        "unexpected": sum(not cell.kept for cell in cells),
        "by": {who: dict(sorted(counts.items())) for who, counts in by.items()},
    }


def word(may: object) -> str:
    """What a truth is called in a cell."""
    return ALLOWED if may else DENIED


def known(found: object, told: object) -> str:
    """Whether the table knows what there is, in words if not."""
    if not found:
        return "there is none"
    return ALLOWED if told else "a right was never decided on"
