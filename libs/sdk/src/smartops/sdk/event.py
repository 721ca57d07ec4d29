"""An event as clients see it: from the bus and from the log alike."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic_core import from_json
from smartops.contracts.envelope import TYPE_ROOT, read_data
from smartops.contracts.errors import Malformed, UnknownVersion
from smartops.contracts.wire import EventData

__all__ = ["Event"]


@dataclass(frozen=True, slots=True)
class Event:
    """One fact. Two with the same id are the same fact."""

    id: UUID
    topic: str
    """Name and version: `task.planned.v1`."""
    tenant: str
    stream: str
    version: int
    """Position in its stream, from 1."""
    entity: str
    task: UUID | None
    cause: UUID | None
    """The command key, or the event, that it follows from."""
    time: datetime
    data: EventData | None = field(repr=False)
    """None when the event is of a version that this client does not know yet."""
    raw: bytes = field(repr=False, compare=False)
    """The CloudEvent as stored, hashed and published."""
    position: int | None = field(default=None, compare=False)
    """Position in the log, where it is known."""

    @property
    def name(self) -> str:
        """The topic without its version."""
        return self.topic.rpartition(".v")[0]

    @classmethod
    def read(cls, raw: bytes, *, position: int | None = None) -> Event:
        """Read a CloudEvent.

        Raises:
            Malformed: it is not one of ours.
        """
        try:
            outer: dict[str, Any] = from_json(raw)
            topic = str(outer["type"]).removeprefix(TYPE_ROOT)
            task, cause = outer.get("correlationid"), outer.get("causationid")
            return cls(
                id=UUID(outer["id"]),
                topic=topic,
                tenant=outer["tenantid"],
                stream=str(outer["source"])[1:],
                version=int(outer["sequence"]),
                entity=outer["subject"],
                task=UUID(task) if task is not None else None,
                cause=UUID(cause) if cause is not None else None,
                time=datetime.fromisoformat(outer["time"]),
                data=_data(topic, raw),
                raw=raw,
                position=position,
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Malformed(f"no event: {error}") from error


def _data(topic: str, raw: bytes) -> EventData | None:
    try:
        return read_data(topic, raw)
    except UnknownVersion:
        return None
