"""`approvals`, `approve`, `reject`: what waits for a person, and the person's word."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

import typer
from smartops.sdk.cli.exits import Exit
from smartops.sdk.cli.help import HelpfulCommand
from smartops.sdk.cli.session import Session, Usage, run
from smartops.sdk.short_id import short

if TYPE_CHECKING:
    from smartops.contracts.bounds import Limits
    from smartops.sdk.client import Client
    from smartops.sdk.plan_card import PlanCard

__all__ = ["add_to"]

Task = Annotated[
    str, typer.Argument(metavar="TASK", help="The task's id, or its first characters.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask; the plan is shown anyway.")]
Full = Annotated[bool, typer.Option("--full", help="Show every target, argument and digest.")]
Ident = Annotated[
    str | None,
    typer.Option("--id", metavar="ID", help="Name of this request: sent twice, it counts once."),
]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (approvals, approve, reject):
        app.command(cls=HelpfulCommand, rich_help_panel="Decide")(command)


def approvals(
    context: typer.Context,
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Those that were decided or have expired, too.")
    ] = False,
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=1000)] = 50,
) -> None:
    """List the plans that wait for a person's decision.

    Examples:
      smartops approvals
      smartops --json approvals --all
    """

    async def action(session: Session) -> int:
        async with session.reader() as reader:
            rows = await reader.approvals(status=None if everything else "pending", limit=limit)
        if session.json:
            session.data(rows)
        elif rows:
            session.show(_table(rows))
            if any(row["status"] == "pending" for row in rows):
                line = session.command("--as", "approver", "approve", "TASK")
                session.note(f"Read one and decide: {line}", style="dim")
        else:
            session.show("Nothing waits for a decision.")
        return Exit.OK

    run(context, action)


def approve(
    context: typer.Context,
    *,
    task: Task,
    note: Annotated[str, typer.Option(metavar="TEXT", help="For the record.")] = "",
    max_targets: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Approve changes of at most N targets."),
    ] = None,
    max_calls: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Approve at most N calls, repeats included."),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Approve until 14:00, for 45m, or until a date."),
    ] = None,
    yes: Yes = False,
    full: Full = False,
    ident: Ident = None,
) -> None:
    """Read a task's plan, then approve it, byte for byte as shown.

    You act as 'operator' unless told otherwise, here too: approving is somebody else's word,
    so who gives it is said aloud, with --as. Whoever asked for the task is refused.

    The card is made from the very bytes that were hashed, and approval names those hashes: a
    plan that changed meanwhile is not approved by it.

    Less than the whole plan can be approved: so many targets, so many calls, until then. A call
    beyond that is refused and ends the grant; what was changed can still be taken back.

    Examples:
      smartops --as approver approve 3f2a
      smartops --as approver approve 3f2a --max-targets 20 --until 14:00
      smartops --as approver approve 3f2a --yes --note "change 4711"
    """
    asked = (max_targets, max_calls, until)
    _decide(context, "approve", task, note, ident, yes=yes, full=full, asked=asked)


def reject(
    context: typer.Context,
    *,
    task: Task,
    note: Annotated[str, typer.Option(metavar="TEXT", help="Why; the requester reads it.")],
    yes: Yes = False,
    full: Full = False,
    ident: Ident = None,
) -> None:
    """Read a task's plan, then reject it. One rejection is enough.

    Example:
      smartops --as approver reject 3f2a --note "not on a Friday"
    """
    _decide(context, "reject", task, note, ident, yes=yes, full=full)


def _decide(
    context: typer.Context,
    decision: Literal["approve", "reject"],
    task: str,
    note: str,
    ident: str | None,
    *,
    yes: bool,
    full: bool,
    asked: tuple[int | None, int | None, str | None] = (None, None, None),
) -> None:
    async def action(session: Session) -> int:
        limits = _limits(*asked)
        if not yes and not session.asks:
            raise Usage(f"nobody can be asked here: add --yes to {decision} without a question")
        async with await session.client() as client:
            found = await client.reader.find_task(task)
            session.about = short(found)
            approval = await _pending(client, found)
            card = await client.card(found, approval["plan_hash"])
            _show(session, client, card, approval, full=full)
            if not yes and not _asked(decision):
                session.note("Nothing was decided.")
                return Exit.WAITING
            # The hashes of the bytes that were shown, not those of the row that led to them.
            decided = await client.decide(
                found,
                card.plan_hash,
                card.assessment_hash,
                decision,
                note,
                limits=limits,
                id=ident,
            )
        if session.json:
            session.data({"task": found, "outcome": decided.outcome, "event": decided.event.id})
            return Exit.OK
        session.show(f"{short(found)} {_OUTCOMES[decided.outcome]}")
        if decided.outcome != "rejected":
            session.note(f"Follow it: {session.command('watch', short(found))}", style="dim")
        return Exit.OK

    run(context, action)


def _limits(max_targets: int | None, max_calls: int | None, until: str | None) -> Limits:
    from smartops.contracts.bounds import Limits  # noqa: PLC0415 - help must not wait for it
    from smartops.sdk.cli.moments import moment  # noqa: PLC0415 - the same

    ends = moment(until, datetime.now().astimezone(), "--until") if until is not None else None
    return Limits(max_targets=max_targets, max_calls=max_calls, expires_at=ends)


_OUTCOMES = {
    "granted": "approved: it starts now",
    "recorded": "your voice is recorded; more are needed",
    "rejected": "rejected: nothing will run",
}


async def _pending(client: Client, task: UUID) -> dict[str, Any]:
    from smartops.sdk.errors import NotFound  # noqa: PLC0415 - help must not wait for it

    rows = await client.reader.approvals(task=task, status=None, limit=1)
    if rows and rows[0]["status"] == "pending":
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


def _show(
    session: Session, client: Client, card: PlanCard, approval: dict[str, Any], *, full: bool
) -> None:
    from smartops.sdk.cli.card_view import render_card  # noqa: PLC0415 - the same
    from smartops.sdk.cli.text import age  # noqa: PLC0415 - the same

    console = session.err if session.json else session.out
    console.print(render_card(card, console, full=full))
    session.note(
        f"Due {age(approval['expires_at'], datetime.now(UTC))}; you act as {client.name!r}.",
        style="dim",
    )
    if card.plan.header.requester.principal == client.principal:
        session.note(
            "You asked for this task yourself, so your approval will most likely be refused: "
            "add --as approver.",
            style="yellow",
        )


def _asked(decision: str) -> bool:
    return typer.confirm(f"{decision.capitalize()} this plan?", default=False, err=True)


def _table(rows: list[dict[str, Any]]) -> Any:
    from smartops.sdk.cli.people import who  # noqa: PLC0415 - the same
    from smartops.sdk.cli.tables import table  # noqa: PLC0415 - the same
    from smartops.sdk.cli.text import age  # noqa: PLC0415 - the same

    now = datetime.now(UTC)
    decided = any(row["status"] != "pending" for row in rows)
    return table(
        ["task", "plan", "risk", "environment", "what", "asked by", "due"],
        [
            [
                short(row["task"]),
                str(row["number"]),
                row["risk_level"] or "-",
                row["environment"],
                row["summary"],
                who(row["requester"]) if row["requester"] else "-",
                age(row["expires_at"], now) if row["status"] == "pending" else row["status"],
            ]
            for row in rows
        ],
        last="due or decided" if decided else None,
    )
