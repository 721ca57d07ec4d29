"""Markdown, as far as the page needs it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = ["codes", "table"]


def codes(texts: Iterable[str]) -> str:
    """Several words of code, or a dash."""
    return ", ".join(f"`{text}`" for text in texts) or "-"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
