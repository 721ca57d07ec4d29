"""CloudEvents 1.0, structured JSON: one byte string that is stored, hashed and published.

Attributes beyond the core: `tenantid`, `correlationid` (the task), `causationid`, `sequence` (the
version in its stream, as text), `partyid`, `traceparent`. `source` is the stream the event stands
in, so (source, sequence) names one event of the log. The log position is a column and a header,
never part of the bytes: it is not known when they are made.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic_core import from_json, to_json
from smartops.contracts.catalogue import EVENTS, newest
from smartops.contracts.errors import Malformed, NoStream, UnknownVersion
from smartops.contracts.parsing import misfit
from smartops.contracts.streams import parse_stream
from smartops.contracts.upcast import upcast
from smartops.contracts.wire import EventData

__all__ = [
    "CONTENT_TYPE",
    "TYPE_ROOT",
    "EventMeta",
    "Hint",
    "as_newest",
    "encode",
    "known",
    "read_data",
    "read_hint",
]

CONTENT_TYPE = "application/cloudevents+json"
TYPE_ROOT = "smartops."
"""CloudEvents types are this plus topic and version."""


@dataclass(frozen=True, slots=True)
class EventMeta:
    """All of an event but its data."""

    id: UUID
    tenant: str
    stream: str
    version: int
    """Position in its stream, from 1."""
    entity: str
    task: UUID | None
    cause: UUID
    party: str
    time: datetime
    traceparent: str | None = None


def _names_a_stream(source: str) -> str:
    if not source.startswith("/"):
        raise NoStream(f"{source!r} is no source (/ and a stream)")
    parse_stream(source[1:])  # Remembered: whoever reacts takes the same name apart again.
    return source


class Hint(BaseModel):
    """What a message may tell: which event to read from the log. Its data is not believed."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: UUID
    type: str = Field(pattern=r"^smartops\.[a-z_.]+\.v[1-9][0-9]{0,3}$")
    source: Annotated[str, AfterValidator(_names_a_stream)]
    """The log is asked for what stands here: a name that is none, or a version beyond its
    counter, would come back as the database's error, over and over."""
    sequence: int = Field(ge=1, lt=2**63)
    correlationid: UUID | None = None
    traceparent: str | None = None

    @property
    def stream(self) -> str:
        """The stream that is said to hold the event."""
        return self.source[1:]

    @property
    def topic(self) -> str:
        """Name and version, as the log stores it."""
        return self.type[len(TYPE_ROOT) :]


def encode(meta: EventMeta, data: EventData) -> bytes:
    """The bytes of an event. Made once, never made again."""
    attributes: dict[str, Any] = {
        "specversion": "1.0",
        "id": meta.id,
        "source": f"/{meta.stream}",
        "type": TYPE_ROOT + data.type_key(),
        "subject": meta.entity,
        "time": meta.time,
        "datacontenttype": "application/json",
        "tenantid": meta.tenant,
        "sequence": str(meta.version),
        "causationid": meta.cause,
        "partyid": meta.party,
    }
    if meta.task is not None:
        attributes["correlationid"] = meta.task
    if meta.traceparent is not None:
        attributes["traceparent"] = meta.traceparent
    attributes["data"] = data
    return to_json(attributes)


def read_hint(raw: bytes) -> Hint:
    """Read which event a bus message points at.

    Raises:
        Malformed: no CloudEvent of ours.
        UnknownVersion: a version that a newer process will know.
    """
    try:
        hint = Hint.model_validate_json(raw)
    except ValidationError as error:
        raise misfit(error) from error
    known(hint.topic)
    return hint


def read_data(topic: str, state: bytes) -> EventData:
    """The data of a stored event, in its newest version.

    Raises:
        Malformed: the bytes are no event of this topic.
        UnknownVersion: as `read_hint`.
    """
    model = known(topic)
    with contextlib.suppress(ValidationError):
        read: Any = _stored(model).model_validate_json(state, strict=True)
        data: EventData = read.data
        return as_newest(data)
    # It is not what it should be: the parts tell what is wrong.
    try:
        raw = from_json(state)["data"]
    except (ValueError, KeyError, TypeError) as error:
        raise Malformed(f"stored {topic} is no CloudEvent with data") from error
    try:
        return as_newest(model.model_validate_json(to_json(raw), strict=True))
    except ValidationError as error:
        raise misfit(error, what=f"stored {topic} does not fit its contract: ") from error


def as_newest(event: EventData) -> EventData:
    """The same event in its newest version; itself, if it is of that."""
    model = type(event)
    latest = newest(model)
    if latest is model:
        return event
    data = upcast(model.type_key(), event.model_dump(mode="json"))
    return latest.model_validate_json(to_json(data), strict=True)


@cache
def _stored(model: type[EventData]) -> type[BaseModel]:
    """An envelope with such data, to be read in one pass."""
    name = f"Stored{model.__name__}"
    return create_model(name, __config__=ConfigDict(frozen=True), data=(model, ...))


def known(topic: str) -> type[EventData]:
    """The model of a topic.

    Raises:
        UnknownVersion: the name is known in older versions only.
        Malformed: nobody ever defined it.
    """
    spec = EVENTS.get(topic)
    if spec is not None:
        return spec.data
    name, _, version = topic.rpartition(".v")
    if any(other.data.topic == name for other in EVENTS.values()):
        raise UnknownVersion(f"{name} in version {version} is newer than this process knows")
    raise Malformed(f"{topic!r} is no topic", field="type")
