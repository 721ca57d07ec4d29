"""`doctor`: what is wrong with an installation, and what to do about it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer
from smartops.sdk.cli.help import HelpfulCommand
from smartops.sdk.cli.session import Session, run

if TYPE_CHECKING:
    from rich.table import Table
    from smartops.sdk.cli.doctor_findings import Finding

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(cls=HelpfulCommand, rich_help_panel="Look closer")(doctor)


def doctor(context: typer.Context) -> None:
    """Say what is wrong with this installation, and what to do about it.

    Looks at the home directory and its credentials; at the bus, its streams, and whether
    somebody pulls each consumer; at the database as the reader: how far the views are behind,
    what lies parked, whether the clocks agree; at the /ready page of every service that was
    started from this home; and at what a restore has given up. It changes nothing, and needs
    no service to be up.

    Exits with 0 if all works (there may be warnings), 1 if something does not, and 7 if the
    installation, the bus or the database cannot be reached at all.

    Examples:
      smartops doctor
      smartops doctor --as approver
      smartops --json doctor | jq -r '.findings[] | select(.level != "ok") | .advice'
    """

    async def action(session: Session) -> int:
        from smartops.sdk.cli.doctor_findings import (  # noqa: PLC0415 - help must not wait for it
            document,
            exit_of,
        )

        with session.err.status("looking"):
            findings = await _look(session)
        if session.json:
            session.data(document(findings))
        else:
            session.show(_drawn(findings, plain=not session.out.encoding.startswith("utf")))
            session.note(_summary(findings), style="dim")
        return exit_of(findings)

    run(context, action)


async def _look(session: Session) -> list[Finding]:
    from smartops.sdk.cli.doctor_bus import look_at_bus  # noqa: PLC0415 - the same
    from smartops.sdk.cli.doctor_database import look_at_database  # noqa: PLC0415 - the same
    from smartops.sdk.cli.doctor_home import look_at_home  # noqa: PLC0415 - the same
    from smartops.sdk.cli.doctor_restored import look_at_restores  # noqa: PLC0415 - the same
    from smartops.sdk.cli.doctor_services import look_at_services  # noqa: PLC0415 - the same

    options = session.options
    found, profile = look_at_home(options.home, options.identity)
    if profile is None:
        return found
    bus, database, services = await asyncio.gather(
        look_at_bus(profile, options.identity),
        look_at_database(profile),
        look_at_services(options.home),
    )
    return [*found, *bus, *database, *services, *look_at_restores(options.home)]


def _drawn(findings: Sequence[Finding], *, plain: bool = False) -> Table:
    from rich.table import Table  # noqa: PLC0415 - the same
    from rich.text import Text  # noqa: PLC0415 - the same
    from smartops.sdk.cli.doctor_findings import Level  # noqa: PLC0415 - the same
    from smartops.sdk.cli.text import harmless  # noqa: PLC0415 - the same

    good, bad, arrow = ("+", "x", "->") if plain else ("✓", "✗", "→")
    marks = {
        Level.OK: Text(good, style="green"),
        Level.WARNING: Text("!", style="yellow"),
        Level.PROBLEM: Text(bad, style="bold red"),
    }
    drawn = Table.grid(padding=(0, 1))
    drawn.add_column(style="dim", no_wrap=True, min_width=9)
    drawn.add_column(no_wrap=True)
    drawn.add_column(overflow="fold")
    part = ""
    for finding in findings:
        text = Text(harmless(finding.text))
        if finding.advice:
            text.append(f"\n{arrow} {harmless(finding.advice)}", style="cyan")
        drawn.add_row(finding.part if finding.part != part else "", marks[finding.level], text)
        part = finding.part
    return drawn


def _summary(findings: Sequence[Finding]) -> str:
    from smartops.sdk.cli.doctor_findings import document  # noqa: PLC0415 - the same
    from smartops.sdk.cli.text import count  # noqa: PLC0415 - the same

    told = document(findings)
    if not told["problems"] and not told["warnings"]:
        return "All is well."
    problems, warnings = count(told["problems"], "problem"), count(told["warnings"], "warning")
    return f"{problems}, {warnings}."
