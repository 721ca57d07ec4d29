"""From a row of the log to its event, having compared the row's columns with the hashed bytes."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError, create_model
from smartops.audit.errors import LogTampered, NewerEvent, UnreadableEvent
from smartops.audit.read_models import FOLDED
from smartops.contracts.catalogue import newest
from smartops.contracts.envelope import TYPE_ROOT, as_newest, known
from smartops.contracts.errors import Malformed, UnknownVersion
from smartops.contracts.wire import EventData
from smartops.eventstore.rows import StoredRow

__all__ = ["Reading", "read"]


class Reading(NamedTuple):
    """A row, understood."""

    row: StoredRow
    event: EventData | None
    """In its newest version; None where no read model reacts to the topic."""
    is_known: bool
    """False: nobody ever defined the topic. Such events are counted, not folded."""


class _Envelope(BaseModel):
    """What the bytes say about their own place. Read with the data in one pass."""

    model_config = ConfigDict(extra="ignore")

    id: str
    source: str
    type: str
    tenantid: str
    sequence: str
    causationid: str
    partyid: str
    correlationid: str | None = None


def read(row: StoredRow, *, is_party_known: bool = True) -> Reading:
    """Understand a row whose hash has been verified.

    The chain covers bytes, stream, version, id and topic; task, cause and party are columns for
    searching only. They are compared with the bytes here, so that none can be edited unnoticed.

    Args:
        row: of the log.
        is_party_known: False where the row was read through a view that does not show the party.

    Raises:
        LogTampered: columns and bytes disagree.
        NewerEvent: a version that a newer release will know.
        UnreadableEvent: the data does not fit the contract.
    """
    try:
        shape = _shape(row.topic)
    except UnknownVersion as error:
        raise NewerEvent(row.position, row.topic) from error
    if shape is None:
        return Reading(row, None, is_known=False)
    try:
        envelope: Any = shape.model_validate_json(row.state)
        data: EventData | None = getattr(envelope, "data", None)
        event = None if data is None else as_newest(data)
    except ValidationError as error:
        raise UnreadableEvent(row.position, row.topic, _first(error)) from error
    _compare(row if is_party_known else row._replace(party=envelope.partyid), envelope)
    return Reading(row, event, is_known=True)


def _compare(row: StoredRow, envelope: _Envelope) -> None:
    said = (
        envelope.id == str(row.event_id)
        and envelope.source[1:] == row.stream
        and envelope.sequence == str(row.version)
        and envelope.type[len(TYPE_ROOT) :] == row.topic
        and envelope.tenantid == row.tenant
        and envelope.partyid == row.party
        and envelope.causationid == str(row.cause)
        and envelope.correlationid == (None if row.task is None else str(row.task))
    )
    if not said:
        raise LogTampered(row.position, row.tenant, "a column disagrees with the hashed bytes")


@lru_cache(maxsize=1024)
def _shape(topic: str) -> type[_Envelope] | None:
    """How the bytes of a topic are read; None: nobody ever defined it."""
    try:
        model = known(topic)
    except Malformed:
        return None
    if not any(newest(model) in read_model.reactions for read_model in FOLDED):
        return _Envelope
    return create_model(f"_{model.__name__}", __base__=_Envelope, data=(model, ...))


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
