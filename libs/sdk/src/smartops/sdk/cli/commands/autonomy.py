"""`autonomy show`, `raise` and `lower`: what agents may do by themselves, and why."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from smartops.sdk.cli.commands.options import Ident, Reason
from smartops.sdk.cli.exits import Exit
from smartops.sdk.cli.help import HelpfulCommand, HelpfulGroup
from smartops.sdk.cli.levels_view import ANY, document, scope_words, show_levels
from smartops.sdk.cli.session import Session, run

if TYPE_CHECKING:
    from smartops.contracts.folds import AutonomyScope
    from smartops.sdk.levels import Held, Levels
    from smartops.sdk.reader import Reader

__all__ = ["add_to"]

Place = Literal["production", "staging", "development", "sandbox"]
Agent = Annotated[str, typer.Argument(metavar="AGENT", help="The agent's name.")]
ToolOption = Annotated[
    str, typer.Option("--tool", metavar="TOOL", help="The tool; '*' for all of them.")
]
EnvironmentOption = Annotated[
    Literal["production", "staging", "development", "sandbox", "*"],
    typer.Option(
        "--environment",
        metavar="ENVIRONMENT",
        help="production, staging, development or sandbox; '*' for all of them.",
    ),
]
VersionOption = Annotated[
    str,
    typer.Option("--agent-version", metavar="VERSION", help="Of the agent; '*' for all of them."),
]
LevelArgument = Annotated[
    int, typer.Argument(metavar="LEVEL", min=0, max=3, help="The level that is to hold.")
]

_HELP = """Show, raise and lower what agents may do by themselves.

L0 observes, L1 suggests, L2 does what can be taken back by itself, L3 also what cannot, with
approval. Levels fall by themselves and rise by a person.

Examples:
  smartops autonomy show
  smartops autonomy show drift --tool apply_patch --environment staging
  smartops autonomy show drift --at 2026-11-21T14:03
  smartops --as approver autonomy lower drift 0 --reason "something is wrong\""""


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(cls=HelpfulGroup, help=_HELP, no_args_is_help=True)
    group.command(cls=HelpfulCommand)(show)
    group.command("raise", cls=HelpfulCommand)(raise_level)
    group.command(cls=HelpfulCommand)(lower)
    app.add_typer(group, name="autonomy", rich_help_panel="Control")


def show(
    context: typer.Context,
    *,
    agent: Annotated[
        str | None, typer.Argument(metavar="[AGENT]", help="The agent's name; else all of them.")
    ] = None,
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="TIME", help="As it was then: 2026-11-21T14:03, or 14:03."),
    ] = None,
    tool: Annotated[str | None, typer.Option("--tool", metavar="TOOL", help="Only this.")] = None,
    environment: Annotated[
        Place | None, typer.Option("--environment", metavar="ENVIRONMENT", help="Only this.")
    ] = None,
    version: Annotated[
        str | None, typer.Option("--agent-version", metavar="VERSION", help="Only this.")
    ] = None,
) -> None:
    """Show levels and the reasons for them, now or at a time, from the log itself.

    Examples:
      smartops autonomy show
      smartops autonomy show drift --at 14:03 --environment staging
      smartops --json autonomy show drift | jq '.[].levels'
    """

    async def action(session: Session) -> int:
        from smartops.sdk.cli.moments import past_moment  # noqa: PLC0415 - help must not wait

        when = None if at is None else past_moment(at, datetime.now().astimezone(), "--at")
        wanted = (version, tool, environment)
        async with session.reader() as reader:
            known = await reader.agents()
            names = [agent] if agent is not None else known
            told = [(name, *await _levels(reader, name, when, wanted)) for name in names]
        if session.json:
            session.data([document(name, levels, held) for name, levels, held in told])
        elif not told:
            session.show("No agent has worked here yet, and nobody has said what one may do.")
        for name, levels, held in [] if session.json else told:
            show_levels(session, name, levels, held, when, chain=agent is not None)
        if agent is not None and agent not in known:
            heard = f"; known are {', '.join(known)}" if known else ""
            session.note(
                f"Nothing was ever heard of an agent {agent!r} here{heard}.", style="yellow"
            )
        return Exit.OK

    run(context, action)


def raise_level(
    context: typer.Context,
    *,
    agent: Agent,
    level: LevelArgument,
    reason: Reason,
    tool: ToolOption,
    environment: EnvironmentOption,
    version: VersionOption,
    ident: Ident = None,
) -> None:
    """Let an agent do more by itself: by one level, for one tool, version and environment.

    With '*' only as far as the default. Needs the role `autonomy-admin`, and somebody in whose name
    the agent has not worked there lately.

    Examples:
      smartops --as approver autonomy raise drift 2 --tool apply_patch --environment staging \
--agent-version 1.0.0 --reason "20 clean runs"
    """

    async def action(session: Session) -> int:
        from smartops.contracts.commands import AutonomyRaise  # noqa: PLC0415 - the same

        return await _change(
            session, AutonomyRaise, agent, (version, tool, environment), level, reason, ident
        )

    run(context, action)


def lower(
    context: typer.Context,
    *,
    agent: Agent,
    level: LevelArgument,
    reason: Reason,
    tool: ToolOption = ANY,
    environment: EnvironmentOption = ANY,
    version: VersionOption = ANY,
    ident: Ident = None,
) -> None:
    """Let an agent do less by itself, at once, in all that is named; `0` stops it.

    Needs the role `autonomy-admin`, `approver` or `senior-approver`.

    Examples:
      smartops --as approver autonomy lower drift 0 --reason "it patches the wrong servers"
      smartops --as approver autonomy lower drift 1 --environment staging --reason "look first"
    """

    async def action(session: Session) -> int:
        from smartops.contracts.commands import AutonomyLower  # noqa: PLC0415 - the same

        return await _change(
            session, AutonomyLower, agent, (version, tool, environment), level, reason, ident
        )

    run(context, action)


async def _change(
    session: Session,
    kind: Any,
    agent: str,
    scope: tuple[str, str, str],
    level: int,
    reason: str,
    ident: str | None,
) -> int:
    version, tool, environment = scope
    command = kind(
        agent=agent,
        agent_version=version,
        tool=tool,
        environment=environment,
        level=level,
        reason=reason,
    )
    async with await session.client() as client:
        done = await client.set_level(command, id=ident)
    if session.json:
        session.data({"changed": not done.already, "level": level})
    elif done.already:
        session.show(f"It is so already: L{level}.")
    else:
        before = getattr(done.event.data, "before", None)
        session.show(f"{agent} {scope_words((version, tool, environment))}: L{before} → L{level}")
    return Exit.OK


async def _levels(
    reader: Reader,
    agent: str,
    at: datetime | None,
    wanted: tuple[str | None, str | None, str | None],
) -> tuple[Levels, list[Held]]:
    from smartops.contracts.folds import AutonomyScope  # noqa: PLC0415 - the same
    from smartops.sdk.levels import levels_at  # noqa: PLC0415 - the same

    levels = levels_at(*await reader.levels(agent), at)
    rows = await reader.track(agent)
    worked = [(row["agent_version"], row["tool"], row["environment"]) for row in rows]
    scopes = [scope for scope in levels.scopes(worked) if _is_wanted(scope, wanted)]
    if not scopes and any(wanted):
        scopes = [AutonomyScope(*(part or ANY for part in wanted))]
    return levels, [levels.held(scope) for scope in scopes]


def _is_wanted(scope: AutonomyScope, wanted: tuple[str | None, str | None, str | None]) -> bool:
    return all(want in (None, part) for want, part in zip(wanted, scope, strict=True))
