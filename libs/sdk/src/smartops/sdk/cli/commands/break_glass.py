"""`break-glass`: one person's word alone, in an emergency."""

from __future__ import annotations

from typing import Annotated

import typer
from smartops.sdk.cli.commands.asking import Full, Yes, agreed, asked_about, show_card
from smartops.sdk.cli.commands.options import Ident, Task
from smartops.sdk.cli.exits import Exit
from smartops.sdk.cli.help import HelpfulCommand
from smartops.sdk.cli.session import Session, Usage, run
from smartops.sdk.short_id import short

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("break-glass", cls=HelpfulCommand, rich_help_panel="Decide")(break_glass)


def break_glass(
    context: typer.Context,
    *,
    task: Task,
    justification: Annotated[
        str,
        typer.Option(
            "--justification", "-j", metavar="TEXT", help="Why nobody else could; 20 letters least."
        ),
    ],
    yes: Yes = False,
    full: Full = False,
    ident: Ident = None,
) -> None:
    """Let a plan that waits for people run at once, alone, in an emergency.

    Needs the role `break-glass`, in your own name; you may have asked for the task yourself. It
    stands in for people, never for policy: what policy refuses stays refused. It is told of loudly,
    and opens a task in which somebody looks into it.

    Example:
      smartops --as approver break-glass 3f2a -j "customers cannot pay, nobody else is awake"
    """

    async def action(session: Session) -> int:
        from smartops.contracts.commands import SHORTEST_JUSTIFICATION  # noqa: PLC0415 - help must not wait

        if len(justification) < SHORTEST_JUSTIFICATION:
            raise Usage(f"--justification needs {SHORTEST_JUSTIFICATION} letters at least: say why")
        if not yes and not session.asks:
            raise Usage("nobody can be asked here: add --yes to break the glass without a question")
        async with await session.client() as client:
            found = await client.reader.find_task(task)
            session.about = short(found)
            approval = await asked_about(client, found)
            card = await client.card(found, approval["plan_hash"])
            show_card(session, client, card, approval, full=full, own=True)
            if not yes and not agreed("break the glass and run"):
                session.note("Nothing was decided.")
                return Exit.WAITING
            done = await client.break_glass(
                found, card.plan_hash, card.assessment_hash, justification, id=ident
            )
        if session.json:
            session.data({"task": found, "event": done.event.id, "already": done.already})
        elif done.already:
            session.show(f"{short(found)} had been approved already: no glass was broken")
        else:
            session.show(f"{short(found)} runs now, by your word alone; this is being looked into")
        return Exit.OK

    run(context, action)
