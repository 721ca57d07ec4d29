"""Tables and statuses, drawn alike everywhere."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text
from smartops.sdk.cli.text import one_line

__all__ = ["facts", "status_text", "table"]

_STATUS_STYLES = {
    "completed": "green",
    "needs_approval": "yellow",
    "paused": "yellow",
    "executing": "cyan",
    "running": "cyan",
    "queued": "dim",
    "rolled_back": "magenta",
    "cancelled": "dim",
    "rejected": "red",
    "failed_retryable": "red",
    "failed_terminal": "red",
    "escalated_to_human": "bold red",
    "critical": "bold red",
    "high": "red",
    "production": "bold",
}


_WHOLE = frozenset({"task", "call", "delegation", "standing", "bundle", "status"})
"""Heads of columns that are not cut: half an id is none."""
_WHAT = 16
"""Columns that `what` keeps where there is little room."""
_ANY = 5
"""Columns that others keep then."""
_BETWEEN = 3
"""Blanks between two columns."""


def status_text(status: str | None) -> Text:
    """A status, level or environment in its colour; its word alone tells as well."""
    return Text(one_line(status or "-"), style=_STATUS_STYLES.get(status or "", ""))


def table(
    columns: Sequence[str], rows: Sequence[Sequence[str | None]], *, last: str | None = None
) -> RenderableType:
    """Rows of harmless text under quiet heads, each on one line.

    Args:
        columns: their heads; the one called `what` gives way first where there is little room.
        rows: as many cells each.
        last: another head for the last column.
    """
    heads = [*columns[:-1], last or columns[-1]]
    return _Fitted(heads, [[status_text(cell) for cell in row] for row in rows])


class _Fitted:
    """A table as wide as its words, or as the terminal: no column vanishes for another one."""

    def __init__(self, heads: Sequence[str], rows: Sequence[Sequence[Text]]) -> None:
        self._heads = heads
        self._rows = rows

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        drawn = Table(box=box.SIMPLE_HEAD, header_style="dim", pad_edge=False, show_edge=False)
        for head, width in zip(self._heads, self._widths(options.max_width), strict=True):
            drawn.add_column(head, no_wrap=True, overflow="ellipsis", width=width)
        for row in self._rows:
            drawn.add_row(*row)
        yield drawn

    def _widths(self, room: int) -> list[int]:
        """Columns of each: what is too much is taken from `what`, then from the widest."""
        widest = [
            max(cell_len(head), *(row[number].cell_len for row in self._rows), 1)
            for number, head in enumerate(self._heads)
        ]
        least = [
            width if head in _WHOLE else min(width, _WHAT if head == "what" else _ANY)
            for head, width in zip(self._heads, widest, strict=True)
        ]
        left = room - _BETWEEN * (len(widest) - 1)
        while sum(widest) > left and widest != least:
            _, number = max(
                ((head == "what", width - low), number)
                for number, (head, width, low) in enumerate(
                    zip(self._heads, widest, least, strict=True)
                )
                if width > low
            )
            widest[number] -= 1
        return widest


def facts(rows: Sequence[tuple[str, str | Text | None]]) -> Table:
    """Labels and values; those without a value are left out."""
    drawn = Table.grid(padding=(0, 2))
    drawn.add_column(style="dim", no_wrap=True, min_width=12)
    drawn.add_column(overflow="fold")
    for label, value in rows:
        if value:
            drawn.add_row(label, value if isinstance(value, Text) else Text(one_line(value)))
    return drawn
