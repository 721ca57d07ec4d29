"""Rows of the log as the `eventsourcing` library's events, and our errors as its errors.

An originator is a stream `lib/agg-<id>`. The library lets a stream start at any version; ours
start at 1. So each state carries the library's version in front, and a stream's first one fixes
the distance.
"""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID, uuid4

from eventsourcing.persistence import (
    DatabaseError,
    DataError,
    IntegrityError,
    Notification,
    OperationalError,
    PersistenceError,
    ProgrammingError,
    StoredEvent,
)
from smartops.eventstore.errors import (
    CategoryForbidden,
    InvalidUnit,
    RecordConflict,
    StoreClosed,
    StoreError,
    StoreUnavailable,
)
from smartops.eventstore.rows import StoredRow
from smartops.eventstore.units import NewEvent

__all__ = [
    "CATEGORY",
    "TENANT",
    "is_recorded",
    "new_event",
    "notification",
    "stored_event",
    "stream_of",
    "translated",
    "version_of",
]

TENANT = "lib"
CATEGORY = "agg"
"""A role needs a row (role, `agg`) in smartops_log.writers; no service has one."""

_PREFIX = f"{TENANT}/{CATEGORY}-"
_VERSION = struct.Struct(">q")


def stream_of(originator_id: UUID | str) -> str:
    """The stream of an originator."""
    return f"{_PREFIX}{originator_id}"


def is_recorded(row: StoredRow) -> bool:
    """Whether a recorder wrote it."""
    return row.stream.startswith(_PREFIX)


def version_of(state: bytes) -> int:
    """The library's version in front of a stored state."""
    version: int = _VERSION.unpack_from(state)[0]
    return version


def new_event(event: StoredEvent) -> NewEvent:
    """What to append for an event of the library; of a random id."""
    return NewEvent(
        event_id=uuid4(),
        topic=event.topic,
        task=None,
        cause=None,
        party="-",
        state=_VERSION.pack(event.originator_version) + event.state,
        subject=None,
    )


def stored_event(originator_id: UUID | str, row: StoredRow) -> StoredEvent:
    """The library's event in a row."""
    return StoredEvent(originator_id, version_of(row.state), row.topic, row.state[_VERSION.size :])


def notification(originator_id: type[UUID] | type[str], row: StoredRow) -> Notification:
    """The library's notification of a row, its originator's id being of that type."""
    return Notification(
        originator_id=originator_id(row.stream.removeprefix(_PREFIX)),
        originator_version=version_of(row.state),
        topic=row.topic,
        state=row.state[_VERSION.size :],
        id=row.position,
    )


@contextmanager
def translated() -> Iterator[None]:
    """Our errors as the library's."""
    try:
        yield
    except PersistenceError:
        raise
    except RecordConflict as error:
        raise IntegrityError(str(error)) from error
    except (StoreUnavailable, StoreClosed) as error:
        raise OperationalError(str(error)) from error
    except CategoryForbidden as error:
        raise ProgrammingError(str(error)) from error
    except InvalidUnit as error:
        raise DataError(str(error)) from error
    except StoreError as error:
        raise DatabaseError(str(error)) from error
