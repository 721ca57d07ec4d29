"""Help pages: plain text, examples kept as they are written, fast to come up.

The usual coloured panels take a fifth of a second to import, and break long examples.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import typer
from typer.core import TyperCommand, TyperGroup
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Iterable

    from typer._click import Context, HelpFormatter

__all__ = ["HelpfulCommand", "HelpfulGroup"]


class HelpfulCommand(TyperCommand):
    """A command whose examples are shown as they are written."""

    @override
    def collect_usage_pieces(self, ctx: Context) -> list[str]:
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]

    @override
    def format_help_text(self, ctx: Context, formatter: HelpFormatter) -> None:
        _write(formatter, self.help or "")

    @override
    def format_options(self, ctx: Context, formatter: HelpFormatter) -> None:
        _write_options(self, ctx, formatter)


class HelpfulGroup(TyperGroup):
    """A group that lists its commands by what they are for."""

    @override
    def format_help_text(self, ctx: Context, formatter: HelpFormatter) -> None:
        _write(formatter, self.help or "")

    @override
    def format_options(self, ctx: Context, formatter: HelpFormatter) -> None:
        sections: dict[str, list[tuple[str, str]]] = {}
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            if command is None or command.hidden:
                continue
            section = getattr(command, "rich_help_panel", None)
            title = section if isinstance(section, str) else "Commands"
            summary = (command.help or "").partition("\n")[0]
            sections.setdefault(title, []).append((name, summary))
        width = max((len(name) for rows in sections.values() for name, _ in rows), default=0)
        for title, rows in sections.items():
            with formatter.section(_bold(title)):
                formatter.write_dl([(name.ljust(width), summary) for name, summary in rows])
        _write_options(self, ctx, formatter)

    @override
    def format_epilog(self, ctx: Context, formatter: HelpFormatter) -> None:
        _write(formatter, self.epilog or "", indented=False)


def _write(formatter: HelpFormatter, text: str, *, indented: bool = True) -> None:
    """Write paragraphs; one with indented lines stands as it is."""
    for paragraph in filter(None, text.split("\n\n")):
        formatter.write_paragraph()
        if indented:
            formatter.indent()
        lines = paragraph.split("\n")
        if any(line.startswith(" ") for line in lines):
            for line in lines:
                formatter.write(" " * formatter.current_indent + line + "\n")
        else:
            formatter.write_text(" ".join(lines))
        if indented:
            formatter.dedent()


def _write_options(
    command: TyperCommand | TyperGroup, ctx: Context, formatter: HelpFormatter
) -> None:
    arguments: list[tuple[str, str]] = []
    options: list[tuple[str, str]] = []
    for parameter in command.get_params(ctx):
        record = parameter.get_help_record(ctx)
        if record is not None:
            kind = arguments if parameter.param_type_name == "argument" else options
            # Texts need not be called texts, where their names say what they are.
            kind.append((record[0].replace(" <str>", ""), record[1]))
    _write_records(formatter, "Arguments", arguments)
    _write_records(formatter, "Options", options)


def _write_records(
    formatter: HelpFormatter, title: str, records: Iterable[tuple[str, str]]
) -> None:
    rows = list(records)
    if rows:
        with formatter.section(_bold(title)):
            formatter.write_dl(rows)


def _bold(text: str) -> str:
    return text if os.environ.get("NO_COLOR") else typer.style(text, bold=True)
