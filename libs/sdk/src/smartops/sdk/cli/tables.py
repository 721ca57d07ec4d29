"""Tables and statuses, drawn alike everywhere."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
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


def status_text(status: str | None) -> Text:
    """A status, level or environment in its colour; its word alone tells as well."""
    return Text(one_line(status or "-"), style=_STATUS_STYLES.get(status or "", ""))


def table(
    columns: Sequence[str], rows: Sequence[Sequence[str | None]], *, last: str | None = None
) -> Table:
    """Rows of harmless text under quiet heads.

    Args:
        columns: their heads; the one called `what` takes the room that is left.
        rows: as many cells each.
        last: another head for the last column.
    """
    heads = [*columns[:-1], last or columns[-1]]
    drawn = Table(box=box.SIMPLE_HEAD, header_style="dim", pad_edge=False, show_edge=False)
    for head in heads:
        wide = head == "what"
        # That one may shrink: of a column that may not, all of its text is taken for needed, and
        # the others would be cut for it. Its cells keep to one line by themselves.
        drawn.add_column(head, no_wrap=not wide, overflow="ellipsis", ratio=1 if wide else None)
    for row in rows:
        cells = [status_text(cell) for cell in row]
        for head, cell in zip(heads, cells, strict=True):
            cell.no_wrap, cell.overflow = head == "what" or None, "ellipsis"
        drawn.add_row(*cells)
    return drawn


def facts(rows: Sequence[tuple[str, str | Text | None]]) -> Table:
    """Labels and values; those without a value are left out."""
    drawn = Table.grid(padding=(0, 2))
    drawn.add_column(style="dim", no_wrap=True, min_width=12)
    drawn.add_column(overflow="fold")
    for label, value in rows:
        if value:
            drawn.add_row(label, value if isinstance(value, Text) else Text(one_line(value)))
    return drawn
