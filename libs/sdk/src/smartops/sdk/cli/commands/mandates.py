"""What `delegation` and `standing` have in common: words given beforehand, until a time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

import typer
from smartops.sdk.cli.exits import Exit
from smartops.sdk.cli.session import Session, Usage, run
from smartops.sdk.short_id import short, uuid_range

if TYPE_CHECKING:
    from smartops.contracts.wire import Environment
    from smartops.sdk.reader import Reader, Row

__all__ = [
    "Environments",
    "Everything",
    "Until",
    "left",
    "list_words",
    "person_called",
    "places",
    "take_back",
]

_MOST = 1000
"""Words among which one is looked for; the newest."""

Until = Annotated[
    str, typer.Option(metavar="TIME", help="Until 14:00, for 45m or 7d, or until a date.")
]
Environments = Annotated[
    list[str],
    typer.Option("--environment", "-e", metavar="NAME", help="Where; once for each."),
]
Everything = Annotated[bool, typer.Option("--all", help="What has ended or is used up, too.")]


def places(names: Sequence[str]) -> tuple[Environment, ...]:
    """The environments that were named.

    Raises:
        Usage: there is none of that name.
    """
    from smartops.contracts.wire import Environment  # noqa: PLC0415 - help must not wait for it

    known = [one.value for one in Environment]
    for name in names:
        if name not in known:
            raise Usage(f"--environment {name!r} is none of {', '.join(known)}")
    return tuple(Environment(name) for name in dict.fromkeys(names))


async def person_called(reader: Reader, name: str) -> Row:
    """The actor of this name or id.

    Raises:
        NotFound: there is none.
    """
    from smartops.sdk.errors import NotFound  # noqa: PLC0415 - help must not wait for it

    rows = await reader.actors()
    for row in rows:
        if name in (row["name"], str(row["actor"])):
            return row
    known = ", ".join(row["name"] for row in rows) or "nobody"
    raise NotFound(f"nobody is called {name!r}; there are: {known}.")


def list_words(
    context: typer.Context,
    ask: Callable[[Reader], Awaitable[list[Row]]],
    draw: Callable[[Sequence[Row]], Any],
    nothing: str,
) -> None:
    """List words given beforehand, or say in a sentence that there are none."""

    async def action(session: Session) -> int:
        async with session.reader() as reader:
            rows = await ask(reader)
        if session.json:
            session.data(rows)
        else:
            session.show(draw(rows) if rows else nothing)
        return Exit.OK

    run(context, action)


def take_back(
    context: typer.Context,
    kind: Literal["delegation", "standing"],
    text: str,
    reason: str,
    ident: str | None,
) -> None:
    """Take back the word that the beginning of an id names."""

    async def action(session: Session) -> int:
        async with await session.client() as client:
            if kind == "delegation":
                rows = await client.reader.delegations(everything=True, limit=_MOST)
                found = _named(text, [row[kind] for row in rows], "delegation")
                done = await client.end_delegation(found, reason, id=ident)
            else:
                rows = await client.reader.standings(everything=True, limit=_MOST)
                found = _named(text, [row[kind] for row in rows], "standing word")
                done = await client.revoke_standing(found, reason, id=ident)
        if session.json:
            session.data({"mandate": done.mandate, "already": done.already})
        else:
            what = "had been taken back already" if done.already else "ended"
            session.show(f"{short(done.mandate)} {what}")
        return Exit.OK

    run(context, action)


def left(row: dict[str, Any], now: datetime) -> str:
    """How long it still holds, or since when it does not."""
    from smartops.sdk.cli.text import age  # noqa: PLC0415 - the same

    if row["ended_at"] is not None:
        return f"ended {age(row['ended_at'], now)}"
    return f"over {age(row['until'], now)}" if row["until"] <= now else age(row["until"], now)


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
