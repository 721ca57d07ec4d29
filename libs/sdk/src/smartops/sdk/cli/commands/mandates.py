"""`delegation` and `standing`: words given beforehand, and taken back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer
from smartops.sdk.cli.exits import Exit
from smartops.sdk.cli.help import HelpfulCommand, HelpfulGroup
from smartops.sdk.cli.session import Session, Usage, run
from smartops.sdk.short_id import short, uuid_range

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["add_to"]

Reason = Annotated[
    str, typer.Option("--reason", "-r", metavar="TEXT", help="Why; it goes on record.")
]
Ident = Annotated[
    str | None,
    typer.Option("--id", metavar="ID", help="Name of this request: sent twice, it counts once."),
]
Until = Annotated[
    str, typer.Option(metavar="TIME", help="Until 14:00, for 45m or 7d, or until a date.")
]
Environments = Annotated[
    list[str],
    typer.Option("--environment", "-e", metavar="NAME", help="Where; once for each."),
]
Everything = Annotated[bool, typer.Option("--all", help="What has ended or is used up, too.")]

_DELEGATION = """Hand your voice on plans to somebody else for a time, and take it back.

Who speaks for you is recorded with you, and you two are one voice: neither may have asked for the
plan or edited it. Nobody can hand on what was handed to him.

Examples:
  smartops delegation list
  smartops --as approver delegation give ben -e staging --until 7d --reason "on leave"
  smartops --as approver delegation end 3f2a --reason "back again\""""

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
    voices = typer.Typer(cls=HelpfulGroup, help=_DELEGATION, no_args_is_help=True)
    voices.command("list", cls=HelpfulCommand)(delegations)
    voices.command("give", cls=HelpfulCommand)(delegate)
    voices.command("end", cls=HelpfulCommand)(end)
    app.add_typer(voices, name="delegation", rich_help_panel="Decide")
    words = typer.Typer(cls=HelpfulGroup, help=_STANDING, no_args_is_help=True)
    words.command("list", cls=HelpfulCommand)(standings)
    words.command("give", cls=HelpfulCommand)(give)
    words.command("revoke", cls=HelpfulCommand)(revoke)
    app.add_typer(words, name="standing", rich_help_panel="Decide")


# --- voices


def delegations(context: typer.Context, *, everything: Everything = False) -> None:
    """List the voices that were handed over, and count now.

    Example:
      smartops delegation list --all
    """

    async def action(session: Session) -> int:
        async with session.reader() as reader:
            rows = await reader.delegations(everything=everything)
        if session.json:
            session.data(rows)
        elif rows:
            session.show(_voices(rows))
        else:
            session.show("Nobody speaks for somebody else.")
        return Exit.OK

    run(context, action)


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
            person = await _person(await client.reader.actors(), to)
            command = ApprovalDelegate(
                to=person["actor"],
                roles=tuple(roles or ["approver"]),
                environments=_places(environments),
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

    async def action(session: Session) -> int:
        async with await session.client() as client:
            rows = await client.reader.delegations(everything=True, limit=1000)
            found = _named(delegation, [row["delegation"] for row in rows], "delegation")
            done = await client.end_delegation(found, reason, id=ident)
        _ended(session, done.mandate, already=done.already)
        return Exit.OK

    run(context, action)


# --- classes of plans


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
                environments=_places(environments),
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
            found = _named(standing, [row["standing"] for row in rows], "standing word")
            done = await client.revoke_standing(found, reason, id=ident)
        _ended(session, done.mandate, already=done.already)
        return Exit.OK

    run(context, action)


# --- beneath


async def _person(rows: Sequence[dict[str, Any]], name: str) -> dict[str, Any]:
    from smartops.sdk.errors import NotFound  # noqa: PLC0415 - help must not wait for it

    for row in rows:
        if name in (row["name"], str(row["actor"])):
            return row
    known = ", ".join(row["name"] for row in rows) or "nobody"
    raise NotFound(f"nobody is called {name!r}; there are: {known}.")


def _places(names: Sequence[str]) -> tuple[Any, ...]:
    from smartops.contracts.wire import Environment  # noqa: PLC0415 - help must not wait for it

    known = [one.value for one in Environment]
    for name in names:
        if name not in known:
            raise Usage(f"--environment {name!r} is none of {', '.join(known)}")
    return tuple(Environment(name) for name in dict.fromkeys(names))


def _named(text: str, known: Sequence[UUID], noun: str) -> UUID:
    from smartops.sdk.errors import NotFound  # noqa: PLC0415 - help must not wait for it

    try:
        first, last = uuid_range(text)
    except ValueError as error:
        raise NotFound(str(error).replace("task id", f"{noun} id")) from error
    found = [one for one in known if first <= one <= last]
    if len(found) == 1:
        return found[0]
    raise NotFound(f"{'several' if found else 'no'} {noun} ids begin with {text!r}.")


def _ended(session: Session, mandate: UUID, *, already: bool) -> None:
    if session.json:
        session.data({"mandate": mandate, "already": already})
    else:
        session.show(f"{short(mandate)} {'had been taken back already' if already else 'ended'}")


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
                _until(row, now),
            ]
            for row in rows
        ],
    )


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
                _until(row, now),
            ]
            for row in rows
        ],
    )


def _until(row: dict[str, Any], now: datetime) -> str:
    from smartops.sdk.cli.text import age  # noqa: PLC0415 - the same

    if row["ended_at"] is not None:
        return f"ended {age(row['ended_at'], now)}"
    return f"over {age(row['until'], now)}" if row["until"] <= now else age(row["until"], now)


def _plans(row: dict[str, Any]) -> str:
    from smartops.sdk.cli.text import count  # noqa: PLC0415 - the same

    where, tools = ", ".join(row["environments"]), ", ".join(row["tools"])
    most = f"{count(row['max_targets'], 'target')} and {row['max_risk_level']} risk at most"
    return f"{row['agent']} in {where} by {tools}, {most}: {row['reason']}"
