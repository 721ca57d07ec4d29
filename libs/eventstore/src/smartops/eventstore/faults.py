"""What went wrong in the database, sorted by what the store does about it."""

from enum import Enum

import asyncpg
from smartops.eventstore.errors import (
    CategoryForbidden,
    InvalidUnit,
    RecordConflict,
    StoreError,
    TenantMismatch,
)

__all__ = ["AWAY", "Fault", "as_store_error", "classify"]

AWAY = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    # What asyncpg says to a statement between the server's goodbye and the closed socket.
    asyncpg.InternalClientError,
)
"""All that a connection may raise, for those who connect anew whatever it was."""


class Fault(Enum):
    """What to do."""

    LOST = "lost"
    """The connection is gone or not to be trusted: outcome unknown. Reconnect, send again."""

    OUTAGE = "outage"
    """Rolled back, through no fault of the statement. Wait a little, send again."""

    STATEMENT = "statement"
    """The statement itself is refused, and would be again."""


_LOST_STATES = ("08", "57P01", "57P02", "57P03", "57P05", "25006", "25P03", "25P04", "28", "3D")
"""Connection errors, shutdown and crash, timeouts that end the session, a standby that cannot
write (after a failover the name leads to the new primary), and a login that fails for now."""

_OUTAGE_STATES = ("40", "53", "55P03", "57014", "58", "XX001")
"""Serialisation and deadlock, resources (disk full, memory, connections), lock timeout,
statement timeout, system errors such as I/O."""


def classify(error: BaseException) -> Fault:
    """Sort an error of asyncpg or of the network."""
    if isinstance(error, asyncpg.PostgresError):
        state = error.sqlstate or ""
        if isinstance(error, asyncpg.exceptions.InvalidCachedStatementError):
            return Fault.LOST  # A migration ran: prepare everything again.
        if state.startswith(_LOST_STATES):
            return Fault.LOST
        return Fault.OUTAGE if state.startswith(_OUTAGE_STATES) else Fault.STATEMENT
    if isinstance(error, (asyncpg.InterfaceError, asyncpg.InternalClientError)):
        # "connection is closed" and the like. Arguments that cannot be encoded are DataError, which
        # is an InterfaceError too: those will never pass.
        return Fault.STATEMENT if isinstance(error, ValueError) else Fault.LOST
    if isinstance(error, (OSError, TimeoutError, EOFError)):
        return Fault.LOST
    return Fault.STATEMENT


def as_store_error(error: BaseException) -> StoreError:
    """The error a caller sees for a refused statement."""
    state = error.sqlstate if isinstance(error, asyncpg.PostgresError) else None
    if isinstance(error, StoreError):
        return error
    if state == "SO001":
        return CategoryForbidden(str(error))
    if state == "SO002":
        return TenantMismatch(str(error))
    if isinstance(error, asyncpg.UniqueViolationError):
        return RecordConflict(f"{error.detail or error}; reload and decide again")
    return InvalidUnit(f"the database refused it: {error}")
