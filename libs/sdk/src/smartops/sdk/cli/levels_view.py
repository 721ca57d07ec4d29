"""What agents may do by themselves, and why: for people, and as JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from smartops.sdk.cli.session import Session
    from smartops.sdk.event import Event
    from smartops.sdk.levels import Held, Levels

__all__ = ["ANY", "document", "scope_words", "show_levels"]

ANY: Final = "*"
"""Stands for all versions, tools or environments."""


def show_levels(
    session: Session,
    agent: str,
    levels: Levels,
    held: list[Held],
    at: datetime | None,
    *,
    chain: bool,
) -> None:
    """Show an agent's levels, and with `chain` all that was ever said of them."""
    from rich.text import Text  # noqa: PLC0415 - help must not wait
    from smartops.sdk.cli.tables import table  # noqa: PLC0415 - the same
    from smartops.sdk.cli.text import age, one_line  # noqa: PLC0415 - the same

    now = at or datetime.now(UTC)
    default = levels.default
    when = "" if at is None else f" at {at.isoformat(timespec='seconds')}"
    head = f"{one_line(agent)}{when}: by default L{default.production} in production, "
    session.show(Text(head + f"L{default.elsewhere} elsewhere", style="bold"))
    rows = []
    for one in held:
        since = "-" if one.rests_on is None else age(one.rests_on.time, now)
        rows.append([*one.scope, f"L{one.level}", since, _why(one)])
    session.show(table(["version", "tool", "environment", "level", "since", "what"], rows))
    said = {event.id: event for one in held for event in one.chain}
    if chain and said:
        session.show(Text("\nWhat was said, the newest first:", style="dim"))
        for event in sorted(said.values(), key=lambda event: event.version, reverse=True):
            session.show(Text(_line(event)))


def _why(held: Held) -> str:
    if held.rests_on is None:
        return "the default"
    data: Any = held.rests_on.data
    if held.default_lower:
        return f"the default; {_said(data)} allows more, and would not raise it"
    return _said(data)


def _said(data: Any) -> str:
    from smartops.sdk.cli.people import who  # noqa: PLC0415 - the same
    from smartops.sdk.cli.text import one_line  # noqa: PLC0415 - the same
    from smartops.sdk.short_id import short  # noqa: PLC0415 - the same

    by = f" by {who(data.principal)}" if data.principal is not None else ""
    task = f" (task {short(data.task)})" if data.task is not None else ""
    return f"{data.rule}{by}{task}: {one_line(data.reason)}"


def _line(event: Event) -> str:
    data: Any = event.data
    moment = event.time.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    before = "?" if data.before is None else f"L{data.before}"
    scope = scope_words((data.agent_version, data.tool, data.environment))
    return f"  {moment}  {before} → L{data.level}  {scope}  {_said(data)}"


def scope_words(scope: tuple[str, str, str]) -> str:
    """Version, tool and environment in words."""
    version, tool, environment = scope
    return " ".join(
        (
            "all versions" if version == ANY else version,
            "with all tools" if tool == ANY else f"with {tool}",
            "everywhere" if environment == ANY else f"in {environment}",
        )
    )


def document(agent: str, levels: Levels, held: list[Held]) -> dict[str, Any]:
    """The same as JSON, with the events behind it."""
    return {
        "agent": agent,
        "default": {
            "production": levels.default.production,
            "elsewhere": levels.default.elsewhere,
        },
        "levels": [
            {
                "agent_version": one.scope.version,
                "tool": one.scope.tool,
                "environment": one.scope.environment,
                "level": one.level,
                "rests_on": None if one.rests_on is None else _event(one.rests_on),
                "chain": [_event(event) for event in one.chain],
            }
            for one in held
        ],
    }


def _event(event: Event) -> dict[str, Any]:
    data: Any = event.data
    return {
        "event": event.id,
        "time": event.time,
        "cause": event.cause,
        **data.model_dump(mode="json", exclude={"event", "agent"}),
        "happened": data.event,
    }
