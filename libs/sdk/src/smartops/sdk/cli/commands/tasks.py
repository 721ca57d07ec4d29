"""`tasks` and `task`: what there is, and where one stands."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from smartops.sdk.cli.commands.options import Task
from smartops.sdk.cli.exits import Exit
from smartops.sdk.cli.help import HelpfulCommand
from smartops.sdk.cli.session import Session, Usage, run
from smartops.sdk.short_id import short

if TYPE_CHECKING:
    from uuid import UUID

    from smartops.sdk.reader import Reader, Row

__all__ = ["add_to"]


STATUSES = (
    *("queued", "running", "needs_approval", "executing", "paused", "completed", "rolled_back"),
    *("failed_retryable", "failed_terminal", "escalated_to_human", "rejected", "cancelled"),
)


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(cls=HelpfulCommand, rich_help_panel="Work")(tasks)
    app.command(cls=HelpfulCommand, rich_help_panel="Work")(task)


def tasks(
    context: typer.Context,
    *,
    status: Annotated[
        str | None,
        typer.Option(metavar="STATUS", help=f"Only these: {', '.join(STATUSES)}."),
    ] = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=1000, help="At most so many.")] = 20,
) -> None:
    """List tasks, the newest first.

    Examples:
      smartops tasks
      smartops tasks --status needs_approval
      smartops --json tasks
    """

    async def action(session: Session) -> int:
        if status is not None and status not in STATUSES:
            raise Usage(f"--status: there is no {status!r}; there are {', '.join(STATUSES)}")
        async with session.reader() as reader:
            rows = await reader.tasks(status=status, limit=limit)
        if session.json:
            session.data(rows)
        elif rows:
            session.show(_table(rows))
        elif status is not None:
            session.show(f"No task is {status}.")
        else:
            submit = session.command("submit", '"Fix drift on production web servers"', "--watch")
            session.show(f"No tasks yet. Submit one: {submit}")
        return Exit.OK

    run(context, action)


def task(
    context: typer.Context,
    *,
    task: Task,
) -> None:
    """Show where a task stands: plan, decisions, phases, calls, and what to do next.

    Examples:
      smartops task 3f2a
      smartops --json task 3f2a
    """

    async def action(session: Session) -> int:
        async with session.reader() as reader:
            found = await reader.find_task(task)
            whole = await _whole(reader, found)
        if session.json:
            session.data(whole)
        else:
            _show(session, whole)
        return Exit.OK

    run(context, action)


async def _whole(reader: Reader, task: UUID) -> dict[str, Any]:
    row = await reader.task(task)
    plans = await reader.plans(task)
    runs = await reader.runs(task)
    return {
        **row,
        "plans": plans,
        "approvals": await reader.approvals(task=task, status=None),
        "runs": [{**one, "phases": await reader.phases(one["run"])} for one in runs],
        "calls": await reader.calls(task),
        "autonomy": [
            one.data.model_dump(mode="json")
            for one in await reader.falls(task)
            if one.data is not None
        ],
    }


def _table(rows: list[Row]) -> Any:
    from smartops.sdk.cli.tables import table  # noqa: PLC0415 - help must not wait for it
    from smartops.sdk.cli.text import age  # noqa: PLC0415 - the same

    now = datetime.now(UTC)
    return table(
        ["task", "status", "environment", "what", "asked by", "since"],
        [
            [
                short(row["task"]),
                row["status"],
                row["environment"],
                row["intent"],
                row["requester_name"] or "-",
                age(row["submitted_at"], now),
            ]
            for row in rows
        ],
    )


def _show(session: Session, whole: dict[str, Any]) -> None:
    from smartops.contracts.events import AutonomyChanged  # noqa: PLC0415 - the same
    from smartops.sdk.cli.sentences import level_text  # noqa: PLC0415 - the same
    from smartops.sdk.cli.tables import facts, status_text  # noqa: PLC0415 - the same
    from smartops.sdk.cli.text import age, duration  # noqa: PLC0415 - the same

    now = datetime.now(UTC)
    ended = whole["ended_at"]
    took = f", took {duration(ended - whole['submitted_at'])}" if ended else ""
    agent = " · ".join(filter(None, (whole["task_type"], whole["agent"])))
    rows: list[tuple[str, Any]] = [
        ("Task", str(whole["task"])),
        ("Status", status_text(whole["status"])),
        ("Intent", whole["intent"]),
        ("Environment", status_text(whole["environment"])),
        ("Risk", status_text(whole["risk_level"]) if whole["risk_level"] else None),
        ("Agent", agent),
        ("Asked by", whole["requester_name"] or whole["requester"]),
        ("Submitted", age(whole["submitted_at"], now) + took),
        ("Tags", ", ".join(whole["tags"])),
        ("Message", ": ".join(filter(None, (whole["error_code"], whole["message"])))),
    ]
    rows += [
        (f"Plan {plan['number']}", f"{plan['summary']} ({plan['state'].replace('_', ' ')})")
        for plan in reversed(whole["plans"])
    ]
    rows += [(f"Decision {one['number']}", _decision(one, now)) for one in whole["approvals"][::-1]]
    for one in reversed(whole["runs"]):
        rows.append(("Run", _run(one)))
        rows += [("", _phase(phase)) for phase in one["phases"]]
        rows.append(("To do", one["what_to_do"]))
    rows.append(("Calls", _calls(whole["calls"])))
    changes = [level_text(AutonomyChanged.model_validate(one)) for one in whole["autonomy"]]
    rows += [("" if number else "Autonomy", change) for number, change in enumerate(changes)]
    session.show(facts(rows))
    if next_step := _next_step(session, whole):
        session.note(next_step, style="bold")


def _decision(row: Row, now: datetime) -> str:
    from smartops.sdk.cli.text import age  # noqa: PLC0415 - the same

    note = f": {row['note']}" if row["note"] else ""
    # Who decided approved it; it was taken back by somebody else, and later.
    revoked = f", then revoked{note}" if row["status"] == "revoked" else ""
    if row["automatic"]:
        return f"by policy itself{revoked}"
    names = ", ".join(row["decided_by_names"])
    by = f" by {names}" if names else ""
    if row["break_glass"]:
        by += ", alone, by breaking the glass"
    elif row["standing"] is not None:
        by += ", beforehand, by a standing word"
    if revoked and not by:
        return f"not approved once more{note}"
    if revoked:
        return f"approved{by}{revoked}"
    due = f", due {age(row['expires_at'], now)}" if row["status"] == "pending" else ""
    return f"{row['status']}{by}{note}{due}"


def _run(row: Row) -> str:
    of = f" of {row['phase_count']}" if row["phase_count"] is not None else ""
    reason = f": {row['reason']}" if row["reason"] else ""
    return (
        f"{row['status'].replace('_', ' ')}, {row['phases_completed']}{of} phases completed, "
        f"{row['steps_applied']} steps applied{reason}"
    )


def _phase(row: Row) -> str:
    from smartops.sdk.cli.text import duration, listing  # noqa: PLC0415 - the same

    ended = row["completed_at"]
    took = f", {duration(ended - row['started_at'])}" if ended and row["started_at"] else ""
    status = row["status"].replace("_", " ")
    return f"{row['phase'] + 1} {row['name']}: {status} on {listing(row['targets'])}{took}"


def _calls(rows: list[Row]) -> str:
    counts: dict[str, int] = {}
    for row in rows:
        counts[row["status"]] = counts.get(row["status"], 0) + 1
    return ", ".join(f"{number} {status}" for status, number in sorted(counts.items()))


def _next_step(session: Session, whole: dict[str, Any]) -> str:
    name = short(whole["task"])
    match whole["status"]:
        case "needs_approval":
            return "Read the plan and decide: " + session.command(
                "--as", "approver", "approve", name
            )
        case "paused" if any(one["status"] == "revoked" for one in whole["approvals"]):
            return "Its grant was taken back, so end it: " + session.command(
                "cancel", name, "--reason", "..."
            )
        case "paused":
            return f"Go on or end it: {session.command('resume', name)} | " + session.command(
                "cancel", name, "--reason", "..."
            )
        case "escalated_to_human" if any(
            row["status"] == "uncertain" and row["settles_by"] == "human" for row in whole["calls"]
        ):
            return "Look what became of its open calls, and say so: " + session.command(
                "call", "list", "--uncertain"
            )
        case "escalated_to_human":
            return "When it is mended: " + session.command("cancel", name, "--reason", "...")
        case "failed_retryable":
            return "The same may work now: submit it again."
        case "queued" | "running" | "executing":
            return f"Follow it: {session.command('watch', name)}"
        case _:
            return ""
