"""The subject grammar. No other file spells a subject.

Events:    {prefix}.{tenant}.{topic}.v{n}.{party}.{entity}     (topic has one to four tokens)
Commands:  {prefix}-cmd.{tenant}.{name}.v{n}.{principal}.{id}   (name has two tokens)
Parked:    {prefix}-dlq.{stream}.{durable}

Tenant and principal of a message are read from its subject only: NATS permissions fix both, a
payload fixes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from smartops.contracts.errors import Malformed

__all__ = [
    "NO_PARTY",
    "CommandSubject",
    "EventSubject",
    "Subjects",
]

NO_PARTY = "-"
"""The party token of events that wake nobody in particular."""

_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,128}")
_NAME = re.compile(r"[a-z_]+(\.[a-z_]+){0,3}")
_VERSION = re.compile(r"v([1-9][0-9]{0,3})")
_COMMAND_TOKENS = 2
_FIXED_EVENT_TOKENS = 5
_FIXED_COMMAND_TOKENS = 6


class EventSubject(NamedTuple):
    """An event subject, taken apart."""

    tenant: str
    topic: str
    version: int
    party: str
    entity: str


class CommandSubject(NamedTuple):
    """A command subject, taken apart."""

    tenant: str
    name: str
    version: int
    principal: str
    id: str


class Subjects:
    """Builds and reads the subjects below one prefix.

    Args:
        prefix: first token(s); empty inside a tenant's own account.
    """

    def __init__(self, prefix: str = "smartops") -> None:
        if prefix and not all(_TOKEN.fullmatch(token) for token in prefix.split(".")):
            raise ValueError(f"{prefix!r} is no subject prefix")
        self.prefix = prefix
        self._events = f"{prefix}." if prefix else ""
        # Without a prefix, `cmd.>` would overlap `*.task.>`: no family of topics is called cmd.
        self._commands = f"{prefix}-cmd." if prefix else "cmd.cmd."
        self._parked = f"{prefix}-dlq" if prefix else "dlq.dlq"

    def event(self, tenant: str, topic: str, version: int, party: str, entity: object) -> str:
        """The subject on which an event is published."""
        return f"{self._events}{tenant}.{topic}.v{version}.{party}.{entity}"

    def command(self, tenant: str, name: str, version: int, principal: str, ident: object) -> str:
        """The subject on which a command is published."""
        return f"{self._commands}{tenant}.{name}.v{version}.{principal}.{ident}"

    def event_filter(
        self,
        topic: str,
        *,
        tenant: str = "*",
        version: str = "*",
        party: str = "*",
        entity: str = "*",
    ) -> str:
        """All events of a topic."""
        return f"{self._events}{tenant}.{topic}.{version}.{party}.{entity}"

    def command_filter(self, name: str, *, tenant: str = "*", principal: str = "*") -> str:
        """All commands of a name."""
        return f"{self._commands}{tenant}.{name}.*.{principal}.*"

    def tenant_events(self, tenant: str) -> str:
        """All events of one tenant."""
        return f"{self._events}{tenant}.>"

    def all_events(self, families: Iterable[str]) -> tuple[str, ...]:
        """All events: what the event stream stores.

        Args:
            families: the first tokens of all topics. Without a prefix they keep events and
                commands apart, since two streams may not claim one subject.
        """
        if self.prefix:
            return (f"{self.prefix}.>",)
        return tuple(f"*.{family}.>" for family in sorted(set(families)))

    def all_commands(self) -> str:
        """All commands: what the command stream stores."""
        return f"{self._commands}>"

    def parked(self, stream: str, durable: str) -> str:
        """Where a parked message is told of."""
        return f"{self._parked}.{stream}.{durable}"

    def all_parked(self) -> str:
        """All that is told of parked messages."""
        return f"{self._parked}.>"

    def read_event(self, subject: str) -> EventSubject:
        """Take an event subject apart.

        Raises:
            Malformed: the subject breaks the grammar.
        """
        tokens = self._tokens(subject, self._events)
        if len(tokens) < _FIXED_EVENT_TOKENS:
            raise Malformed(f"{subject!r} is no event subject", field="subject")
        tenant, *topic, version, party, entity = tokens
        return EventSubject(
            _tenant(tenant),
            _name(".".join(topic)),
            _version(version),
            _token(party),
            _token(entity),
        )

    def read_command(self, subject: str) -> CommandSubject:
        """Take a command subject apart.

        Raises:
            Malformed: the subject breaks the grammar.
        """
        tokens = self._tokens(subject, self._commands)
        if len(tokens) != _FIXED_COMMAND_TOKENS:
            raise Malformed(f"{subject!r} is no command subject", field="subject")
        tenant, *name, version, principal, ident = tokens
        if len(name) != _COMMAND_TOKENS:
            raise Malformed(f"{subject!r} is no command subject", field="subject")
        return CommandSubject(
            _tenant(tenant),
            _name(".".join(name)),
            _version(version),
            _token(principal),
            _token(ident),
        )

    @staticmethod
    def _tokens(subject: str, root: str) -> list[str]:
        if not subject.startswith(root):
            raise Malformed(f"{subject!r} does not begin with {root!r}", field="subject")
        return subject[len(root) :].split(".")


def _tenant(token: str) -> str:
    if not re.fullmatch(r"_platform|[a-z][a-z0-9-]{0,31}", token):
        raise Malformed(f"{token!r} is no tenant", field="subject.tenant")
    return token


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise Malformed(f"{text!r} is no topic or command name", field="subject.name")
    return text


def _version(token: str) -> int:
    match = _VERSION.fullmatch(token)
    if match is None:
        raise Malformed(f"{token!r} is no version", field="subject.version")
    return int(match[1])


def _token(token: str) -> str:
    if not _TOKEN.fullmatch(token):
        raise Malformed(f"{token!r} is no subject token", field="subject")
    return token
