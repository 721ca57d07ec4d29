"""`policy shadow`: a bundle that decides alongside, without authority."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from smartops.sdk.cli.commands.options import Ident
from smartops.sdk.cli.commands.policy_naming import named
from smartops.sdk.cli.exits import Exit
from smartops.sdk.cli.session import Session, Usage, run
from smartops.sdk.short_id import short

__all__ = ["shadow"]

_SHOWN = 20
"""Disagreements shown one by one."""


def shadow(
    context: typer.Context,
    *,
    digest: Annotated[
        str | None,
        typer.Argument(metavar="DIGEST", help="Let this bundle decide alongside from now on."),
    ] = None,
    off: Annotated[bool, typer.Option("--off", help="Let none decide alongside.")] = False,
    reason: Annotated[
        str, typer.Option("--reason", "-r", metavar="TEXT", help="Why, to change it; on record.")
    ] = "",
    ident: Ident = None,
) -> None:
    """Show how a bundle without authority would have decided; or say which one decides alongside.

    Examples:
      smartops policy shadow
      smartops policy shadow 204b88a9 --reason "before we sign it"
      smartops policy shadow --off --reason "seen enough"
    """

    async def action(session: Session) -> int:
        if digest is None and not off:
            return await _tell_shadow(session)
        if digest is not None and off:
            raise Usage("Name a bundle or say --off, not both.")
        if not reason:
            raise Usage("Say why: --reason TEXT.")
        from smartops.contracts.commands import BundleShadow  # noqa: PLC0415 - the same

        found = None if digest is None else (await named(session, digest))["digest"]
        async with await session.client() as client:
            await client.change_bundle(BundleShadow(digest=found, reason=reason), id=ident)
        if session.json:
            session.data({"shadow": found})
        else:
            session.show(
                "No bundle decides alongside." if found is None else f"{found} decides alongside."
            )
        return Exit.OK

    run(context, action)


async def _tell_shadow(session: Session) -> int:
    async with session.reader() as reader:
        current = next((row for row in await reader.bundles() if row["shadow"]), None)
        rows = await reader.shadow(current["digest"]) if current is not None else []
    if current is None:
        if session.json:
            session.data({"shadow": None})
        else:
            session.show("No bundle decides alongside.")
        return Exit.OK
    told = [one for row in rows for one in reversed(row["told"] or [])]
    summary = {
        "shadow": current["digest"],
        "decisions": sum(row["decisions"] for row in rows),
        "not_recomputable": sum(row["not_recomputable"] for row in rows),
        "disagreements": sum(row["disagreements"] for row in rows),
        "through": max((row["through"] for row in rows), default=None),
        "last": told[:_SHOWN],
    }
    if session.json:
        session.data(summary)
        return Exit.OK
    session.show(
        f"{current['digest']} disagrees in {summary['disagreements']} of"
        f" {summary['decisions']} decisions"
    )
    for one in told[:_SHOWN]:
        recorded, alongside = one["recorded"], one["shadow"]
        session.show(
            f"  {_outcome(recorded)} -> {_outcome(alongside)}  {recorded['entrypoint']}"
            f"  task {short(one['task'])}  {', '.join(alongside['rules'])}"
        )
    return Exit.OK


def _outcome(decision: dict[str, Any]) -> str:
    if not decision["allow"]:
        return "deny"
    return "ask" if decision["requires_approval"] else "allow"
