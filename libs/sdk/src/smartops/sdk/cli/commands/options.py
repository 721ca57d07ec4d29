"""Arguments and options that many commands take, each said once."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["Ident", "Reason", "Task"]

Task = Annotated[
    str, typer.Argument(metavar="TASK", help="The task's id, or its first characters.")
]
Reason = Annotated[
    str, typer.Option("--reason", "-r", metavar="TEXT", help="Why; it goes on record.")
]
Ident = Annotated[
    str | None,
    typer.Option("--id", metavar="ID", help="Name of this request: sent twice, it counts once."),
]
