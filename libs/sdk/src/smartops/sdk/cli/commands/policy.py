"""`policy`: which bundle decides, who put it in force, and whether one is sound."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from smartops.sdk.cli.commands.policy_change import activate, propose, sign
from smartops.sdk.cli.commands.policy_explain import explain
from smartops.sdk.cli.commands.policy_naming import short
from smartops.sdk.cli.commands.policy_replay import replay
from smartops.sdk.cli.commands.policy_shadow import shadow
from smartops.sdk.cli.exits import Exit
from smartops.sdk.cli.help import HelpfulCommand, HelpfulGroup
from smartops.sdk.cli.session import Session, run

if TYPE_CHECKING:
    from smartops.sdk.reader import Row

__all__ = ["add_to"]

_HELP = """See which policy decides, change it, and try another one on what was decided.

A bundle is proposed by one person and signed by another; both hold the role policy-admin. Then it
can be put in force, at once and for everybody.

Examples:
  smartops policy show
  smartops policy test --bundle my-policies
  smartops policy replay --bundle my-policies
  smartops policy propose my-policies --reason "no deployments on Fridays"
  smartops --as approver policy sign 204b88a9 --reason "read it"
  smartops policy activate 204b88a9 --reason "agreed on Monday\""""


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(cls=HelpfulGroup, help=_HELP, no_args_is_help=True)
    group.command(cls=HelpfulCommand)(show)
    group.command("list", cls=HelpfulCommand)(list_bundles)
    for command in (test, propose, sign, activate, explain, replay, shadow):
        group.command(cls=HelpfulCommand)(command)
    app.add_typer(group, name="policy", rich_help_panel="Look closer")


def show(context: typer.Context) -> None:
    """Show the bundle in force, the shadow, and whether this installation ships another.

    Examples:
      smartops policy show
      smartops --json policy show | jq -r .active.digest
    """

    async def action(session: Session) -> int:
        from smartops.sdk.second_engine import EngineMissing, SecondEngine  # noqa: PLC0415

        async with session.reader() as reader:
            rows = await reader.bundles()
        active = next((row for row in rows if row["active"]), None)
        shadow = next((row for row in rows if row["shadow"]), None)
        shipped = None
        try:
            async with SecondEngine() as engine:
                shipped = (await engine.load(shipped=True)).digest
        except EngineMissing as error:
            session.note(str(error), style="dim")
        if session.json:
            session.data(
                {
                    "active": _bare(active),
                    "shadow": _bare(shadow),
                    "shipped": shipped,
                    "waiting": [_bare(row) for row in rows if not row["activated_at"]],
                }
            )
            return Exit.OK
        _show(session, active, shadow, rows, shipped)
        return Exit.OK

    run(context, action)


def list_bundles(context: typer.Context) -> None:
    """List every bundle that was ever proposed or in force, the one in force first.

    Examples:
      smartops policy list
    """

    async def action(session: Session) -> int:
        async with session.reader() as reader:
            rows = await reader.bundles()
        if session.json:
            session.data([_bare(row) for row in rows])
        elif rows:
            session.show(_table(rows))
        else:
            session.show("No policy is in force yet: the policy service has not started.")
        return Exit.OK

    run(context, action)


def test(
    context: typer.Context,
    *,
    bundle: Annotated[
        Path,
        typer.Option("--bundle", "-b", metavar="DIR", help="Folder of the bundle.", exists=True),
    ],
) -> None:
    """Compile a bundle and let it decide its own cases; says each that fails. Needs no services.

    Exit code 0 if all are as they should be, else 1.

    Examples:
      smartops policy test --bundle infra/policies
    """

    async def action(session: Session) -> int:
        from smartops.sdk.second_engine import SecondEngine  # noqa: PLC0415 - help must not wait

        async with SecondEngine() as engine:
            loaded = await engine.load(directory=str(bundle))
        if session.json:
            session.data(
                {
                    "digest": loaded.digest,
                    "files": loaded.files,
                    "cases": loaded.cases,
                    "failures": loaded.failures,
                }
            )
        else:
            for one in loaded.failures:
                session.show(f"✗ {one['file']}: {one['name']}: {one['difference']}")
            failed = len(loaded.failures)
            session.show(f"{loaded.cases - failed} of {loaded.cases} cases hold, {loaded.digest}")
        return Exit.FAILURE if loaded.failures else Exit.OK

    run(context, action)


def _state(row: Row) -> str:
    if row["active"]:
        return "in force"
    if row["activated_at"]:
        return "earlier"
    return "signed" if row["signed_by"] else "proposed"


def _bare(row: Row | None) -> Row | None:
    """A row without the bundle itself."""
    if row is None:
        return None
    return {name: value for name, value in row.items() if name != "document"} | {
        "state": _state(row)
    }


def _table(rows: list[Row]) -> Any:
    from smartops.sdk.cli.tables import table  # noqa: PLC0415 - help must not wait
    from smartops.sdk.cli.text import age  # noqa: PLC0415 - the same

    now = datetime.now(UTC)
    return table(
        ["bundle", "state", "proposed by", "signed by", "in force", "what"],
        [
            [
                short(row["digest"]),
                _state(row) + (", shadow" if row["shadow"] else ""),
                row["proposed_by"],
                ", ".join(row["signed_by"]) or None,
                age(row["activated_at"], now) if row["activated_at"] else None,
                row["reason"],
            ]
            for row in rows
        ],
        last="why",
    )


def _show(
    session: Session,
    active: Row | None,
    shadow: Row | None,
    rows: list[Row],
    shipped: str | None,
) -> None:
    from smartops.sdk.cli.tables import facts  # noqa: PLC0415 - the same
    from smartops.sdk.cli.text import age  # noqa: PLC0415 - the same

    if active is None:
        session.show("No policy is in force yet: the policy service has not started.")
        return
    now = datetime.now(UTC)
    waiting = [short(row["digest"]) for row in rows if not row["activated_at"]]
    session.show(
        facts(
            [
                ("In force", active["digest"]),
                ("Since", age(active["activated_at"], now)),
                ("By", active["activated_by"] or "policy itself, at its first start"),
                ("Proposed by", active["proposed_by"]),
                ("Signed by", ", ".join(active["signed_by"])),
                ("Shadow", None if shadow is None else shadow["digest"]),
                ("Not in force", ", ".join(waiting)),
                ("Shipped", "the same" if shipped == active["digest"] else shipped),
            ]
        )
    )
    if shipped in (None, active["digest"]):
        return
    text = "The bundle that comes with this release is not the one in force, and decides nothing"
    if any(row["digest"] == shipped and row["activated_at"] for row in rows):
        text += (
            f"; it was once: {session.command('policy', 'activate', short(shipped))} --reason ..."
        )
    else:
        text += f" until it is proposed: {session.command('policy', 'propose', 'DIR')} --reason ..."
    session.note(text, style="yellow")
