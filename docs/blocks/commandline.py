"""The pages of `smartops --help`, command by command."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer.main
from smartops.sdk.cli.main import app

__all__ = ["pages", "root", "walk"]

_WIDTH = 100


def root() -> Any:
    """The command that `smartops` is."""
    return typer.main.get_command(app)


def walk(
    command: Any, path: tuple[str, ...] = ("smartops",)
) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command with the words that lead to it, groups included."""
    yield path, command
    for name in sorted(getattr(command, "commands", {})):
        yield from walk(command.commands[name], (*path, name))


def pages() -> str:
    """All help pages."""
    parts = []
    with _plain():
        for path, command in walk(root()):
            context = command.context_class(
                command, info_name=" ".join(path), terminal_width=_WIDTH, max_content_width=_WIDTH
            )
            text = "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
            parts.append(f"## `{' '.join(path)}`\n\n```text\n{text.strip()}\n```\n")
    return "\n".join(parts)


@contextmanager
def _plain() -> Iterator[None]:
    """No colour, and no variable of ours that would show as a default."""
    before = dict(os.environ)
    os.environ["NO_COLOR"] = "1"
    os.environ["COLUMNS"] = str(_WIDTH)
    os.environ.pop("SMARTOPS_HOME", None)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
