"""`edit`: have the plan that waits written anew with other values, for somebody else to approve."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer
from smartops.sdk.cli.commands.options import Ident, Task
from smartops.sdk.cli.exits import Exit
from smartops.sdk.cli.help import HelpfulCommand
from smartops.sdk.cli.session import Session, Usage, run
from smartops.sdk.short_id import short

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from smartops.contracts.editing import Edit
    from smartops.contracts.plan import Plan

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(cls=HelpfulCommand, rich_help_panel="Decide")(edit)


def edit(
    context: typer.Context,
    *,
    task: Task,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; who approves reads it.")],
    values: Annotated[
        list[str],
        typer.Option(
            "--set",
            metavar="WHERE.ARG=VALUE",
            help="Another value. WHERE is a step, a tool or a phase, as the plan calls it.",
        ),
    ] = [],  # noqa: B006 - never changed
    batch: Annotated[
        list[str],
        typer.Option(metavar="[PHASE=]N", help="Look at health after each N steps."),
    ] = [],  # noqa: B006
    parallelism: Annotated[
        list[str], typer.Option(metavar="[PHASE=]N", help="At most N calls at once.")
    ] = [],  # noqa: B006
    wait: Annotated[
        list[str],
        typer.Option(metavar="[PHASE=]TIME", help="Wait, as 30s or 5m, before the first look."),
    ] = [],  # noqa: B006
    exclude: Annotated[
        list[str], typer.Option(metavar="TARGET", help="Leave this one out. As often as needed.")
    ] = [],  # noqa: B006
    ident: Ident = None,
) -> None:
    """Change values of the plan that awaits a decision, its pace, or what it leaves out.

    You need the role of an approver, and give up approving any plan of this task: somebody else
    reads the next one, which says what differs. Tool and target of a step are never changed.

    A value is read as JSON where the plan has no text there, and is text where it has.

    Examples:
      smartops --as approver edit 3f2a --set apply_patch.version=2.4.0 --reason "not the newest"
      smartops --as approver edit 3f2a --batch "Wave 1=2" --exclude web-3 --reason "carefully"
    """

    async def action(session: Session) -> int:
        if not any((values, batch, parallelism, wait, exclude)):
            raise Usage(
                "nothing to change: give --set, --batch, --parallelism, --wait or --exclude"
            )
        async with await session.client() as client:
            found = await client.reader.find_task(task)
            session.about = short(found)
            card = await client.card(found)
            plan = card.plan
            changed = _edit(plan, values, batch, parallelism, wait, exclude)
            done = await client.edit(found, card.plan_hash, changed, reason, id=ident)
        if session.json:
            session.data({"task": found, "plan": plan.header.number, "event": done.event.id})
            return Exit.OK
        session.show(f"{short(found)} plan {plan.header.number} is edited: the next one is written")
        line = session.command("--as", "NAME", "approve", short(found))
        session.note(f"Somebody who edited none of its plans decides: {line}", style="dim")
        return Exit.OK

    run(context, action)


def _edit(
    plan: Plan,
    values: Sequence[str],
    batch: Sequence[str],
    parallelism: Sequence[str],
    wait: Sequence[str],
    exclude: Sequence[str],
) -> Edit:
    from smartops.contracts.editing import Edit  # noqa: PLC0415 - help must not wait for it

    told: dict[str, Any] = {
        "changes": [_change(plan, text) for text in values],
        "phases": [
            *(_phase(plan, "--batch", "batch", text, _number) for text in batch),
            *(_phase(plan, "--parallelism", "parallelism", text, _number) for text in parallelism),
            *(_phase(plan, "--wait", "wait_ms", text, _span) for text in wait),
        ],
        "exclude": list(exclude),
    }
    return Edit.model_validate(told)


def _change(plan: Plan, text: str) -> dict[str, Any]:
    """`apply_patch.version=2.4.0` as a change; the longest name that the plan has comes first."""
    left, equals, value = text.partition("=")
    if not equals:
        raise Usage(f"--set {text}: write WHERE.ARG=VALUE")
    kinds = {
        "phase": [phase.name for phase in plan.header.phases],
        "tool": [step.tool for step in plan.steps],
        "step": [step.id for step in plan.steps],
    }
    fitting = [
        (name, kind)
        for kind, names in kinds.items()
        for name in names
        if left.startswith(f"{name}.")
    ]
    if not fitting:
        tools = ", ".join(dict.fromkeys(kinds["tool"]))
        raise Usage(
            f"--set {text}: the plan has no such step, tool or phase; its tools are {tools}"
        )
    name, kind = max(fitting, key=lambda one: len(one[0]))
    argument = left[len(name) + 1 :]
    of = [step for step in plan.steps if _is_of(plan, step.id, kind, name)]
    return {kind: name, "argument": argument, "value": _value(of, argument, value)}


def _is_of(plan: Plan, ident: str, kind: str, name: str) -> bool:
    by_hash = plan.by_hash()
    for phase in plan.header.phases:
        for step in (by_hash[hashed] for hashed in phase.steps):
            if step.id == ident:
                return name == {"phase": phase.name, "tool": step.tool, "step": step.id}[kind]
    return False


def _value(steps: Sequence[Any], argument: str, text: str) -> Any:
    """Text where all steps have text there, or nothing that is JSON; else what it is as JSON."""
    name = argument.partition(".")[0]
    olds = [step.arguments.get(name) for step in steps]
    if "." not in argument and olds and all(isinstance(old, str) for old in olds):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def _phase(
    plan: Plan, option: str, field: str, text: str, read: Callable[[str, str], int]
) -> dict[str, Any]:
    name, equals, value = text.rpartition("=")
    names = [phase.name for phase in plan.header.phases]
    if equals and name not in names:
        raise Usage(f"{option} {text}: the plan's phases are {', '.join(names)}")
    return {"phase": name if equals else None, field: read(f"{option} {text}", value)}


def _number(option: str, text: str) -> int:
    if not text.isdecimal():
        raise Usage(f"{option}: {text!r} is no number")
    return int(text)


def _span(option: str, text: str) -> int:
    from smartops.contracts.errors import Malformed  # noqa: PLC0415 - help must not wait for it
    from smartops.contracts.quantities import milliseconds  # noqa: PLC0415 - the same

    try:
        return milliseconds(text)
    except Malformed as error:
        raise Usage(f"{option}: {error.reason}") from error
