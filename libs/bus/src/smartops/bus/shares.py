"""What the accounts of the server give each other: requests to the streams, and events to hear."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Self

from smartops.bus.api import API, SERVICE_API
from smartops.bus.specs import Topology
from smartops.bus.topology import COMMANDS_STREAM, DLQ_STREAM, EVENTS_STREAM
from smartops.bus.users import Account

__all__ = ["Shares"]

_THRESHOLD = "45s"
"""How long the server keeps a way back for a pull request after its last answer: longer than a
request lingers, with heartbeats each few seconds; the default of two minutes keeps thousands of
ended ones."""


@dataclass(frozen=True, slots=True)
class Shares:
    """Subjects that cross accounts, each a request answered in the account of the streams."""

    events: tuple[str, ...]
    commands: tuple[str, ...]
    dead_letters: tuple[str, ...]
    pulled: tuple[str, ...]
    """Streams with durables."""

    @classmethod
    def of(cls, topology: Topology) -> Self:
        """Derive them from the streams."""
        return cls(
            events=topology.stream(EVENTS_STREAM).subjects,
            commands=topology.stream(COMMANDS_STREAM).subjects,
            dead_letters=tuple(
                subject
                for subject in topology.stream(DLQ_STREAM).subjects
                if not subject.startswith("$JS.")  # advisories: the server itself says those
            ),
            pulled=tuple(sorted({spec.stream for spec in topology.consumers})),
        )

    def exports(self) -> str:
        """Of the account of the streams."""
        services = [
            *self.events,
            *self.dead_letters,
            *self._info(API),
            *(f"$JS.ACK.{stream}.>" for stream in self.pulled),
        ]
        streaming = f', response_type: "stream", response_threshold: "{_THRESHOLD}"'
        return _lines(
            [
                *(_export(subject, Account.SERVICES) for subject in services),
                *(_export(one, Account.SERVICES, streaming) for one in self._next(API)),
                *(_export(subject, Account.PEOPLE) for subject in self.commands),
            ]
        )

    def heard(self) -> str:
        """What the services say aloud, for people to hear."""
        return _lines(
            [
                f"{{ stream: {json.dumps(subject)}, accounts: [{Account.PEOPLE}] }}"
                for subject in self.events
            ]
        )

    def services_imports(self) -> str:
        """Of the account of the services."""
        same = [
            *self.events,
            *self.dead_letters,
            *(f"$JS.ACK.{stream}.>" for stream in self.pulled),
        ]
        asked = [*self._info(API), *self._next(API)]
        renamed = [*self._info(SERVICE_API), *self._next(SERVICE_API)]
        return _lines(
            [
                *(_import(subject) for subject in same),
                *(_import(theirs, ours) for theirs, ours in zip(asked, renamed, strict=True)),
            ]
        )

    def people_imports(self) -> str:
        """Of the account of the people."""
        return _lines(
            [
                *(_import(subject) for subject in self.commands),
                *(
                    f"{{ stream: {{ account: {Account.SERVICES}, subject: {json.dumps(one)} }} }}"
                    for one in self.events
                ),
            ]
        )

    def _info(self, api: str) -> list[str]:
        return [
            f"{api}.STREAM.INFO.{EVENTS_STREAM}",
            f"{api}.STREAM.MSG.GET.{EVENTS_STREAM}",
            *(f"{api}.CONSUMER.INFO.{stream}.*" for stream in self.pulled),
        ]

    def _next(self, api: str) -> list[str]:
        return [f"{api}.CONSUMER.MSG.NEXT.{stream}.*" for stream in self.pulled]


def _export(subject: str, account: Account, more: str = "") -> str:
    return f"{{ service: {json.dumps(subject)}, accounts: [{account}]{more} }}"


def _import(subject: str, to: str | None = None) -> str:
    renamed = "" if to is None else f", to: {json.dumps(to)}"
    source = f"{{ account: {Account.STREAMS}, subject: {json.dumps(subject)} }}"
    return f"{{ service: {source}{renamed} }}"


def _lines(entries: list[str]) -> str:
    return "\n".join(f"      {entry}" for entry in entries)
