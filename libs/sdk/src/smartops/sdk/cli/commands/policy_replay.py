"""`policy replay`: everything that was decided, decided again by another bundle."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from smartops.sdk.cli.commands.policy_naming import engine_of
from smartops.sdk.cli.exits import Exit
from smartops.sdk.cli.session import Session, run
from smartops.sdk.short_id import short

if TYPE_CHECKING:
    from smartops.sdk.replaying import Replayed

__all__ = ["replay"]

_SHOWN = 20
"""Differences shown one by one; --json has more."""

DIFFERENT = Exit.REFUSED
"""Exit code of a replay in which anything comes out otherwise."""

_WORDS = {
    "allow_to_deny": "allow -> deny",
    "deny_to_allow": "deny -> allow",
    "now_asks": "alone -> asks a person",
    "asks_no_more": "asks a person -> alone",
    "asks_others": "asks others",
}


def replay(
    context: typer.Context,
    *,
    bundle: Annotated[
        str,
        typer.Option(
            "--bundle", "-b", metavar="DIR|DIGEST", help="A folder, or a bundle of the log."
        ),
    ],
    since: Annotated[
        str | None,
        typer.Option(metavar="WHEN", help="Only decisions since then: 24h ago, 7d ago, or a date."),
    ] = None,
    entrypoint: Annotated[
        Literal["plan", "gate", "tool_call", "approval"] | None,
        typer.Option(metavar="NAME", help="Only plan, gate, tool_call or approval."),
    ] = None,
) -> None:
    """Decide everything that was ever decided again, by another bundle, and tell what differs.

    Exit code 0 if nothing does, 3 if anything does, 1 if a recorded input is gone or altered.
    Decisions from before inputs were kept cannot be made again; they are counted.

    Examples:
      smartops policy replay --bundle my-policies
      smartops policy replay --bundle 204b88a9 --since 7d --entrypoint tool_call
    """

    async def action(session: Session) -> int:
        from smartops.sdk.cli.moments import past_moment  # noqa: PLC0415 - help must not wait
        from smartops.sdk.replaying import replay as again  # noqa: PLC0415 - the same

        now = datetime.now().astimezone()
        moment = None if since is None else past_moment(since, now, "--since")
        async with (
            session.reader() as reader,
            engine_of(session, reader, bundle) as (engine, digest),
        ):
            pages = reader.decisions(since=moment, entrypoint=entrypoint)
            found = await again(pages, engine)
        if session.json:
            session.data(_summary(found, digest))
        else:
            _tell_replay(session, found, digest)
        return DIFFERENT if found.count else Exit.OK

    run(context, action)


def _summary(found: Replayed, digest: str) -> dict[str, Any]:
    return {
        "bundle": digest,
        "decisions": found.decisions,
        "recomputed": found.recomputed,
        "not_recomputable": found.not_recomputable,
        "other_rules": found.other_rules,
        "by_entrypoint": dict(found.by_entrypoint),
        "differences": found.count,
        "changes": dict(found.changes),
        "tasks": sorted(map(str, found.tasks)),
        "first": [
            {
                "change": one.change,
                "position": one.position,
                "entrypoint": one.entrypoint,
                "task": one.task,
                "call": one.call,
                "before": one.before,
                "after": one.after,
                "message": one.message,
            }
            for one in found.differences
        ],
    }


def _tell_replay(session: Session, found: Replayed, digest: str) -> None:
    from smartops.sdk.cli.text import count, one_line  # noqa: PLC0415 - the same

    for one in found.differences[:_SHOWN]:
        where = f"task {short(one.task)}" if one.task else f"position {one.position}"
        line = f"{_WORDS[one.change]:24} {one.entrypoint:10} {where}  {one_line(one.message)}"
        limited = session.out.is_terminal
        session.out.print(line, no_wrap=limited, overflow="ellipsis", soft_wrap=not limited)
    if found.count > _SHOWN:
        session.show(f"… and {found.count - _SHOWN} more")
    kinds = ", ".join(f"{number} {_WORDS[change]}" for change, number in found.changes.items())
    session.show(
        f"{count(found.recomputed, 'decision')} made again by {digest}:"
        f" {count(found.count, 'difference')}" + (f" ({kinds})" if kinds else "")
    )
    if not found.decisions:
        session.note("Nothing was decided then, so this says nothing.", style="yellow")
    if found.tasks:
        session.show(f"{count(len(found.tasks), 'task')} affected")
    if found.other_rules:
        session.show(f"{found.other_rules} decided alike, by other rules")
    if found.not_recomputable:
        session.show(f"{found.not_recomputable} not recomputable: their inputs were not kept then")
