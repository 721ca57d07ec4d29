"""Messages that nobody can obey, for every durable: malformed, impossible, forged, too new.

Events are made from genuine ones where those were heard, so that they get as far as they can.
"""

from __future__ import annotations

import json
import random
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from smartops.bus.topology import COMMANDS_STREAM, EVENTS_STREAM
from smartops.contracts.catalogue import EVENTS, HANDLERS, HandlerSpec
from smartops.contracts.ids import principal
from smartops.contracts.subjects import NO_PARTY, Subjects

from benchmarks.lib.poison_kinds import (
    BYTES,
    CHANGES,
    ORDERS,
    STRANGERS_TENANT,
    TENANT,
    Event,
    alter,
    fresh_id,
)

__all__ = ["STRANGER", "End", "Poison", "Poisoner"]

STRANGER = "stranger"


class End(StrEnum):
    """What must become of it."""

    DEAD = "dead"
    """Given up, with its reason, and told of in the dead-letter stream."""
    REFUSED = "refused"
    """Answered by a `command.refused`."""
    SETTLED = "settled"
    """Acknowledged: what it points at is in the log, and was handled from there."""
    GIVEN_BACK = "given back"
    """Kept for a newer process."""


@dataclass(frozen=True, slots=True)
class Poison:
    """One message."""

    kind: str
    sender: str
    """Whose credential publishes it: a service that says such events, or a stranger."""
    durable: str
    stream: str
    subject: str
    payload: bytes
    end: End
    listeners: tuple[str, ...]
    """All durables that it comes to, `durable` among them: each has to bring it to its end."""


class Poisoner:
    """Makes poison for one durable after the other; the same for the same seed and samples.

    Args:
        subjects: of the stack.
        seed: of every choice.
        without: kinds that are left out.

    Attributes:
        samples: genuine events by topic, to be filled by whoever hears some.
    """

    def __init__(self, subjects: Subjects, seed: int, without: Collection[str] = ()) -> None:
        self._subjects = subjects
        self._random = random.Random(seed)
        self._without = frozenset(without)
        self._turn = 0
        self.samples: dict[str, list[bytes]] = {}

    def next(self) -> Poison:
        """The next durable's."""
        spec = HANDLERS[self._turn % len(HANDLERS)]
        self._turn += 1
        return self._event(spec) if spec.events else self._command(spec)

    def too_new(self) -> list[Poison]:
        """One message per durable in a version that only a newer process knows."""
        found = []
        for spec in HANDLERS:
            if spec.events:
                event = self._base(spec)
                name, _, _ = event["type"].rpartition(".")
                event["type"] = f"{name}.v99"
                subject = self._event_subject(spec, event, version="v99")
                poison = self._poison(spec, "too new", subject, event, End.GIVEN_BACK)
            else:
                subject = self._command_subject(spec).replace(".v1.", ".v99.")
                poison = self._poison(spec, "too new", subject, b"{}", End.GIVEN_BACK)
            found.append(poison)
        return found

    def _kind(self, *kinds: str) -> str:
        return self._random.choice([kind for kind in kinds if kind not in self._without])

    # ---- events ----------------------------------------------------------------------------

    def _event(self, spec: HandlerSpec) -> Poison:
        kind = self._kind(*CHANGES, *BYTES, "broken subject", "duplicate keys", "altered")
        event = self._base(spec)
        subject = self._event_subject(spec, event)
        if kind in BYTES:
            return self._poison(spec, kind, subject, BYTES[kind], End.DEAD)
        if kind == "broken subject":
            subject = self._event_subject(spec, event, version="vx")
            return self._poison(spec, kind, subject, event, End.DEAD)
        if kind == "duplicate keys":
            payload = json.dumps({**event, "id": fresh_id(self._random)}).encode()
            payload = b'{"id":"first",' + payload[1:]
            return self._poison(spec, kind, subject, payload, End.DEAD)
        if kind == "altered" and self._genuine(event):
            alter(event, self._random)
            return self._poison(spec, kind, subject, event, End.SETTLED)
        if kind == "altered":
            kind = "foreign id"
        CHANGES[kind](event, self._random)
        return self._poison(spec, kind, subject, event, End.DEAD)

    def _base(self, spec: HandlerSpec) -> Event:
        """A genuine event for a durable, or what one would look like."""
        heard = [raw for topic in spec.topics for raw in self.samples.get(_key(topic, spec), ())]
        if heard:
            event: Event = json.loads(self._random.choice(heard))
            return event
        topic = self._random.choice(spec.topics)
        category = min(EVENTS[topic].decided_by.values())
        entity = fresh_id(self._random)
        return {
            "specversion": "1.0",
            "id": fresh_id(self._random),
            "source": f"/{TENANT}/{category}-{entity}",
            "type": f"smartops.{topic}",
            "subject": entity,
            "time": "2026-01-01T00:00:00Z",
            "tenantid": TENANT,
            "sequence": "1",
            "partyid": spec.party or NO_PARTY,
            "data": {},
        }

    def _genuine(self, event: Event) -> bool:
        return bool(event["data"])

    def _event_subject(self, spec: HandlerSpec, event: Event, version: str | None = None) -> str:
        topic, _, known = event["type"].removeprefix("smartops.").rpartition(".v")
        subject = self._subjects.event(
            TENANT, topic, int(known), spec.party or event["partyid"], event["subject"]
        )
        if version is None:
            return subject
        return subject.replace(f".{topic}.v{known}.", f".{topic}.{version}.").replace(
            f".v{known}.", f".{version}."
        )

    # ---- commands --------------------------------------------------------------------------

    def _command(self, spec: HandlerSpec) -> Poison:
        kind = self._kind(*BYTES, *ORDERS, "broken subject")
        subject = self._command_subject(spec)
        if kind in BYTES:
            return self._poison(spec, kind, subject, BYTES[kind], End.REFUSED)
        if kind == "broken subject":
            return self._poison(spec, kind, subject.replace(".v1.", ".vx."), b"{}", End.DEAD)
        return self._poison(spec, kind, subject, ORDERS[kind], End.REFUSED)

    def _command_subject(self, spec: HandlerSpec) -> str:
        name = self._random.choice(spec.commands).name
        ident = fresh_id(self._random)
        who = principal("local", STRANGER)
        return self._subjects.command(STRANGERS_TENANT, name, 1, who, ident)

    @staticmethod
    def _poison(
        spec: HandlerSpec, kind: str, subject: str, payload: Event | bytes, end: End
    ) -> Poison:
        raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        if not spec.events:
            heard: tuple[str, ...] = (spec.durable,)
            return Poison(kind, STRANGER, spec.durable, COMMANDS_STREAM, subject, raw, end, heard)
        sender = next(
            said.publishers[0]
            for topic, said in EVENTS.items()
            if topic in spec.topics and f".{said.data.topic}.v" in subject
        )
        heard = _listeners(subject)
        return Poison(kind, sender, spec.durable, EVENTS_STREAM, subject, raw, end, heard)


def _listeners(subject: str) -> tuple[str, ...]:
    """The durables that an event comes to, in whichever version it claims to be."""
    *_, party, _entity = subject.split(".")
    return tuple(
        spec.durable
        for spec in HANDLERS
        if spec.party in (None, party)
        and any(f".{EVENTS[topic].data.topic}.v" in subject for topic in spec.topics)
    )


def _key(topic: str, spec: HandlerSpec) -> str:
    """Under which samples lie: outcomes of calls go to their requester only."""
    return f"{topic}/{spec.party}" if spec.party else topic
