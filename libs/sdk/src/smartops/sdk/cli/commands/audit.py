"""`audit verify`: the hash chain, computed again on this machine."""

from __future__ import annotations

import typer
from smartops.sdk.cli.exits import Exit
from smartops.sdk.cli.help import HelpfulCommand, HelpfulGroup
from smartops.sdk.cli.session import Session, run

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    audit = typer.Typer(
        cls=HelpfulGroup, help="Check that history is what it was.", no_args_is_help=True
    )
    audit.command(cls=HelpfulCommand)(verify)
    app.add_typer(audit, name="audit", rich_help_panel="Look closer")


def verify(context: typer.Context) -> None:
    """Read the whole log and compute its hash chain again, here, trusting no service.

    Every event's bytes are hashed, the chain must be unbroken from the first event to the
    last, and it must still pass through every head that was anchored outside the database.

    Examples:
      smartops audit verify
      smartops --json audit verify
    """

    async def action(session: Session) -> int:
        from smartops.sdk.anchors import read_anchors  # noqa: PLC0415 - help must not wait for it
        from smartops.sdk.chain import verify as walk  # noqa: PLC0415 - the same

        profile = session.profile()
        anchors = read_anchors(profile.home / "anchors", profile.tenant)
        with session.err.status("reading the log") as status:
            async with session.reader() as reader:
                chain = await walk(
                    reader.log(),
                    heads=anchors,
                    progress=lambda count: status.update(f"{count:,} events are intact"),
                )
        if session.json:
            session.data(
                {
                    "intact": True,
                    "tenant": profile.tenant,
                    "events": chain.count,
                    "position": chain.position,
                    "head": chain.head.hex(),
                    "anchors": len(anchors),
                }
            )
            return Exit.OK
        passed = f", through {len(anchors)} anchored heads" if anchors else ", none was anchored"
        session.show(f"intact: {chain.count:,} events of {profile.tenant}{passed}")
        session.note(f"head {chain.head.hex()} at position {chain.position}", style="dim")
        return Exit.OK

    run(context, action)
