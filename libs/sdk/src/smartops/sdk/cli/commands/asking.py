"""What commands that decide on a plan have in common: the card is shown, and one is asked."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer
from smartops.sdk.cli.session import Session
from smartops.sdk.short_id import short

if TYPE_CHECKING:
    from smartops.sdk.client import Client
    from smartops.sdk.plan_card import PlanCard

__all__ = ["Full", "Yes", "agreed", "asked_about", "show_card"]

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask; the plan is shown anyway.")]
Full = Annotated[bool, typer.Option("--full", help="Show every target, argument and digest.")]


async def asked_about(client: Client, task: UUID) -> dict[str, Any]:
    """What people are, or were, asked about last; only they can have decided it."""
    from smartops.sdk.errors import NotFound  # noqa: PLC0415 - help must not wait for it

    rows = await client.reader.approvals(task=task, status=None, limit=1)
    if rows and rows[0]["status"] in ("pending", "approved", "rejected"):
        return rows[0]
    if rows:
        raise NotFound(
            f"task {short(task)} waits for no decision: it is {rows[0]['status']}. "
            "`smartops approvals` lists what waits."
        )
    status = (await client.reader.task(task))["status"]
    raise NotFound(
        f"task {short(task)} waits for no decision: it is {status}. "
        "`smartops approvals` lists what waits."
    )


def show_card(
    session: Session,
    client: Client,
    card: PlanCard,
    approval: dict[str, Any],
    *,
    full: bool,
    own: bool = False,
) -> None:
    """Show the plan, until when it is to be decided, and as whom one decides.

    Args:
        session: where to.
        client: whose credentials are used.
        card: the plan.
        approval: what people are asked.
        full: nothing is cut.
        own: one may decide on a plan of one's own.
    """
    from smartops.sdk.cli.card_view import render_card  # noqa: PLC0415 - the same
    from smartops.sdk.cli.text import age  # noqa: PLC0415 - the same
    from smartops.sdk.cli.voices import told_voices  # noqa: PLC0415 - the same

    console = session.err if session.json else session.out
    console.print(render_card(card, console, full=full))
    for line in told_voices(approval.get("voices") or (), datetime.now(UTC)):
        session.note(f"Said already: {line}")
    session.note(
        f"Due {age(approval['expires_at'], datetime.now(UTC))}; you act as {client.name!r}.",
        style="dim",
    )
    if card.plan.header.requester.principal == client.principal and not own:
        session.note(
            "You asked for this task yourself, so your approval will be refused: decide as "
            "somebody else, with --as.",
            style="yellow",
        )


def agreed(decision: str) -> bool:
    """Ask; without an answer it is a no."""
    return typer.confirm(f"{decision.capitalize()} this plan?", default=False, err=True)
