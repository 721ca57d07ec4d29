"""What `delegation` and `standing` have in common: words given beforehand, until a time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer
from smartops.sdk.cli.session import Session, Usage
from smartops.sdk.short_id import short, uuid_range

if TYPE_CHECKING:
    from smartops.contracts.wire import Environment

__all__ = ["Environments", "Everything", "Until", "ended", "left", "named", "places"]

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


def named(text: str, known: Sequence[UUID], noun: str) -> UUID:
    """The one that the beginning of an id names.

    Raises:
        NotFound: none or several do.
    """
    from smartops.sdk.errors import NotFound  # noqa: PLC0415 - help must not wait for it

    try:
        first, last = uuid_range(text)
    except ValueError as error:
        raise NotFound(str(error).replace("task id", f"{noun} id")) from error
    found = [one for one in known if first <= one <= last]
    if len(found) == 1:
        return found[0]
    raise NotFound(f"{'several' if found else 'no'} {noun} ids begin with {text!r}.")


def ended(session: Session, mandate: UUID, *, already: bool) -> None:
    """Tell that a mandate ended."""
    if session.json:
        session.data({"mandate": mandate, "already": already})
    else:
        session.show(f"{short(mandate)} {'had been taken back already' if already else 'ended'}")


def left(row: dict[str, Any], now: datetime) -> str:
    """How long it still holds, or since when it does not."""
    from smartops.sdk.cli.text import age  # noqa: PLC0415 - the same

    if row["ended_at"] is not None:
        return f"ended {age(row['ended_at'], now)}"
    return f"over {age(row['until'], now)}" if row["until"] <= now else age(row["until"], now)
