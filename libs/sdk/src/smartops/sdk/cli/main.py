"""The `smartops` command: its global options and where its parts come together."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from smartops.sdk.cli import doctor
from smartops.sdk.cli.commands import (
    approvals,
    audit,
    autonomy,
    break_glass,
    calls,
    control,
    delegation,
    editing,
    history,
    inbox,
    intents,
    parked,
    policy,
    privacy,
    stack,
    standing,
    tasks,
    tools,
)
from smartops.sdk.cli.exits import EPILOG
from smartops.sdk.cli.help import HelpfulGroup
from smartops.sdk.cli.hoisting import hoist
from smartops.sdk.cli.session import Options

__all__ = ["app", "main"]

app = typer.Typer(
    name="smartops",
    cls=HelpfulGroup,
    help="""Hand over an ops task, see the plan, decide, watch it being carried out.

First steps:
  smartops up                                        start everything on this machine
  smartops submit "Fix drift on production web servers" --watch
  smartops approvals                                 what waits for a person
  smartops --as approver approve 3f2a                read the plan, then decide""",
    epilog=EPILOG,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)

for module in (
    stack,
    intents,
    tasks,
    inbox,
    approvals,
    break_glass,
    editing,
    delegation,
    standing,
    control,
    calls,
    history,
    parked,
    privacy,
    tools,
    autonomy,
    policy,
    audit,
    doctor,
):
    module.add_to(app)


@app.callback()
def options(
    context: typer.Context,
    *,
    home: Annotated[
        Path,
        typer.Option(help="The installation's directory.", envvar="SMARTOPS_HOME", file_okay=False),
    ] = Path(".smartops"),
    as_: Annotated[
        str,
        typer.Option(
            "--as",
            metavar="NAME",
            help="As whom to act. A new installation knows 'operator', who submits and "
            "controls, and 'approver', who decides. Nobody decides on a task of their own.",
        ),
    ] = "operator",
    json: Annotated[
        bool, typer.Option("--json", help="JSON on stdout: one document, or one line per event.")
    ] = False,
    prefix: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT", help="Subject prefix, where it is not the installation's own."
        ),
    ] = None,
) -> None:
    """Remember the global options."""
    context.obj = Options(home, as_, json, prefix)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line."""
    app(args=hoist(sys.argv[1:] if arguments is None else arguments), prog_name="smartops")
