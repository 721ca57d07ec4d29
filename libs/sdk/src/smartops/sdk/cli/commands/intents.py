"""`submit` and `watch`: asking for something, and seeing what becomes of it."""

from __future__ import annotations

import asyncio
import sys
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

import typer
from smartops.sdk.cli.commands.options import Ident, Task
from smartops.sdk.cli.exits import Exit, of_course
from smartops.sdk.cli.help import HelpfulCommand
from smartops.sdk.cli.session import Session, run
from smartops.sdk.short_id import short

if TYPE_CHECKING:
    from smartops.sdk.client import Client
    from smartops.sdk.plan_card import PlanCard

__all__ = ["add_to", "follow_task"]

StopAtApproval = Annotated[
    bool,
    typer.Option("--stop-at-approval", help="End with exit code 4 when a person must decide."),
]
Timeout = Annotated[
    float | None,
    typer.Option(
        metavar="SECONDS",
        help="End with exit code 6 after so many seconds; the task goes on.",
        min=0,
    ),
]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(cls=HelpfulCommand, rich_help_panel="Work")(submit)
    app.command(cls=HelpfulCommand, rich_help_panel="Work")(watch)


def submit(
    context: typer.Context,
    *,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What is to be done, in a sentence.")],
    env: Annotated[
        Literal["production", "staging", "development", "sandbox"],
        typer.Option(
            metavar="ENV", help="Where to act: production, staging, development or sandbox."
        ),
    ] = "production",
    agent: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Who plans; otherwise chosen by the sentence."),
    ] = None,
    role: Annotated[
        str | None, typer.Option(metavar="ROLE", help="Only assets of this role.")
    ] = None,
    target: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Only this asset. Repeatable.")
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Not this asset. Repeatable.")
    ] = None,
    steps: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="For the runbook agent: JSON list of {tool, target, arguments}; - for stdin.",
        ),
    ] = None,
    approval: Annotated[
        bool, typer.Option("--approval", help="Ask a person, whatever policy says.")
    ] = False,
    tag: Annotated[
        list[str] | None, typer.Option(metavar="TAG", help="To find it again. Repeatable.")
    ] = None,
    ident: Ident = None,
    wait: Annotated[
        bool,
        typer.Option("--wait/--no-wait", help="Wait until the task exists, or only until stored."),
    ] = True,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Stay and watch it.")] = False,
    stop_at_approval: StopAtApproval = False,
    timeout: Timeout = None,
) -> None:
    """Ask for something to be done. Prints the task's id.

    Examples:
      smartops submit "Fix drift on production web servers" --watch
      smartops submit "Patch nginx" --env staging --role web --tag nightly --id nightly-2024-05-01
      TASK=$(smartops submit "Fix drift on web-01" --target web-01)
    """
    if watch and not wait:
        raise typer.BadParameter("there is nothing to watch yet", param_hint="--no-wait")
    fields = {
        "intent": text,
        "environment": env,
        "tags": tag or [],
        "context": {
            "agent": agent,
            "scope": {"role": role, "asset_ids": target or [], "exclude_assets": exclude or []},
            "steps": _steps(steps),
            "approval": approval,
        },
    }

    async def action(session: Session) -> int:
        from smartops.contracts.commands import IntentSubmit  # noqa: PLC0415 - help must not wait

        intent = IntentSubmit.model_validate(fields)
        async with await session.client() as client:
            submitted = await client.submit(intent, id=ident, wait=wait)
            if watch:
                return await follow_task(
                    session,
                    client,
                    submitted.task,
                    timeout,
                    stop_at_approval=stop_at_approval,
                    fresh=True,
                )
            if session.json:
                session.data(
                    {
                        "task": submitted.task,
                        "id": submitted.id,
                        "command": submitted.key,
                        "accepted": submitted.event is not None,
                    }
                )
                return Exit.OK
            session.show(str(submitted.task))
            state = "Submitted." if submitted.event is not None else "Stored, not yet decided on."
            follow = session.command("watch", short(submitted.task))
            session.note(f"{state} Follow it: {follow}", style="dim")
            return Exit.OK

    run(context, action)


def watch(
    context: typer.Context,
    *,
    task: Task,
    stop_at_approval: StopAtApproval = False,
    timeout: Timeout = None,
) -> None:
    """See what has happened in a task, and what happens, until it has ended.

    The exit code tells how it ended. Ctrl-C stops the watching, not the task.

    Examples:
      smartops watch 3f2a
      smartops --json watch 3f2a | jq -r .type
    """

    async def action(session: Session) -> int:
        async with await session.client() as client:
            found = await client.reader.find_task(task)
            if not await client.reader.events(found, limit=1):
                await client.reader.task(found)  # Says that there is none.
            return await follow_task(
                session, client, found, timeout, stop_at_approval=stop_at_approval
            )

    run(context, action)


async def follow_task(
    session: Session,
    client: Client,
    task: UUID,
    timeout: float | None,  # noqa: ASYNC109 - the person's, not a callee's
    *,
    stop_at_approval: bool,
    fresh: bool = False,
) -> int:
    """Show a task's progress until it ends, or the person has seen enough.

    Args:
        session: where to.
        client: where from.
        task: whose.
        timeout: seconds; None: for as long as it takes.
        stop_at_approval: end when a person must decide.
        fresh: submitted just now, so that nothing about it is old news: questions that were
            answered long ago are told without their card.
    """
    from smartops.sdk.cli.progress import Progress  # noqa: PLC0415 - help must not wait for it
    from smartops.sdk.course import Course, fold, follow  # noqa: PLC0415 - the same

    name = short(task)
    session.if_interrupted = (
        f"\nStopped watching; the task goes on. Again: {session.command('watch', name)}"
    )
    course, ran_out = Course(), False
    past = [] if fresh else await client.events(task)
    decided = bool(past) and not fold(past).waiting
    old = past[-1].position or 0 if decided else 0
    console = session.err if session.json else session.out
    with Progress(console, hint=lambda card: _decide(session, client, card)) as progress:
        try:
            async with asyncio.timeout(timeout), aclosing(client.watch(task)) as events:
                async for event in events:
                    if session.json:
                        session.raw(event.raw)
                    is_old = event.position is not None and event.position <= old
                    await progress.show(event, None if is_old else client)
                    course = follow(course, event.data)
                    if stop_at_approval and course.waiting:
                        break
        except TimeoutError:
            ran_out = True
    if ran_out:
        again = session.command("watch", name)
        session.note(f"No end within {timeout:g} s; the task goes on. Again: {again}")
    return of_course(course)


def _decide(session: Session, client: Client, card: PlanCard) -> str:
    """How to decide, as somebody who had no hand in the plan."""
    header = card.plan.header
    editor = None if header.editor is None else header.editor.principal
    approver = client.profile.principals.get("approver")
    name = "NAME" if approver in (None, header.requester.principal, editor) else "approver"
    line = session.command("--as", name, "approve", short(header.task))
    return f"Decide: {line}"


def _steps(source: str | None) -> Any:
    if source is None:
        return []
    import json  # noqa: PLC0415 - the same

    try:
        text = sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8")
        return json.loads(text)
    except (OSError, ValueError) as error:
        raise typer.BadParameter(str(error), param_hint="--steps") from error
