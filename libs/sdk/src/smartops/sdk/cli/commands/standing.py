"""`standing`: a class of plans that somebody agrees to beforehand."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from smartops.sdk.cli.commands.mandates import (
    Environments,
    Everything,
    Until,
    ended,
    left,
    named,
    places,
)
from smartops.sdk.cli.commands.options import Ident, Reason
from smartops.sdk.cli.exits import Exit
from smartops.sdk.cli.help import HelpfulCommand, HelpfulGroup
from smartops.sdk.cli.session import Session, Usage, run
from smartops.sdk.short_id import short

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["add_to"]

_STANDING = """Agree beforehand to a class of plans, so often, until then, and take it back.

A plan of the class is let through by your word, without asking anybody, if policy lets it be
approved at all, one person is enough, and you had no hand in it.

Examples:
  smartops standing list
  smartops --as approver standing give --agent drift --tool apply_patch -e staging --until 7d \\
    --uses 20 --max-targets 5 --max-risk medium --reason "the nightly patches"
  smartops --as approver standing revoke 3f2a --reason "patches are broken\""""


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(cls=HelpfulGroup, help=_STANDING, no_args_is_help=True)
    group.command("list", cls=HelpfulCommand)(standings)
    group.command("give", cls=HelpfulCommand)(give)
    group.command("revoke", cls=HelpfulCommand)(revoke)
    app.add_typer(group, name="standing", rich_help_panel="Decide")


def standings(context: typer.Context, *, everything: Everything = False) -> None:
    """List the classes of plans that somebody agreed to, and that are let through now.

    Example:
      smartops standing list --all
    """

    async def action(session: Session) -> int:
        async with session.reader() as reader:
            rows = await reader.standings(everything=everything)
        if session.json:
            session.data(rows)
        elif rows:
            session.show(_words(rows))
        else:
            session.show("Nobody has agreed to anything beforehand.")
        return Exit.OK

    run(context, action)


def give(
    context: typer.Context,
    *,
    agent: Annotated[str, typer.Option(metavar="NAME", help="The agent whose plans.")],
    tools: Annotated[
        list[str],
        typer.Option("--tool", metavar="TOOL", help="A tool that they use; once for each."),
    ],
    environments: Environments,
    until: Until,
    uses: Annotated[int, typer.Option(metavar="N", min=1, max=10_000, help="So many plans.")],
    reason: Reason,
    max_targets: Annotated[
        int, typer.Option(metavar="N", min=1, max=5000, help="Each changes at most N targets.")
    ],
    max_risk: Annotated[
        str, typer.Option(metavar="LEVEL", help="low, medium, high or critical, and no more.")
    ] = "medium",
    ident: Ident = None,
) -> None:
    r"""Agree beforehand to a class of plans.

    Production has to be named, and needs the role `senior-approver`. A grant given by it ends when
    it ends. A plan that somebody asked a person to look at is not let through by it, nor one that
    was edited or planned anew, nor one that needs more than one voice.

    Example:
      smartops --as approver standing give --agent drift --tool apply_patch -e staging --until 7d \
        --uses 20 --max-targets 5 --max-risk medium --reason "the nightly patches"
    """

    async def action(session: Session) -> int:
        from pydantic import ValidationError  # noqa: PLC0415 - help must not wait for it
        from smartops.contracts.commands import StandingGive  # noqa: PLC0415 - the same
        from smartops.contracts.standing import StandingClass  # noqa: PLC0415 - the same
        from smartops.contracts.wire import RiskLevel  # noqa: PLC0415 - the same
        from smartops.sdk.cli.moments import moment  # noqa: PLC0415 - the same

        levels = [level.value for level in RiskLevel]
        if max_risk not in levels:
            raise Usage(f"--max-risk {max_risk!r} is none of {', '.join(levels)}")
        ends = moment(until, datetime.now().astimezone(), "--until")
        try:
            plans = StandingClass(
                agent=agent,
                tools=tuple(dict.fromkeys(tools)),
                environments=places(environments),
                max_targets=max_targets,
                max_risk_level=RiskLevel(max_risk),
            )
        except ValidationError as error:
            first = error.errors()[0]
            raise Usage(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
        command = StandingGive(plans=plans, max_uses=uses, until=ends, reason=reason)
        async with await session.client() as client:
            done = await client.give_standing(command, id=ident)
        if session.json:
            session.data({"standing": done.mandate, "event": done.event.id})
        else:
            session.show(f"agreed to, {uses} times at most: standing word {short(done.mandate)}")
        return Exit.OK

    run(context, action)


def revoke(
    context: typer.Context,
    *,
    standing: Annotated[
        str, typer.Argument(metavar="STANDING", help="Its id, or its first characters.")
    ],
    reason: Reason,
    ident: Ident = None,
) -> None:
    """Take back what was agreed to beforehand. What it has let through already goes on.

    Example:
      smartops --as approver standing revoke 3f2a --reason "patches are broken"
    """

    async def action(session: Session) -> int:
        async with await session.client() as client:
            rows = await client.reader.standings(everything=True, limit=1000)
            found = named(standing, [row["standing"] for row in rows], "standing word")
            done = await client.revoke_standing(found, reason, id=ident)
        ended(session, done.mandate, already=done.already)
        return Exit.OK

    run(context, action)


def _words(rows: Sequence[dict[str, Any]]) -> Any:
    from smartops.sdk.cli.tables import table  # noqa: PLC0415 - the same

    now = datetime.now(UTC)
    return table(
        ["standing", "by", "uses", "what", "until"],
        [
            [
                short(row["standing"]),
                row["name"],
                f"{row['uses']} of {row['max_uses']}",
                _plans(row),
                left(row, now),
            ]
            for row in rows
        ],
    )


def _plans(row: dict[str, Any]) -> str:
    from smartops.sdk.cli.text import count  # noqa: PLC0415 - the same

    where, tools = ", ".join(row["environments"]), ", ".join(row["tools"])
    most = f"{count(row['max_targets'], 'target')} and {row['max_risk_level']} risk at most"
    return f"{row['agent']} in {where} by {tools}, {most}: {row['reason']}"
