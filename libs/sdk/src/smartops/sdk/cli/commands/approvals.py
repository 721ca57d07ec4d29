"""`approve`, `reject`, `break-glass`: a person's word on a plan that waits for it."""

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
    from smartops.contracts.constraints import Constraints
    from smartops.sdk.client import Client
    from smartops.sdk.plan_card import PlanCard

__all__ = ["add_to"]

Task = Annotated[
    str, typer.Argument(metavar="TASK", help="The task's id, or its first characters.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask; the plan is shown anyway.")]
Full = Annotated[bool, typer.Option("--full", help="Show every target, argument and digest.")]
For = Annotated[
    str | None,
    typer.Option("--for", metavar="NAME", help="In whose name, who handed you his voice."),
]
Then = Literal["archive", "replan"]
Ident = Annotated[
    str | None,
    typer.Option("--id", metavar="ID", help="Name of this request: sent twice, it counts once."),
]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (approve, reject):
        app.command(cls=HelpfulCommand, rich_help_panel="Decide")(command)
    app.command("break-glass", cls=HelpfulCommand, rich_help_panel="Decide")(break_glass)


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
    in_name_of: For = None,
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
      smartops --as ben approve 3f2a --for ada
    """
    asked = (max_targets, max_calls, until)
    _decide(context, "approve", task, note, ident, yes=yes, full=full, asked=asked, name=in_name_of)


def reject(
    context: typer.Context,
    *,
    task: Task,
    note: Annotated[
        str,
        typer.Option("--note", "--reason", metavar="TEXT", help="Why; the requester reads it."),
    ],
    replan: Annotated[
        bool,
        typer.Option("--replan", help="Have another plan written instead of an end."),
    ] = False,
    exclude: Annotated[
        list[str], typer.Option(metavar="TARGET", help="Leave this one out. As often as needed.")
    ] = [],  # noqa: B006 - never changed
    max_batch_percent: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, max=100, help="Change at most N per cent in one phase."),
    ] = None,
    max_batch_size: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Change at most N targets in one phase.")
    ] = None,
    canary: Annotated[bool, typer.Option("--canary", help="Begin with a canary.")] = False,
    in_name_of: For = None,
    yes: Yes = False,
    full: Full = False,
    ident: Ident = None,
) -> None:
    """Read a task's plan, then reject it. One rejection is enough, and ends the task.

    With --replan it does not: another plan is written, on what is found then, and within what you
    ask for. It comes back for a decision. After some rounds (three, unless set otherwise) the task
    ends all the same.

    Examples:
      smartops --as approver reject 3f2a --note "not on a Friday"
      smartops --as approver reject 3f2a --replan --exclude web-3 --reason "being worked on"
    """
    wish = _wish(exclude, max_batch_percent, max_batch_size, canary=canary)
    if wish is not None and not replan:
        raise typer.BadParameter("what the next plan must keep to wants --replan")
    then: Then = "replan" if replan else "archive"
    _decide(
        context,
        "reject",
        task,
        note,
        ident,
        yes=yes,
        full=full,
        name=in_name_of,
        then=then,
        wish=wish,
    )


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
        from smartops.contracts.commands import SHORTEST_JUSTIFICATION  # noqa: PLC0415 - the same

        if len(justification) < SHORTEST_JUSTIFICATION:
            raise Usage(f"--justification needs {SHORTEST_JUSTIFICATION} letters at least: say why")
        if not yes and not session.asks:
            raise Usage("nobody can be asked here: add --yes to break the glass without a question")
        async with await session.client() as client:
            found = await client.reader.find_task(task)
            session.about = short(found)
            approval = await _asked_about(client, found)
            card = await client.card(found, approval["plan_hash"])
            _show(session, client, card, approval, full=full)
            if not yes and not _asked("break the glass and run"):
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
    name: str | None = None,
    then: Then = "archive",
    wish: dict[str, Any] | None = None,
) -> None:
    async def action(session: Session) -> int:
        from smartops.contracts.events import TaskApprovalRejected  # noqa: PLC0415 - the same

        limits = _limits(*asked)
        if not yes and not session.asks:
            raise Usage(f"nobody can be asked here: add --yes to {decision} without a question")
        async with await session.client() as client:
            found = await client.reader.find_task(task)
            session.about = short(found)
            person = await _person(client, name)
            approval = await _asked_about(client, found)
            seen = approval["plan_hash"], approval["assessment_hash"]
            if approval["status"] == "pending":
                card = await client.card(found, approval["plan_hash"])
                _show(session, client, card, approval, full=full)
                if not yes and not _asked(decision):
                    session.note("Nothing was decided.")
                    return Exit.WAITING
                # The hashes of the bytes that were shown, not those of the row that led to them.
                seen = card.plan_hash, card.assessment_hash
            # Of what was decided already the gate tells by whom and when.
            decided = await client.decide(
                found,
                *seen,
                decision,
                note,
                limits=limits,
                for_actor=person,
                then=then,
                constraints=_constraints(wish),
                id=ident,
            )
        if session.json:
            session.data({"task": found, "outcome": decided.outcome, "event": decided.event.id})
            return Exit.OK
        if decided.already:
            session.show(f"{short(found)} {decided.message}")
            return Exit.OK
        said = decided.event.data
        anew = isinstance(said, TaskApprovalRejected) and said.then == "replan"
        told = "rejected: another plan is being written" if anew else _OUTCOMES[decided.outcome]
        session.show(f"{short(found)} {told}")
        if isinstance(said, TaskApprovalRejected) and said.detail:
            session.note(said.detail, style="yellow")
        if anew or decided.outcome != "rejected":
            session.note(f"Follow it: {session.command('watch', short(found))}", style="dim")
        return Exit.OK

    run(context, action)


def _wish(
    exclude: list[str], percent: int | None, size: int | None, *, canary: bool
) -> dict[str, Any] | None:
    told = {
        "exclude_assets": tuple(exclude),
        "max_batch_percent": percent,
        "max_batch_size": size,
        "canary_required": canary,
    }
    return told if any(told.values()) else None


def _constraints(wish: dict[str, Any] | None) -> Constraints:
    from pydantic import ValidationError  # noqa: PLC0415 - help must not wait for it
    from smartops.contracts.constraints import Constraints  # noqa: PLC0415 - the same

    try:
        return Constraints(**(wish or {}))
    except ValidationError as error:
        raise Usage(f"--exclude: {error.errors()[0]['msg']}") from error


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


async def _person(client: Client, name: str | None) -> UUID | None:
    """The actor in whose name one speaks; None: one's own."""
    from smartops.sdk.errors import NotFound  # noqa: PLC0415 - help must not wait for it

    if name is None:
        return None
    for row in await client.reader.actors():
        if name in (row["name"], str(row["actor"])):
            actor: UUID = row["actor"]
            return actor
    raise NotFound(
        f"nobody is called {name!r}. `smartops delegation list` shows who speaks for whom."
    )


async def _asked_about(client: Client, task: UUID) -> dict[str, Any]:
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
