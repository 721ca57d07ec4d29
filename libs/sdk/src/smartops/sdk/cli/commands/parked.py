"""`parked` and `parked retry`: what could not be digested, and another try at it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from smartops.sdk.cli.commands.options import Ident
from smartops.sdk.cli.exits import Exit
from smartops.sdk.cli.help import HelpfulCommand, HelpfulGroup
from smartops.sdk.cli.session import Session, Usage, run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smartops.sdk.client import Client

__all__ = ["add_to"]

Service = Annotated[
    str | None, typer.Option("--service", "-s", metavar="NAME", help="Only what this one parked.")
]
Contains = Annotated[
    str | None,
    typer.Option("--matching", "-m", metavar="TEXT", help="Only with this text in the reason."),
]
Limit = Annotated[int, typer.Option(metavar="N", min=1, max=1000, help="At most so many.")]

_HELP = """List triggers that no service could digest. They wait, nothing else waits for them.

Examples:
  smartops parked
  smartops parked --service policy --matching TypeError
  smartops parked retry 3f2a --reason "fixed in 0.1.2\""""


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(cls=HelpfulGroup, help=_HELP, invoke_without_command=True)
    group.callback()(parked)
    group.command(cls=HelpfulCommand)(retry)
    app.add_typer(group, name="parked", rich_help_panel="Look closer")


def parked(
    context: typer.Context,
    *,
    service: Service = None,
    matching: Contains = None,
    limit: Limit = 100,
) -> None:
    """List what is parked, unless a command follows."""
    if context.invoked_subcommand is not None:
        return

    async def action(session: Session) -> int:
        async with session.reader() as reader:
            rows = await reader.parked(service=service, reason=matching, limit=limit)
        if session.json:
            session.data(rows)
        elif rows:
            _show(session, rows)
        elif service is None and matching is None:
            session.show("Nothing is parked: every trigger was digested.")
        else:
            session.show("Nothing of that kind is parked.")
        return Exit.OK

    run(context, action)


def retry(
    context: typer.Context,
    *,
    trigger: Annotated[
        str | None,
        typer.Argument(metavar="TRIGGER", help="The trigger's id, or its first characters."),
    ] = None,
    reason: Annotated[
        str,
        typer.Option("--reason", "-r", metavar="TEXT", help="Why it should succeed now."),
    ],
    everything: Annotated[
        bool, typer.Option("--all", help="All that is parked, as far as the filters let it.")
    ] = False,
    service: Service = None,
    matching: Contains = None,
    limit: Limit = 100,
    ident: Ident = None,
) -> None:
    """Have a parked trigger tried once more, by the service that parked it.

    It is told how each ended: handled, or parked again with the new reason. A trigger that is not
    parked any more is left alone. What is tried, by whom and why goes on record.

    Examples:
      smartops parked retry 3f2a --reason "fixed in 0.1.2"
      smartops parked retry --all --service policy --matching TypeError --reason "fixed in 0.1.2"
    """

    async def action(session: Session) -> int:
        if (trigger is None) is not everything:
            raise Usage("Name one trigger, or say --all.")
        async with await session.client() as client:
            rows = await client.reader.parked(service=service, reason=matching, limit=limit)
            if trigger is not None:
                rows = _named(trigger, rows)
            told = [await _retry(client, row, reason, ident) for row in rows]
        if session.json:
            session.data(told)
        elif not told:
            session.show("Nothing of that kind is parked.")
        for one in () if session.json else told:
            session.show(f"{one['cause']} {one['handler']}: {_sentence(one)}")
        return _worst(told)

    run(context, action)


def _named(text: str, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of one trigger: several reactions may have parked the same event."""
    from smartops.sdk.errors import Ambiguous, NotFound  # noqa: PLC0415 - help must not wait

    found = [row for row in rows if str(row["cause"]).startswith(text.lower())]
    if not found:
        raise NotFound(f"nothing is parked whose id begins with {text!r}. `smartops parked` lists.")
    causes = sorted({row["cause"] for row in found})
    if len(causes) > 1:
        raise Ambiguous(text, causes)
    return found


async def _retry(
    client: Client, row: dict[str, Any], reason: str, ident: str | None
) -> dict[str, Any]:
    from smartops.sdk.errors import Refused, Unknown  # noqa: PLC0415 - the same

    told = {name: row[name] for name in ("service", "handler", "cause")}
    # Under one name for all of them, each still has its own command.
    own = None if ident is None else f"{ident}-{row['handler'].replace('.', '-')}-{row['cause']}"
    try:
        done = await client.retry_parked(
            row["service"], row["handler"], row["cause"], reason, id=own
        )
    except Refused as error:
        return told | {"outcome": "refused", "reason": str(error)}
    except Unknown as error:
        return told | {"outcome": "unknown", "reason": str(error)}
    return told | {"outcome": done.outcome, "reason": done.reason}


def _sentence(told: dict[str, Any]) -> str:
    from smartops.sdk.cli.text import one_line  # noqa: PLC0415 - the same

    words = {"handled": "handled", "parked": "parked again", "refused": "left alone"}
    head = words.get(told["outcome"], told["outcome"])
    return head if not told["reason"] else f"{head}: {one_line(told['reason'])}"


def _worst(told: Sequence[dict[str, Any]]) -> int:
    codes = {"parked": Exit.FAILURE, "refused": Exit.REFUSED, "unknown": Exit.UNKNOWN}
    return max((codes.get(one["outcome"], Exit.OK) for one in told), default=Exit.OK)


def _show(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    from smartops.sdk.cli.tables import table  # noqa: PLC0415 - the same
    from smartops.sdk.cli.text import age  # noqa: PLC0415 - the same

    now = datetime.now(UTC)
    session.show(
        table(
            ["handler", "trigger", "which is", "since", "reason"],
            [
                [
                    row["handler"],
                    str(row["cause"]),
                    row["topic"] or "a command",
                    age(row["recorded_at"], now),
                    row["reason"],
                ]
                for row in rows
            ],
        )
    )
    session.note(
        f"Another try at one: {session.command('parked', 'retry', 'TRIGGER', '--reason', '...')}",
        style="dim",
    )
