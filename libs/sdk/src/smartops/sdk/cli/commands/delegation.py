"""`delegation`: one's voice in another's hands, for a time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from smartops.sdk.cli.commands.mandates import (
    Environments,
    Everything,
    Until,
    left,
    list_words,
    person_called,
    places,
    take_back,
)
from smartops.sdk.cli.commands.options import Ident, Reason
from smartops.sdk.cli.exits import Exit
from smartops.sdk.cli.help import HelpfulCommand, HelpfulGroup
from smartops.sdk.cli.session import Session, run
from smartops.sdk.short_id import short

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["add_to"]

_DELEGATION = """Hand your voice on plans to somebody else for a time, and take it back.

Who speaks for you is recorded with you, and you two are one voice: neither may have asked for the
plan or edited it. Nobody can hand on what was handed to him.

Examples:
  smartops delegation list
  smartops --as approver delegation give ben -e staging --until 7d --reason "on leave"
  smartops --as approver delegation end 3f2a --reason "back again\""""


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(cls=HelpfulGroup, help=_DELEGATION, no_args_is_help=True)
    group.command("list", cls=HelpfulCommand)(delegations)
    group.command("give", cls=HelpfulCommand)(delegate)
    group.command("end", cls=HelpfulCommand)(end)
    app.add_typer(group, name="delegation", rich_help_panel="Decide")


def delegations(context: typer.Context, *, everything: Everything = False) -> None:
    """List the voices that were handed over, and count now.

    Example:
      smartops delegation list --all
    """
    list_words(
        context,
        lambda reader: reader.delegations(everything=everything),
        _voices,
        "Nobody speaks for somebody else.",
    )


def delegate(
    context: typer.Context,
    *,
    to: Annotated[str, typer.Argument(metavar="NAME", help="The actor who is to speak for you.")],
    environments: Environments,
    until: Until,
    reason: Reason,
    roles: Annotated[
        list[str] | None,
        typer.Option("--role", metavar="ROLE", help="Which of your roles; once for each."),
    ] = None,
    ident: Ident = None,
) -> None:
    """Hand your voice to somebody else, for a time.

    He approves with `--for` and your name. You keep your voice; together you have one.

    Example:
      smartops --as approver delegation give ben -e staging --until 7d --reason "on leave"
    """

    async def action(session: Session) -> int:
        from smartops.contracts.commands import ApprovalDelegate  # noqa: PLC0415 - help must not wait
        from smartops.sdk.cli.moments import moment  # noqa: PLC0415 - the same

        ends = moment(until, datetime.now().astimezone(), "--until")
        async with await session.client() as client:
            person = await person_called(client.reader, to)
            command = ApprovalDelegate(
                to=person["actor"],
                roles=tuple(roles or ["approver"]),
                environments=places(environments),
                until=ends,
                reason=reason,
            )
            done = await client.delegate(command, id=ident)
        if session.json:
            session.data({"delegation": done.mandate, "event": done.event.id})
        else:
            session.show(f"{person['name']} may speak for you: delegation {short(done.mandate)}")
        return Exit.OK

    run(context, action)


def end(
    context: typer.Context,
    *,
    delegation: Annotated[
        str, typer.Argument(metavar="DELEGATION", help="Its id, or its first characters.")
    ],
    reason: Reason,
    ident: Ident = None,
) -> None:
    """Take your voice back. What was decided with it stays decided.

    Example:
      smartops --as approver delegation end 3f2a --reason "back again"
    """
    take_back(context, "delegation", delegation, reason, ident)


def _voices(rows: Sequence[dict[str, Any]]) -> Any:
    from smartops.sdk.cli.tables import table  # noqa: PLC0415 - the same

    now = datetime.now(UTC)
    return table(
        ["delegation", "of", "to", "what", "until"],
        [
            [
                short(row["delegation"]),
                row["name"],
                row["to_name"],
                f"{', '.join(row['roles'])} in {', '.join(row['environments'])}: {row['reason']}",
                left(row, now),
            ]
            for row in rows
        ],
    )
