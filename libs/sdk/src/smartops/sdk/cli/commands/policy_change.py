"""`policy propose`, `sign` and `activate`: how another bundle comes in force."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from smartops.sdk.cli.commands.options import Ident, Reason
from smartops.sdk.cli.commands.policy_naming import named, short
from smartops.sdk.cli.exits import Exit
from smartops.sdk.cli.session import Session, Usage, run

if TYPE_CHECKING:
    from smartops.contracts.wire import CommandData

__all__ = ["activate", "propose", "sign"]

Digest = Annotated[
    str,
    typer.Argument(metavar="DIGEST", help="The bundle's digest, or its first characters."),
]


def propose(
    context: typer.Context,
    *,
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder of the bundle.", exists=True)
    ],
    reason: Reason,
    ident: Ident = None,
) -> None:
    """Propose a bundle. It is tried first, here and again by the policy service.

    Examples:
      smartops policy propose my-policies --reason "no deployments on Fridays"
    """

    async def action(session: Session) -> int:
        from smartops.contracts.commands import BundlePropose  # noqa: PLC0415 - the same
        from smartops.contracts.errors import Malformed  # noqa: PLC0415 - the same
        from smartops.contracts.packing import pack  # noqa: PLC0415 - the same
        from smartops.sdk.second_engine import BundleRefused, SecondEngine  # noqa: PLC0415

        async with SecondEngine() as engine:
            loaded = await engine.load(directory=str(directory))
        if loaded.failures:
            raise BundleRefused(
                f"{len(loaded.failures)} of its cases fail;"
                f" `{session.command('policy', 'test', '--bundle', str(directory))}` says which"
            )
        try:
            document = pack(loaded.document.encode())
        except Malformed as error:
            raise Usage(f"{directory}: {error}") from error
        await _change(session, BundlePropose(document=document, reason=reason), ident)
        _said(session, loaded.digest, "proposed")
        session.note(
            f"Another policy-admin signs it: "
            f"{session.command('--as NAME', 'policy', 'sign', short(loaded.digest))} --reason ...",
            style="dim",
        )
        return Exit.OK

    run(context, action)


def sign(context: typer.Context, *, digest: Digest, reason: Reason, ident: Ident = None) -> None:
    """Agree, as another person than who proposed it, that a bundle may come in force.

    Examples:
      smartops --as approver policy sign 204b88a9 --reason "read it, and the replay"
    """

    async def action(session: Session) -> int:
        from smartops.contracts.commands import BundleSign  # noqa: PLC0415 - help must not wait

        found = await named(session, digest)
        await _change(session, BundleSign(digest=found["digest"], reason=reason), ident)
        _said(session, found["digest"], "signed")
        return Exit.OK

    run(context, action)


def activate(
    context: typer.Context, *, digest: Digest, reason: Reason, ident: Ident = None
) -> None:
    """Put a signed bundle in force, or one that was in force before: so one goes back.

    It holds from that moment on. What was decided under another one and has not gone out yet is
    decided again.

    Examples:
      smartops policy activate 204b88a9 --reason "agreed on Monday"
    """

    async def action(session: Session) -> int:
        from smartops.contracts.commands import BundleActivate  # noqa: PLC0415 - the same

        found = await named(session, digest)
        await _change(session, BundleActivate(digest=found["digest"], reason=reason), ident)
        _said(session, found["digest"], "in force")
        return Exit.OK

    run(context, action)


async def _change(session: Session, command: CommandData, ident: str | None) -> None:
    async with await session.client() as client:
        await client.change_bundle(command, id=ident)  # type: ignore[arg-type]


def _said(session: Session, digest: str, what: str) -> None:
    if session.json:
        session.data({"digest": digest, "state": what.replace(" ", "_")})
    else:
        session.show(f"{digest} {what}")
