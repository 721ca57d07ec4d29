"""`standing`: a class of plans that somebody agrees to beforehand."""

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
    places,
    take_back,
)
from smartops.sdk.cli.commands.options import Ident, Reason
from smartops.sdk.cli.exits import Exit
from smartops.sdk.cli.help import HelpfulCommand, HelpfulGroup
from smartops.sdk.cli.session import Session, Usage, run
from smartops.sdk.short_id import short

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smartops.sdk.reader import Reader

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
    list_words(
        context,
        lambda reader: reader.standings(everything=everything),
        _words,
        "Nobody has agreed to anything beforehand.",
    )


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
        from smartops.contracts.commands import StandingGive  # noqa: PLC0415 - help must not wait
        from smartops.contracts.standing import StandingClass  # noqa: PLC0415 - the same
        from smartops.contracts.wire import RiskLevel  # noqa: PLC0415 - the same
        from smartops.sdk.cli.moments import moment  # noqa: PLC0415 - the same

        levels = [level.value for level in RiskLevel]
        if max_risk not in levels:
            raise Usage(f"--max-risk {max_risk!r} is none of {', '.join(levels)}")
        ends = moment(until, datetime.now().astimezone(), "--until")
        plans = StandingClass(
            agent=agent,
            tools=tuple(dict.fromkeys(tools)),
            environments=places(environments),
            max_targets=max_targets,
            max_risk_level=RiskLevel(max_risk),
        )
        command = StandingGive(plans=plans, max_uses=uses, until=ends, reason=reason)
        async with await session.client() as client:
            unheard = await _unheard_of(client.reader, agent, plans.tools)
            done = await client.give_standing(command, id=ident)
        if session.json:
            session.data({"standing": done.mandate, "event": done.event.id})
        else:
            session.show(f"agreed to, {uses} times at most: standing word {short(done.mandate)}")
        if unheard:
            me = ("--as", session.options.identity)
            back = session.command(*me, "standing", "revoke", short(done.mandate))
            session.note(
                f"It fits nothing as long as there is no {' and no '.join(unheard)} here. A slip? "
                f"Take it back: {back} --reason ...",
                style="yellow",
            )
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
    take_back(context, "standing", standing, reason, ident)


async def _unheard_of(reader: Reader, agent: str, tools: Sequence[str]) -> list[str]:
    """What a class names and nobody has heard of: a plan never fits it."""
    known = {row["name"] for row in await reader.tools()}
    told = [f"tool {tool!r}" for tool in tools if tool not in known]
    return told if agent in await reader.agents() else [f"agent {agent!r}", *told]


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
