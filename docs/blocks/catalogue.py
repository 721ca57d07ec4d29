"""The catalogue of topics and commands, with those whose names are taken but not yet used."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from smartops.contracts import catalogue
from smartops.contracts.catalogue import COMMANDS, EVENTS, HANDLERS, EventSpec, newest

from blocks.markdown import code, codes, sentence, table

__all__ = [
    "RESERVED_COMMANDS",
    "RESERVED_EVENTS",
    "SERVICES",
    "UNSAID",
    "commands",
    "events",
    "handlers",
    "reserved_commands",
    "reserved_events",
    "traffic_of",
]

SERVICES = catalogue.SERVICES

RESERVED_EVENTS: Mapping[str, tuple[str, str]] = {
    "task.clarification.required": ("planner", "The intent leaves a question open."),
    "agent.registered": ("planner", "An agent exists in this version."),
    "agent.promoted": ("planner", "An agent's version moved on in its staged rollout."),
    "agent.rolled_back": ("planner", "An agent went back to an earlier version."),
    "notification.sent": ("notifier", "Somebody was told."),
    "notification.failed": ("notifier", "Somebody could not be told."),
}
"""Topics that later releases will say: who, and what."""

RESERVED_COMMANDS: Mapping[str, tuple[str, str]] = {
    "task.clarify": ("planner", "Answer a question about an intent."),
    "agent.promote": ("planner", "Move an agent's version on."),
    "agent.rollback": ("planner", "Take an agent back to an earlier version."),
    "tool.release": ("tool_gateway", "Let a tool be used again after it was held back."),
}

UNSAID: Mapping[str, str] = {}
"""Events that are defined, read and projected, but that no service says yet."""


def events() -> str:
    """Every version of every event."""
    rows = []
    for key, spec in sorted(EVENTS.items()):
        later = f" *Not said yet: comes {UNSAID[key]}.*" if key in UNSAID else ""
        latest = newest(spec.data).type_key()
        if key != latest:
            later = f" *Not said any more: read as `{latest}`.*"
        rows.append(
            [
                code(key),
                sentence(spec.data) + later,
                _stands(spec),
                codes(h.name for h in HANDLERS if key in h.topics),
                "bus and log" if spec.published and spec.decided_by else _where(spec),
            ]
        )
    return table(["event", "says", "said by, in which streams", "wakes", "where"], rows)


def reserved_events() -> str:
    """Names that are taken."""
    rows = [[code(name), who, what] for name, (who, what) in sorted(RESERVED_EVENTS.items())]
    return table(["reserved event", "will be said by", "will say"], rows)


def commands() -> str:
    """Every version of every command."""
    rows = [
        [
            code(key),
            sentence(spec.data),
            spec.service,
            codes(h.name for h in HANDLERS if spec.data in h.commands),
        ]
        for key, spec in sorted(COMMANDS.items())
    ]
    return table(["command", "asks", "decided by", "handler"], rows)


def reserved_commands() -> str:
    """Names that are taken."""
    rows = [[code(name), who, what] for name, (who, what) in sorted(RESERVED_COMMANDS.items())]
    return table(["reserved command", "will be decided by", "will ask"], rows)


def handlers() -> str:
    """Every reaction to a message."""
    rows = [
        [
            code(handler.name),
            codes(handler.topics)
            if handler.events
            else codes(c.type_key() for c in handler.commands),
            code(handler.party) if handler.party else "any",
            str(handler.concurrency),
        ]
        for handler in HANDLERS
    ]
    return table(["handler", "is woken by", "party", "messages in work at once"], rows)


def traffic_of(service: str) -> Callable[[], str]:
    """What one service hears, decides and says."""

    def block() -> str:
        heard = [
            [code(h.name), codes(h.topics or [c.type_key() for c in h.commands])]
            for h in HANDLERS
            if h.service == service
        ]
        said: dict[str, list[str]] = {}
        for key, spec in sorted(EVENTS.items()):
            if service in spec.decided_by:
                said.setdefault(spec.decided_by[service], []).append(key)
            elif service in spec.said_by:
                said.setdefault("", []).append(key)
        parts = []
        if heard:
            parts.append(table(["in: handler", "is woken by"], heard))
        parts.append(
            table(
                ["out: streams", "events"],
                [
                    [code(f"{category}-…") if category else "bus only", codes(keys)]
                    for category, keys in sorted(said.items())
                ],
            )
        )
        return "\n".join(parts)

    return block


def _stands(spec: EventSpec) -> str:
    if not spec.decided_by:
        return ", ".join(spec.said_by)
    by_category: dict[str, list[str]] = {}
    for service, category in spec.decided_by.items():
        by_category.setdefault(category, []).append(service)
    return "; ".join(
        f"{', '.join(services)} in {code(category + '-…')}"
        for category, services in by_category.items()
    )


def _where(spec: EventSpec) -> str:
    return "log only" if spec.decided_by else "bus only"
