"""`pause`, `resume`, `cancel`, `revoke`, `halt`: from the gentle to the grave."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer
from smartops.sdk.cli.commands.options import Ident, Reason, Task
from smartops.sdk.cli.exits import Exit
from smartops.sdk.cli.help import HelpfulCommand
from smartops.sdk.cli.session import Session, run
from smartops.sdk.short_id import short

if TYPE_CHECKING:
    from uuid import UUID

    from smartops.sdk.client import Client
    from smartops.sdk.results import Done

__all__ = ["add_to"]

Verb = Literal["pause", "resume", "cancel", "revoke", "halt"]

_DONE = {
    "task.stopping": "stopping: calls in flight are awaited",
    "task.paused": "paused: nothing is in flight",
    "task.resumed": "resumed",
    "task.cancel.requested": "cancelling: what is in flight is settled first",
    "task.cancelled": "cancelled: nothing had been changed",
    "task.grant.revoked": "revoked: nothing more goes out under this grant",
    "task.halted": "halted: nothing goes out any more, not even undo; a person must look",
}


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (pause, resume, cancel, revoke, halt):
        app.command(cls=HelpfulCommand, rich_help_panel="Control")(command)


def pause(context: typer.Context, *, task: Task, reason: Reason, ident: Ident = None) -> None:
    """Let nothing more go out until resumed. What was done stays done.

    Example:
      smartops pause 3f2a --reason "waiting for the release manager"
    """
    _control(context, "pause", task, reason, ident)


def resume(
    context: typer.Context, *, task: Task, reason: Reason = "go on", ident: Ident = None
) -> None:
    """Go on after a pause.

    Example:
      smartops resume 3f2a --reason "release manager agrees"
    """
    _control(context, "resume", task, reason, ident)


def cancel(
    context: typer.Context,
    *,
    task: Task,
    reason: Reason,
    keep_changes: Annotated[
        bool, typer.Option("--keep-changes", help="Take nothing back.")
    ] = False,
    ident: Ident = None,
) -> None:
    """End a task: settle what is in flight, then take back what can be taken back.

    Examples:
      smartops cancel 3f2a --reason "wrong fleet"
      smartops cancel 3f2a --keep-changes --reason "canary is enough for today"
    """
    _control(context, "cancel", task, reason, ident, keep_changes=keep_changes)


def revoke(context: typer.Context, *, task: Task, reason: Reason, ident: Ident = None) -> None:
    """Take an approval back: the run pauses, and can only be cancelled.

    Example:
      smartops revoke 3f2a --reason "change freeze"
    """
    _control(context, "revoke", task, reason, ident)


def halt(context: typer.Context, *, task: Task, reason: Reason, ident: Ident = None) -> None:
    """Emergency stop: nothing goes out any more, not even undo. A person takes over.

    Use `cancel` instead if changes are to be taken back.

    Example:
      smartops halt 3f2a --reason "wrong datacentre"
    """
    _control(context, "halt", task, reason, ident)


def _control(
    context: typer.Context,
    verb: Verb,
    task: str,
    reason: str,
    ident: str | None,
    *,
    keep_changes: bool = False,
) -> None:
    async def action(session: Session) -> int:
        async with await session.client() as client:
            found = await client.reader.find_task(task)
            session.about = short(found)
            done = await _do(client, verb, found, reason, ident, keep_changes=keep_changes)
        if session.json:
            session.data({"task": found, "event": done.event.name, "already": done.already})
            return Exit.OK
        already = " (it was already)" if done.already else ""
        session.show(f"{short(found)} {_DONE.get(done.event.name, done.event.name)}{already}")
        session.note(f"Follow it: {session.command('watch', short(found))}", style="dim")
        return Exit.OK

    run(context, action)


async def _do(
    client: Client, verb: Verb, task: UUID, reason: str, ident: str | None, *, keep_changes: bool
) -> Done:
    match verb:
        case "pause":
            return await client.pause(task, reason, id=ident)
        case "resume":
            return await client.resume(task, reason, id=ident)
        case "cancel":
            return await client.cancel(task, reason, keep_changes=keep_changes, id=ident)
        case "revoke":
            return await client.revoke(task, reason, id=ident)
        case "halt":
            return await client.halt(task, reason, id=ident)
