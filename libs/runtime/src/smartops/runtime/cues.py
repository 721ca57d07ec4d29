"""What a handler is called with: a cue (an event of the log) or an order (a command)."""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

from smartops.contracts.envelope import read_data, read_hint
from smartops.contracts.errors import ContractError, ForeignClaim
from smartops.contracts.streams import parse_stream
from smartops.contracts.subjects import Subjects
from smartops.contracts.wire import CommandData, EventData
from smartops.eventstore.rows import StoredRow

__all__ = ["Cue", "Order", "cue_of_message", "cue_of_row"]

C = TypeVar("C", bound=CommandData)


@dataclass(frozen=True, slots=True)
class Cue:
    """Points at one event of the log; verified against it before anything is decided."""

    handler: str
    tenant: str
    stream: str
    version: int
    id: UUID
    topic: str
    task: UUID | None = None
    """As the message claims, unverified: good for reading ahead, and nothing else."""
    traceparent: str | None = None
    state: bytes | None = None
    """The event's bytes as the message claims, likewise; None when a sweep found it."""

    def citation(self) -> tuple[str, int, bytes]:
        """What the log must hold for the claim to be true.

        Raises:
            ValueError: nothing was claimed.
        """
        if self.state is None:
            raise ValueError(f"{self.handler} was not told by a message")
        return self.stream, self.version, hashlib.sha256(self.state).digest()

    def claimed(self) -> EventData | None:
        """What the message says has happened, unverified, if it can be read at all."""
        if self.state is None:
            return None
        try:
            return read_data(self.topic, self.state)
        except ContractError:
            return None


@dataclass(frozen=True, slots=True)
class Order(Generic[C]):
    """A command, with who gave it as its subject says."""

    handler: str
    tenant: str
    principal: str
    authtype: str
    name: str
    id: str
    key: UUID
    content: str
    """Digest of the payload, under a key where the service has one."""
    data: C
    traceparent: str | None = None
    bare: str = ""
    """The digest without a key, as older releases noted it."""


def cue_of_message(handler: str, subjects: Subjects, subject: str, state: bytes) -> Cue:
    """The cue in a bus message.

    Raises:
        ForeignClaim: subject and payload disagree on tenant or topic.
        Malformed: the subject breaks the grammar, or the payload is no event of ours.
        UnknownVersion: a version that a newer process will know.
    """
    hint = read_hint(state)
    read = subjects.read_event(subject)
    tenant = hint.stream.partition("/")[0]
    if tenant != read.tenant:
        raise ForeignClaim(f"names tenant {tenant!r}, its subject {read.tenant!r}", field="source")
    if hint.topic != f"{read.topic}.v{read.version}":
        raise ForeignClaim(f"is {hint.topic}, its subject says {read.topic}", field="type")
    return Cue(
        handler,
        tenant,
        hint.stream,
        hint.sequence,
        hint.id,
        hint.topic,
        hint.correlationid,
        hint.traceparent,
        state,
    )


def cue_of_row(handler: str, row: StoredRow) -> Cue:
    """The cue in a row that a sweep found."""
    return Cue(
        handler,
        parse_stream(row.stream).tenant,
        row.stream,
        row.version,
        row.event_id,
        row.topic,
        row.task,
        _traceparent(row),
    )


def _traceparent(row: StoredRow) -> str | None:
    """The context that the event carries; what else is wrong with its bytes is not said here."""
    with contextlib.suppress(ContractError):
        return read_hint(row.state).traceparent
    return None
