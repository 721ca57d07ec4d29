"""`call`: what was asked of tools, and what became of calls of which no answer came."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from smartops.sdk.cli.commands.options import Ident
from smartops.sdk.cli.commands.privacy import reveal_call
from smartops.sdk.cli.exits import Exit
from smartops.sdk.cli.help import HelpfulCommand, HelpfulGroup
from smartops.sdk.cli.session import Session, Usage, run
from smartops.sdk.short_id import short

if TYPE_CHECKING:
    from collections.abc import Sequence

    from smartops.sdk.event import Event
    from smartops.sdk.reader import Row

__all__ = ["add_to"]

_HELP = """Look at tool calls, and say what became of one that nobody knows of.

Of some tools nobody can tell, after a lost answer, whether they did it: a person looks, and says
so. Then the run goes on.

Examples:
  smartops call list --uncertain
  smartops call show 3f2a
  smartops call settle 3f2a --not-applied --retry --note "web-01 was not restarted\""""

Name = Annotated[
    str, typer.Argument(metavar="CALL", help="The call's id, or its first characters.")
]

_WAITS = {
    "retry": "the gateway, which sends it again by itself",
    "probe": "the gateway, which reads it back by itself",
    "human": "a person, who looks and settles it",
}


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(cls=HelpfulGroup, help=_HELP, no_args_is_help=True)
    group.command("list", cls=HelpfulCommand)(list_calls)
    group.command("show", cls=HelpfulCommand)(show_call)
    group.command("settle", cls=HelpfulCommand)(settle)
    group.command("reveal", cls=HelpfulCommand)(reveal_call)
    app.add_typer(group, name="call", rich_help_panel="Control")


def list_calls(
    context: typer.Context,
    *,
    uncertain: Annotated[
        bool, typer.Option("--uncertain", help="Only those of which no answer came.")
    ] = False,
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=1000, help="At most so many.")] = 20,
) -> None:
    """List tool calls, the newest first.

    Examples:
      smartops call list
      smartops call list --uncertain
      smartops --json call list --uncertain | jq -r '.[] | select(.settles_by == "human") | .call'
    """

    async def action(session: Session) -> int:
        async with session.reader() as reader:
            rows = await reader.newest_calls(status="uncertain" if uncertain else None, limit=limit)
        if session.json:
            session.data(rows)
        elif rows:
            session.show(_table(rows))
            _advise(session, rows)
        else:
            session.show("No call is uncertain." if uncertain else "No calls yet.")
        return Exit.OK

    run(context, action)


def show_call(context: typer.Context, *, call: Name) -> None:
    """Show a call: what was asked of which tool, when it was sent, and what is known of it.

    Examples:
      smartops call show 3f2a
      smartops --json call show 3f2a
    """

    async def action(session: Session) -> int:
        async with session.reader() as reader:
            found = await reader.find_call(call)
            row = await reader.call(found)
            events = await reader.call_events(found)
        if session.json:
            session.data({**row, "history": [_written(event) for event in events]})
        else:
            _show(session, row, events)
            _advise(session, [row])
        return Exit.OK

    run(context, action)


def settle(
    context: typer.Context,
    *,
    call: Name,
    note: Annotated[
        str, typer.Option("--note", "-n", metavar="TEXT", help="How you know; it goes on record.")
    ],
    applied: Annotated[
        bool, typer.Option("--applied", help="It was done: the run goes on behind it.")
    ] = False,
    not_applied: Annotated[
        bool,
        typer.Option(
            "--not-applied",
            help="It was not done: the run takes back what stands, unless --retry.",
        ),
    ] = False,
    retry: Annotated[
        bool, typer.Option("--retry", help="Not done, and the step may be attempted again.")
    ] = False,
    accept_double: Annotated[
        bool,
        typer.Option(
            "--accept-double",
            help="With --retry: also while the process that sent it may yet send it late, so that "
            "it happens twice. For approvers; it goes on record.",
        ),
    ] = False,
    ident: Ident = None,
) -> None:
    """Say of an uncertain call whether it was applied. Look at its target first.

    It takes an operator or an approver, and the first word counts. A retry is refused
    (may_still_send) while the process that sent the call lives and the tool itself cannot rule
    out a double: restart the tool gateway, or accept a possible double.

    Examples:
      smartops call settle 3f2a --applied --note "uptime says it restarted at 14:02"
      smartops call settle 3f2a --not-applied --note "uptime says 12 days"
      smartops call settle 3f2a --not-applied --retry --note "uptime says 12 days"
    """

    async def action(session: Session) -> int:
        if applied is not_applied:
            raise Usage("Say one of --applied and --not-applied.")
        async with await session.client() as client:
            found = await client.reader.find_call(call)
            done = await client.settle(
                found,
                "applied" if applied else "not_applied",
                note,
                retry=retry,
                accept_double=accept_double,
                id=ident,
            )
        session.about = short(done.task)
        if session.json:
            session.data({"task": done.task, "already": done.already, **_written(done.event)})
            return Exit.OK
        already = " (it was already)" if done.already else ""
        session.show(f"{short(found)} settled: {_told(done.event)}{already}")
        session.note(f"Follow it: {session.command('watch', short(done.task))}", style="dim")
        return Exit.OK

    run(context, action)


def _written(event: Event) -> dict[str, Any]:
    data = None if event.data is None else event.data.model_dump(mode="json")
    return {"event": event.name, "at": event.time, "data": data}


def _told(event: Event) -> str:
    from smartops.contracts.events import ToolCallSettled  # noqa: PLC0415 - help must not wait

    said = event.data
    if not isinstance(said, ToolCallSettled):
        raise TypeError(f"{event.name} settles nothing")
    if said.applied:
        return "applied"
    if not said.retry:
        return "not applied, and not attempted again"
    return "not applied, to be attempted again" + (
        ", accepting that it may happen twice" if said.accept_double else ""
    )


def _table(rows: Sequence[Row]) -> Any:
    from smartops.sdk.cli.tables import table  # noqa: PLC0415 - the same
    from smartops.sdk.cli.text import age  # noqa: PLC0415 - the same

    now = datetime.now(UTC)
    # A terminal is narrow: whom nothing waits for is not told.
    waits = any(row["settles_by"] for row in rows)
    heads = ["call", "task", "tool", "target", "for", "status", *(["waits for"] * waits), "since"]
    return table(
        heads,
        [
            [
                short(row["call"]),
                short(row["task"]),
                row["tool"],
                row["target"],
                row["purpose"],
                row["status"],
                *([{"human": "a person"}.get(row["settles_by"], row["settles_by"])] * waits),
                age(row["requested_at"], now),
            ]
            for row in rows
        ],
    )


def _show(session: Session, row: Row, events: Sequence[Event]) -> None:
    from smartops.sdk.cli.tables import facts, status_text  # noqa: PLC0415 - the same
    from smartops.sdk.cli.text import age, count, one_line  # noqa: PLC0415 - the same

    now = datetime.now(UTC)
    outcome = ": ".join(filter(None, (row["error_code"], row["message"])))
    open_ = row["status"] in ("dispatched", "uncertain")
    lines: list[tuple[str, Any]] = [
        ("Call", str(row["call"])),
        ("Task", str(row["task"])),
        ("Status", status_text(row["status"])),
        ("Tool", " ".join(filter(None, (row["tool"], row["version"])))),
        ("Target", row["target"]),
        ("For", f"{row['purpose']}, {row['question']}, attempt {row['attempt'] or 1}"),
        ("Arguments", None if row["arguments"] is None else one_line(str(row["arguments"]))),
        ("Sent", None if row["send"] is None else count(row["send"], "time")),
        ("By", None if row["incarnation"] is None else f"gateway process {row['incarnation']}"),
        ("Answer due", age(row["deadline"], now) if open_ and row["deadline"] else None),
        ("What came", outcome),
        ("Waits for", _WAITS.get(row["settles_by"] or "")),
        ("Settled by", row["settled_by"]),
    ]
    lines += [("" if n else "History", f"{e.time:%H:%M:%S} {e.name}") for n, e in enumerate(events)]
    session.show(facts(lines))


def _advise(session: Session, rows: Sequence[Row]) -> None:
    """Tell how to settle what waits for a person."""
    waiting = [row for row in rows if row["status"] == "uncertain" and row["settles_by"] == "human"]
    if not waiting:
        return
    one = short(waiting[0]["call"]) if len(waiting) == 1 else "CALL"
    say = session.command("call", "settle", one, "--applied", "--note", "...")
    session.note(f"Look at the target, then say what you found: {say}", style="bold")
    session.note("(or --not-applied, with --retry to have the step attempted again)", style="dim")
