"""`up`, `demo`, `backup`, `restore`: everything on this machine, by the development stack."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from smartops.sdk.cli.exits import Exit
from smartops.sdk.cli.help import HelpfulCommand
from smartops.sdk.cli.session import Session, Usage, fail

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(cls=HelpfulCommand, rich_help_panel="Start")(up)
    app.command(cls=HelpfulCommand, rich_help_panel="Start")(demo)
    app.command(cls=HelpfulCommand, rich_help_panel="Keep")(backup)
    app.command(cls=HelpfulCommand, rich_help_panel="Keep")(restore)


def up(
    context: typer.Context,
    *,
    runners: Annotated[
        int, typer.Option(min=1, max=8, help="Runner processes that share the runs.")
    ] = 1,
    gateways: Annotated[
        int, typer.Option(min=1, max=8, help="Tool gateway processes that share the calls.")
    ] = 1,
) -> None:
    """Start servers and services on this machine, and keep them up until Ctrl-C.

    The first start makes the installation: databases, credentials, two local people
    (operator and approver), and a playground fleet to work on. Later starts find all of it.

    Examples:
      smartops up
      smartops up --runners 2 --gateways 2
    """
    replicas = {"runner": runners, "tool_gateway": gateways}
    _end(context, lambda stack: stack.up(context.obj.home, replicas=replicas))


def demo(
    context: typer.Context,
    *,
    break_target: Annotated[
        bool,
        typer.Option("--break", help="Let a server fall ill midway: see the rollback."),
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Approve without asking, as the approver.")
    ] = False,
    keep: Annotated[
        bool,
        typer.Option("--keep", help="Use the installation at --home, and leave it there."),
    ] = False,
) -> None:
    """See one task from intent to end: evidence, plan, approval, phases, health.

    Runs in a directory of its own that is removed afterwards, unless --keep.

    Examples:
      smartops demo
      smartops demo --break --yes
    """
    home: Path | None = context.obj.home if keep else None
    _end(
        context,
        lambda stack: stack.demo(
            home, break_target=break_target, yes=yes, json_only=context.obj.json
        ),
    )


def backup(
    context: typer.Context,
    *,
    point: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Copy nothing; name this moment, to come back to it."),
    ] = None,
) -> None:
    """Copy the running installation's database, and archive its log from then on.

    With the copy and the archive, any later moment can be restored. Both lie in `backups` in the
    installation's directory: make that a link to another disk before the first backup.

    Examples:
      smartops backup
      smartops backup --point before-the-migration
    """
    options = context.obj
    _end(
        context,
        lambda stack: stack.backup(options.home, point=point, as_json=options.json),
        "smartops.devstack.backup_cli",
    )


def restore(
    context: typer.Context,
    *,
    to: Annotated[
        str,
        typer.Option(
            metavar="POINT", help="A point's name, a position of the log, an ISO time, or latest."
        ),
    ],
) -> None:
    """Bring the stopped installation back to a point, with an empty bus.

    Nothing is deleted: the database and the bus as they were are moved aside. What the log held
    beyond the point is told, with the writes that had gone out: the outside may be ahead.

    Examples:
      smartops restore --to before-the-migration
      smartops restore --to 2026-03-01T12:00:00+00:00
    """
    options = context.obj
    _end(
        context,
        lambda stack: stack.restore(options.home, to=to, by=options.identity, as_json=options.json),
        "smartops.devstack.backup_cli",
    )


def _end(context: typer.Context, action: Any, module: str = "smartops.devstack.cli") -> None:
    try:
        stack = import_module(module)
    except ModuleNotFoundError as error:
        missing = Usage(
            f"this command needs {error.name!r}, which is not installed: install the package "
            "smartops-devstack."
        )
        raise typer.Exit(fail(Session(context.obj), missing)) from error
    try:
        code = action(stack)
    except KeyboardInterrupt:
        code = Exit.INTERRUPTED
    raise typer.Exit(int(code or 0))
