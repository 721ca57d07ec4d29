"""`events`: the log as it is."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated

import typer
from smartops.sdk.cli.exits import Exit
from smartops.sdk.cli.help import HelpfulCommand
from smartops.sdk.cli.session import Session, run
from smartops.sdk.short_id import short

if TYPE_CHECKING:
    from rich.text import Text
    from smartops.sdk.event import Event

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(cls=HelpfulCommand, rich_help_panel="Look closer")(events)


def events(
    context: typer.Context,
    *,
    task: Annotated[
        str | None,
        typer.Argument(metavar="TASK", help="Only this task's: its id, or its first characters."),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Stay, and print them as they happen.")
    ] = False,
    limit: Annotated[
        int,
        typer.Option(metavar="N", min=0, help="Without a task: at most so many, the last ones."),
    ] = 50,
) -> None:
    """Print events of the log, oldest first; with --json one CloudEvent per line.

    Examples:
      smartops events 3f2a
      smartops --json events --follow | jq -c '{type, subject}'
    """

    async def action(session: Session) -> int:
        if not follow:
            async with session.reader() as reader:
                if task is not None:
                    found = await reader.events(await reader.find_task(task))
                else:
                    found = await reader.newest_events(limit)
            for event in found:
                _print(session, event)
            if not found and not session.json:
                session.show("No events yet.")
            return Exit.OK
        async with await session.client() as client:
            if task is not None:
                source = client.watch(await client.reader.find_task(task))
            else:
                source = client.live(last=limit)
            async with aclosing(source) as stream:
                async for event in stream:
                    _print(session, event)
        return Exit.OK

    run(context, action)


def _print(session: Session, event: Event) -> None:
    if session.json:
        session.raw(event.raw)
    else:
        limited = session.out.is_terminal
        session.out.print(_line(event), no_wrap=limited, overflow="ellipsis", soft_wrap=not limited)


def _line(event: Event) -> Text:
    from rich.text import Text  # noqa: PLC0415 - the same
    from smartops.sdk.cli.narration import Narrator  # noqa: PLC0415 - the same

    told = "; ".join(line.text for line in Narrator().tell(event)) or _brief(event)
    place = str(event.position) if event.position is not None else "-"
    text = Text(f"{place:>7}  {event.time.astimezone():%H:%M:%S.%f}"[:-3], style="dim")
    text.append(f"  {event.topic:<30}", style="not dim bold")
    text.append(f"  {short(event.entity)}", style="not dim cyan")
    text.append(f"  {told}" if told else "", style="not dim")
    return text


def _brief(event: Event) -> str:
    """What is told of an event that a task's story passes over."""
    from smartops.contracts import events as e  # noqa: PLC0415 - the same
    from smartops.sdk.cli.text import one_line  # noqa: PLC0415 - the same

    match event.data:
        case e.ToolCallRequested() | e.ToolCallDenied() as call:
            return f"{call.purpose} {call.tool} on {call.target}"
        case e.ToolCallDispatched() | e.ToolCallCompleted() | e.ToolCallFailed() as call:
            return f"{call.facts.purpose} {call.facts.tool} on {call.facts.target}"
        case e.TaskStepSettled() as step:
            return f"{step.purpose} {one_line(step.question)}: {step.outcome}"
        case e.TargetClaimed() | e.TargetReleased() as claim:
            return f"{claim.environment} {claim.target}"
        case e.CommandRefused() as refusal:
            return one_line(f"{refusal.name}: {refusal.code}: {refusal.message}")
        case e.TaskApprovalRecorded() as voice:
            return one_line(f"{voice.by.actor_name}: {voice.decision}")
        case e.TaskPlanValidated():
            return "a person must decide"
        case e.TaskPlanSuperseded() as old:
            return f"plan {old.number}, {old.because}"
        case _:
            return ""
