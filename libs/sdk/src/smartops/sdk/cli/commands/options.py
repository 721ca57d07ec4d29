"""Arguments and options that many commands take, each said once."""

from __future__ import annotations

import re
from typing import Annotated

import typer

__all__ = ["Ident", "Reason", "Task"]


def _checked(ident: str | None) -> str | None:
    """Refuse, before anything is sent, what no subject can hold."""
    if ident is not None and not re.fullmatch(r"[A-Za-z0-9_-]{1,128}", ident):
        raise typer.BadParameter(f"{ident!r}: letters, digits, - and _ only, 128 at most")
    return ident


Task = Annotated[
    str, typer.Argument(metavar="TASK", help="The task's id, or its first characters.")
]
Reason = Annotated[
    str, typer.Option("--reason", "-r", metavar="TEXT", help="Why; it goes on record.")
]
Ident = Annotated[
    str | None,
    typer.Option(
        "--id",
        metavar="ID",
        help="Name of this request: sent twice, it counts once.",
        callback=_checked,
    ),
]
