"""`approve`, `reject`: a person's word on a plan that waits for it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from smartops.sdk.cli.commands.asking import Full, Yes, agreed, asked_about, show_card
from smartops.sdk.cli.commands.mandates import person_called
from smartops.sdk.cli.commands.options import Ident, Task
from smartops.sdk.cli.exits import Exit
from smartops.sdk.cli.help import HelpfulCommand
from smartops.sdk.cli.session import Session, Usage, run
from smartops.sdk.short_id import short

if TYPE_CHECKING:
    from smartops.contracts.bounds import Limits
    from smartops.contracts.constraints import Constraints

__all__ = ["add_to"]

For = Annotated[
    str | None,
    typer.Option("--for", metavar="NAME", help="In whose name, who handed you his voice."),
]
Then = Literal["archive", "replan"]

_OUTCOMES = {
    "granted": "approved: it starts now",
    "recorded": "your voice is recorded; more are needed",
    "rejected": "rejected: nothing will run",
}


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (approve, reject):
        app.command(cls=HelpfulCommand, rich_help_panel="Decide")(command)


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
    holding: Annotated[
        str | None,
        typer.Option(
            "--while",
            metavar="CONDITION",
            help="Approve while this holds for every target: 'error_rate < 1%'.",
        ),
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

    With --while, the condition is measured before each batch and while it is watched. When it is
    known not to hold, the grant ends and what was changed is taken back; when nobody can tell, the
    run pauses.

    Examples:
      smartops --as approver approve 3f2a
      smartops --as approver approve 3f2a --max-targets 20 --while 'error_rate < 1%' --until 14:00
      smartops --as approver approve 3f2a --yes --note "change 4711"
      smartops --as ben approve 3f2a --for ada
    """
    asked = (max_targets, max_calls, until, holding)
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


def _decide(
    context: typer.Context,
    decision: Literal["approve", "reject"],
    task: str,
    note: str,
    ident: str | None,
    *,
    yes: bool,
    full: bool,
    asked: tuple[int | None, int | None, str | None, str | None] = (None, None, None, None),
    name: str | None = None,
    then: Then = "archive",
    wish: dict[str, Any] | None = None,
) -> None:
    async def action(session: Session) -> int:
        from smartops.contracts.events import TaskApprovalRejected  # noqa: PLC0415 - help must not wait

        limits, constraints = _limits(*asked), _constraints(wish)
        if not yes and not session.asks:
            raise Usage(f"nobody can be asked here: add --yes to {decision} without a question")
        async with await session.client() as client:
            found = await client.reader.find_task(task)
            session.about = short(found)
            person = None if name is None else (await person_called(client.reader, name))["actor"]
            approval = await asked_about(client, found)
            seen = approval["plan_hash"], approval["assessment_hash"]
            if approval["status"] == "pending":
                card = await client.card(found, approval["plan_hash"])
                show_card(session, client, card, approval, full=full)
                if not yes and not agreed(decision):
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
                constraints=constraints,
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
    from smartops.contracts.constraints import Constraints  # noqa: PLC0415 - help must not wait

    return Constraints(**(wish or {}))


def _limits(
    max_targets: int | None, max_calls: int | None, until: str | None, holding: str | None
) -> Limits:
    from smartops.contracts.bounds import Limits  # noqa: PLC0415 - help must not wait for it
    from smartops.contracts.errors import Malformed  # noqa: PLC0415 - the same
    from smartops.contracts.requirement import read_requirement  # noqa: PLC0415 - the same
    from smartops.sdk.cli.moments import moment  # noqa: PLC0415 - the same

    ends = moment(until, datetime.now().astimezone(), "--until") if until is not None else None
    try:
        if holding is not None:
            read_requirement(holding)
    except Malformed as error:
        raise Usage(f"--while: {error.reason}") from error
    return Limits(max_targets=max_targets, max_calls=max_calls, expires_at=ends, condition=holding)
