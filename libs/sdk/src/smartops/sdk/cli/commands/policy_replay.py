"""`policy replay`: everything that was decided, decided again by another bundle."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer
from smartops.sdk.cli.commands.policy_naming import engine_of
from smartops.sdk.cli.exits import Exit
from smartops.sdk.cli.session import Session, Usage, run

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
        typer.Option(metavar="WHEN", help="Only decisions since then: 24h, 7d or a date."),
    ] = None,
    entrypoint: Annotated[
        str | None,
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
        from smartops.sdk.replaying import replay as again  # noqa: PLC0415 - help must not wait

        moment = None if since is None else _since(since, datetime.now().astimezone())
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
    from smartops.sdk.cli.text import clip, count, one_line  # noqa: PLC0415 - the same

    for one in found.differences[:_SHOWN]:
        where = f"task {str(one.task)[:8]}" if one.task else f"position {one.position}"
        said = clip(one_line(one.message), 80)
        session.show(f"{_WORDS[one.change]:24} {one.entrypoint:10} {where}  {said}")
    if found.count > _SHOWN:
        session.show(f"… and {found.count - _SHOWN} more")
    kinds = ", ".join(f"{number} {_WORDS[change]}" for change, number in found.changes.items())
    session.show(
        f"{count(found.recomputed, 'decision')} made again by {digest}:"
        f" {count(found.count, 'difference')}" + (f" ({kinds})" if kinds else "")
    )
    if found.tasks:
        session.show(f"{count(len(found.tasks), 'task')} affected")
    if found.other_rules:
        session.show(f"{found.other_rules} decided alike, by other rules")
    if found.not_recomputable:
        session.show(f"{found.not_recomputable} not recomputable: their inputs were not kept then")


def _since(text: str, now: datetime) -> datetime:
    units = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
    if text[-1:] in units and text[:-1].isdecimal():
        return now - timedelta(**{units[text[-1]]: int(text[:-1])})
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Usage(f"--since {text!r} is no moment: write 24h, 7d or 2026-11-21T14:00") from None
    return found if found.tzinfo is not None else found.replace(tzinfo=now.tzinfo or UTC)
