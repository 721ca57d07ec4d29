"""`pii reveal`, `pii erase` and `call reveal`: personal data shown to who may, and deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from smartops.sdk.cli.commands.options import Ident, Reason
from smartops.sdk.cli.exits import Exit
from smartops.sdk.cli.help import HelpfulCommand, HelpfulGroup
from smartops.sdk.cli.session import Session, Usage, run

if TYPE_CHECKING:
    from smartops.sdk.privacy import Revealed

__all__ = ["add_to", "reveal_call"]

_MOST = 100
"""Tokens in one question."""


_HELP = """Personal data: the log holds tokens, the vault what they stand for.

Examples:
  smartops --as approver pii reveal 3f2a3f2a3f2a3f2a3f2a3f2a3f2a3f2a --reason "to call them back"
  smartops --as approver call reveal 77aa --reason "which address was it?"
  smartops --as approver pii erase --task 3f2a --reason "asked for by the person\""""


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(cls=HelpfulGroup, help=_HELP, no_args_is_help=True)
    group.command(cls=HelpfulCommand)(reveal)
    group.command(cls=HelpfulCommand)(erase)
    app.add_typer(group, name="pii", rich_help_panel="Look closer")


def reveal(
    context: typer.Context,
    *,
    tokens: Annotated[
        list[str],
        typer.Argument(metavar="TOKEN...", help="Tokens, bare or as in [email:3f2a...]."),
    ],
    reason: Reason,
    ident: Ident = None,
) -> None:
    """Show what stands behind tokens. Who asked, for which and why goes on record.

    The answer is sealed to a key of this very command; no event and no log holds it. Needs the role
    `privacy`.

    Examples:
      smartops --as approver pii reveal 3f2a3f2a3f2a3f2a3f2a3f2a3f2a3f2a --reason "to call"
    """

    async def action(session: Session) -> int:
        from smartops.sdk.privacy import tokens_in  # noqa: PLC0415 - help must not wait

        found = tokens_in(*tokens)
        if not found:
            raise Usage("There is no token in that: they are 32 digits, 0-9 and a-f.")
        async with await session.client() as client:
            return _show(session, await client.reveal(found, reason, id=ident))

    run(context, action)


def reveal_call(
    context: typer.Context,
    *,
    call: Annotated[
        str, typer.Argument(metavar="CALL", help="The call's id, or its first characters.")
    ],
    reason: Reason,
    ident: Ident = None,
) -> None:
    """Show what stands behind the tokens in a call's record. Who asked and why goes on record.

    The answer is sealed to a key of this very command; no event and no log holds it. Needs the role
    `privacy`.

    Example:
      smartops --as approver call reveal 77aa --reason "which address was it?"
    """

    async def action(session: Session) -> int:
        from smartops.sdk.privacy import tokens_in  # noqa: PLC0415 - the same

        async with await session.client() as client:
            asked = await client.reader.find_call(call)
            row = await client.reader.call(asked)
            found = tokens_in(row)[:_MOST]
            if not found:
                session.show("The record of this call holds no token.")
                return Exit.OK
            told = await client.reveal(found, reason, task=row["task"], call=asked, id=ident)
            return _show(session, told)

    run(context, action)


def erase(
    context: typer.Context,
    *,
    token: Annotated[
        str | None, typer.Option(metavar="TOKEN", help="What stands behind this one.")
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(metavar="TASK", help="Only what this task knows: all of it, or of the token."),
    ] = None,
    reason: Reason,
    ident: Ident = None,
) -> None:
    """Delete personal data. The history stays as it is, and can be verified; its tokens are empty.

    Calls that still need a value are denied from now on. It cannot be taken back. Needs the role
    `privacy`.

    Examples:
      smartops --as approver pii erase --task 3f2a --reason "asked for by the person"
    """

    async def action(session: Session) -> int:
        from smartops.sdk.privacy import tokens_in  # noqa: PLC0415 - the same

        if token is None and task is None:
            raise Usage("Name a --token, a --task, or both.")
        one = tokens_in(token or "")
        if token is not None and len(one) != 1:
            raise Usage(f"{token!r} is no token: they are 32 digits, 0-9 and a-f.")
        async with await session.client() as client:
            about = None if task is None else await client.reader.find_task(task)
            gone = await client.erase(reason, token=one[0] if one else None, task=about, id=ident)
        if session.json:
            session.data({"values": gone.values})
        else:
            session.show(f"{gone.values} value{'' if gone.values == 1 else 's'} gone for good")
        return Exit.OK

    run(context, action)


def _show(session: Session, told: Revealed) -> int:
    if session.json:
        session.data({"values": told.values, "missing": list(told.missing)})
    else:
        for token, value in told.values.items():
            session.show(f"{token}  {value}")
        for token in told.missing:
            session.show(f"{token}  (erased, or never known)")
    return Exit.OK if told.values else Exit.FAILURE
