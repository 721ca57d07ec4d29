"""Markdown, as far as generated parts need it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Sequence

__all__ = ["code", "codes", "first_sentence", "sentence", "table"]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; a cell may not hold a line break or an unescaped bar."""
    lines = [_row(head), "|" + "---|" * len(head)]
    lines += [_row(row) for row in rows]
    return "\n".join(lines) + "\n"


def code(text: object) -> str:
    """Text as code."""
    return f"`{text}`"


def codes(texts: Iterable[object]) -> str:
    """Several, separated by commas; a dash for none."""
    return ", ".join(code(text) for text in texts) or "-"


def sentence(thing: type | None) -> str:
    """The first line of a docstring."""
    return first_sentence(inspect.getdoc(thing) or "") if thing is not None else ""


def first_sentence(text: str) -> str:
    """The first paragraph of a text, as one line."""
    return re.sub(r"\s+", " ", text.strip().partition("\n\n")[0])


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("\n", " ").replace("|", "\\|") for cell in cells) + " |"
