"""`approvals` and `approvals show`: what waits for people, and what they have said."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from smartops.sdk.cli.commands.options import Task
from smartops.sdk.cli.exits import Exit
from smartops.sdk.cli.help import HelpfulCommand, HelpfulGroup
from smartops.sdk.cli.session import Session, run
from smartops.sdk.short_id import short

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["add_to"]

_HELP = """List the plans that wait for a person's decision: what was overlooked for longest first.

Examples:
  smartops approvals
  smartops --json approvals --all
  smartops approvals show 3f2a"""


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(cls=HelpfulGroup, help=_HELP, invoke_without_command=True)
    group.callback()(approvals)
    group.command(cls=HelpfulCommand)(show)
    app.add_typer(group, name="approvals", rich_help_panel="Decide")


def approvals(
    context: typer.Context,
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Those that were decided or have expired, too.")
    ] = False,
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=1000)] = 50,
) -> None:
    """List what waits, unless a command follows."""
    if context.invoked_subcommand is not None:
        return

    async def action(session: Session) -> int:
        async with session.reader() as reader:
            rows = await reader.approvals(status=None if everything else "pending", limit=limit)
        if session.json:
            session.data(rows)
        elif rows:
            rows.sort(key=_urgency)
            session.show(_table(rows))
            if any(row["status"] == "pending" for row in rows):
                line = session.command("--as", "approver", "approve", "TASK")
                session.note(f"Read one and decide: {line}", style="dim")
        else:
            session.show("Nothing waits for a decision.")
        return Exit.OK

    run(context, action)


def show(
    context: typer.Context,
    *,
    task: Task,
) -> None:
    """Show who is asked to decide on a task's plans, who has said what, and what is still missing.

    Example:
      smartops approvals show 3f2a
    """

    async def action(session: Session) -> int:
        from smartops.sdk.errors import NotFound  # noqa: PLC0415 - help must not wait for it

        async with session.reader() as reader:
            found = await reader.find_task(task)
            rows = await reader.approvals(task=found, status=None)
        if not rows:
            raise NotFound(f"nobody was asked to decide on task {short(found)}.")
        if session.json:
            session.data(rows)
            return Exit.OK
        for row in rows:
            session.show(_facts(row))
        if rows[0]["status"] == "pending":
            line = session.command("--as", "approver", "approve", short(found))
            session.note(f"Read the plan and decide: {line}", style="dim")
        return Exit.OK

    run(context, action)


def _urgency(row: dict[str, Any]) -> tuple[bool, bool, bool, datetime]:
    """Those that wait before all others, of them those that were escalated, then the reminded."""
    far = datetime.max.replace(tzinfo=UTC)
    waits = _waits(row)
    asked_up, asked_again = waits and row["escalated"], waits and row["reminders"]
    return (not waits, not asked_up, not asked_again, row["expires_at"] or far)


def _table(rows: list[dict[str, Any]]) -> Any:
    from smartops.sdk.cli.people import who  # noqa: PLC0415 - the same
    from smartops.sdk.cli.tables import table  # noqa: PLC0415 - the same
    from smartops.sdk.cli.text import age  # noqa: PLC0415 - the same

    now = datetime.now(UTC)
    decided = any(row["status"] != "pending" for row in rows)
    cells = [
        {
            "task": short(row["task"]),
            "plan": str(row["number"]),
            "risk": row["risk_level"] or "-",
            "environment": row["environment"],
            "what": row["summary"],
            "asked by": who(row["requester"]) if row["requester"] else "-",
            "voices": _voices(row),
            "due": age(row["expires_at"], now) + _urged(row) if _waits(row) else _how(row),
        }
        for row in rows
    ]
    # A terminal is narrow: what is the same of all, and usual, is left out.
    usual = {"plan": "1", "voices": ""}
    heads = [head for head in cells[0] if any(row[head] != usual.get(head) for row in cells)]
    drawn = [[row[head] for head in heads] for row in cells]
    return table(heads, drawn, last="due or decided" if decided else None)


def _waits(row: dict[str, Any]) -> bool:
    return bool(row["status"] == "pending")


def _voices(row: dict[str, Any]) -> str:
    """How many of several have said yes; nothing where one is enough."""
    alone = row["quorum"] in (None, 1)
    return "" if alone else f"{len(row['decided_by'])} of {row['quorum']}"


def _urged(row: dict[str, Any]) -> str:
    """How long nobody has decided, in a word."""
    if row["escalated"]:
        return ", escalated"
    return ", reminded" if row["reminders"] else ""


def _how(row: dict[str, Any]) -> str:
    """How it was decided, where not by voices."""
    if row["break_glass"]:
        return f"{row['status']}: broken glass"
    return f"{row['status']}: standing" if row["standing"] is not None else row["status"]


def _facts(row: dict[str, Any]) -> Any:
    from rich.console import Group  # noqa: PLC0415 - the same
    from rich.text import Text  # noqa: PLC0415 - the same
    from smartops.sdk.cli.people import who  # noqa: PLC0415 - the same
    from smartops.sdk.cli.tables import facts  # noqa: PLC0415 - the same
    from smartops.sdk.cli.text import age, count, one_line  # noqa: PLC0415 - the same

    now = datetime.now(UTC)
    pending = row["status"] == "pending"
    title = Text(f"Plan {row['number']} of task {short(row['task'])}: {row['status']}")
    title.stylize("bold")
    how = "by a standing word" if row["standing"] is not None else None
    if row["break_glass"]:
        how = "by breaking the glass: one person, alone"
    elif row["automatic"]:
        how = "by policy alone: nobody had to be asked"
    asked = None
    if row["quorum"] is not None:
        asked = f"{count(row['quorum'], 'person', 'people')}, holding {_either(row['roles'])}"
    again = None
    if row["reminders"]:
        again = f"{count(row['reminders'], 'time')}, last {age(row['prompted_at'], now)}"
    return Group(
        title,
        facts(
            [
                ("What", one_line(row["summary"])),
                ("Environment", f"{row['environment']}, risk {row['risk_level'] or '-'}"),
                ("Asked for by", who(row["requester"]) if row["requester"] else None),
                ("Asked are", asked),
                ("Also", _also(row["escalated"])),
                ("Reminded", again),
                ("Decided", how),
                ("By", None if pending else one_line(", ".join(row["decided_by_names"]))),
                ("Voices", _said(row["voices"], now)),
                ("Still wanted", _wanted(row) if pending else None),
                ("Due", age(row["expires_at"], now) if pending else None),
                ("Standing word", str(row["standing"]) if row["standing"] else None),
            ]
        ),
        "",
    )


def _either(roles: Sequence[str]) -> str:
    return " and ".join(roles) if len(roles) > 1 else f"the role {roles[0]}" if roles else "a role"


def _also(escalated: Sequence[str]) -> str | None:
    return f"whoever holds {' or '.join(escalated)}, since nobody decided" if escalated else None


def _said(voices: Sequence[dict[str, Any]], now: datetime) -> Any:
    from rich.text import Text  # noqa: PLC0415 - the same
    from smartops.sdk.cli.voices import told_voices  # noqa: PLC0415 - the same

    return Text("\n".join(told_voices(voices, now))) if voices else None


def _wanted(row: dict[str, Any]) -> str:
    """What is still missing, as far as can be told here: the gate counts."""
    from smartops.sdk.cli.text import count  # noqa: PLC0415 - the same

    held = {role for voice in row["voices"] for role in voice["roles"]}
    if "senior-approver" in held:
        held.add("approver")
    stands_in = held & set(row["escalated"])
    roles = [] if stands_in else [role for role in row["roles"] if role not in held]
    missing = max(1, (row["quorum"] or 1) - len(row["decided_by"]))
    voices = count(missing, "further voice" if row["voices"] else "voice")
    if not roles:
        return voices
    if len(roles) == 1:
        among = "of" if missing == 1 else "one of them of"
        return f"{voices}, {among} somebody with the role {roles[0]}"
    return f"{voices}, between them the roles {' and '.join(roles)}"
