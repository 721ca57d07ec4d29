"""`tools list` and `tools show`: what may be called, on which terms, and since when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any

import typer
from smartops.sdk.cli.exits import Exit
from smartops.sdk.cli.help import HelpfulCommand, HelpfulGroup
from smartops.sdk.cli.session import Session, run

if TYPE_CHECKING:
    from smartops.sdk.reader import Row

__all__ = ["add_to"]

_HELP = """Look at the tools that the gateway has registered.

Examples:
  smartops tools list
  smartops tools show apply_patch
  smartops tools show apply_patch --schema"""


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(cls=HelpfulGroup, help=_HELP, no_args_is_help=True)
    group.command("list", cls=HelpfulCommand)(list_tools)
    group.command("show", cls=HelpfulCommand)(show)
    app.add_typer(group, name="tools", rich_help_panel="Look closer")


def list_tools(context: typer.Context) -> None:
    """List the registered tools, as they are now.

    Examples:
      smartops tools list
      smartops --json tools list | jq -r '.[] | select(.category != "read") | .name'
    """

    async def action(session: Session) -> int:
        async with session.reader() as reader:
            rows = await reader.tools()
        if session.json:
            session.data(rows)
        elif rows:
            session.show(_table(rows))
        else:
            session.show(
                "No tools are registered: the tool gateway has not started yet, or audit has not "
                f"heard of it. {session.command('doctor')} tells which."
            )
        return Exit.OK

    run(context, action)


def show(
    context: typer.Context,
    *,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The tool's name.")],
    schema: Annotated[
        bool, typer.Option("--schema", help="Its input and output as JSON Schema, nothing else.")
    ] = False,
) -> None:
    """Show a tool: what it does, what it promises, and the forms that it had before.

    Plans pin the digest: once it changes, what was approved before is no longer carried out.

    Examples:
      smartops tools show execute_failover
      smartops tools show execute_failover --schema | jq .input
      smartops --json tools show execute_failover
    """

    async def action(session: Session) -> int:
        from smartops.sdk.errors import NotFound  # noqa: PLC0415 - help must not wait for it

        async with session.reader() as reader:
            forms = await reader.tool(name)
            if not forms:
                known = [row["name"] for row in await reader.tools()]
                raise NotFound(_unknown(session, name, known))
        newest, *earlier = forms
        told = newest["descriptor"]
        if schema:
            session.data({"input": told["input_schema"], "output": told["output_schema"]})
        elif session.json:
            session.data({**newest, "history": earlier})
        else:
            _show(session, newest, earlier)
        return Exit.OK

    run(context, action)


def _unknown(session: Session, name: str, known: list[str]) -> str:
    like = get_close_matches(name, known, n=3)
    perhaps = f" Did you mean {' or '.join(like)}?" if like else ""
    return f"there is no tool {name!r}.{perhaps} `{session.command('tools', 'list')}` lists them."


def _table(rows: list[Row]) -> Any:
    from smartops.sdk.cli.tables import table  # noqa: PLC0415 - the same

    return table(
        ["tool", "version", "risk", "category", "what"],
        [
            [
                row["name"],
                row["version"],
                row["risk"],
                row["category"],
                row["descriptor"]["description"],
            ]
            for row in rows
        ],
    )


def _show(session: Session, row: Row, earlier: list[Row]) -> None:
    from smartops.sdk.cli.tables import facts, status_text  # noqa: PLC0415 - the same
    from smartops.sdk.cli.text import age, count, duration  # noqa: PLC0415 - the same

    now = datetime.now(UTC)
    told = row["descriptor"]
    writes = row["category"] != "read"
    arguments = told["input_schema"].get("properties", {})
    rows: list[tuple[str, Any]] = [
        ("Tool", f"{row['name']}, version {row['version']}"),
        ("Does", told["description"]),
        ("Category", row["category"]),
        ("Risk", status_text(row["risk"])),
        ("Scope", row["scope"]),
        ("Arguments", ", ".join(_argument(name, told) for name in arguments)),
        ("Changes", f"at most {count(told['blast_radius'], 'asset')}" if _blast(told) else None),
        ("Lost answer", _lost(told) if writes else "asked again"),
        ("Looks before", told["before"]),
        ("Taken back by", (told["undo_tool"] or "nothing") if writes else None),
        ("Rehearsed by", told.get("simulate")),
        ("Reasons", ", ".join(_reasons(told)) if told.get("reason_code") else None),
        ("Answers within", duration(_ms(row["timeout_ms"]))),
        ("Answers with", f"at most {n:,} bytes" if (n := told.get("max_output_bytes")) else None),
        ("At once", count(n, "call") if (n := told.get("concurrency")) else None),
        ("Rate", _rate(told.get("rate"))),
        ("Talks to", ", ".join(told.get("egress", ()))),
        ("Never stored", ", ".join(told["sensitive_fields"])),
        ("Digest", row["digest"]),
        ("Since", age(row["registered_at"], now)),
    ]
    before = "Before"
    for one in earlier:
        until = age(one["registered_at"], now)
        rows.append((before, f"version {one['version']}, {one['digest']}, since {until}"))
        before = ""
    session.show(facts(rows))


def _blast(told: dict[str, Any]) -> int:
    return told.get("blast_radius") or 0


def _argument(name: str, told: dict[str, Any]) -> str:
    return name if name in told["input_schema"].get("required", ()) else f"{name}?"


def _lost(told: dict[str, Any]) -> str:
    match told["idempotence"]:
        case "idempotent":
            return "asked again with the same key"
        case "probeable":
            again = ", sent again if it was not applied" if told.get("compare_and_set") else ""
            return f"read back by {told.get('probe')}{again}"
        case _:
            return "a person decides"


def _reasons(told: dict[str, Any]) -> list[str]:
    schema = told["input_schema"]
    reason = schema.get("properties", {}).get("reason_code", {})
    if "$ref" in reason:
        reason = schema.get("$defs", {}).get(reason["$ref"].rpartition("/")[2], {})
    return [str(code) for code in reason.get("enum", [reason.get("const", "one that it lists")])]


def _rate(rate: dict[str, int] | None) -> str | None:
    from smartops.sdk.cli.text import count, duration  # noqa: PLC0415 - the same

    if rate is None:
        return None
    return f"{count(rate['calls'], 'call')} in {duration(_ms(rate['window_ms']))}"


def _ms(milliseconds: int) -> timedelta:
    return timedelta(milliseconds=milliseconds)
