"""The session in which audit works."""

from __future__ import annotations

import asyncpg
from smartops.audit.adapters.tables import Connection
from smartops.eventstore.faults import AWAY

__all__ = ["close", "connect"]

_CONNECT_TIMEOUT = 10.0
_COMMAND_TIMEOUT = 60.0
"""Seconds for one statement: a batch takes a tenth of one."""

_SETTINGS = {
    "application_name": "smartops_audit",
    "jit": "off",
    # Projections are rebuilt from the log, and rows and place are lost together or not at all.
    "synchronous_commit": "off",
    # Plans are made once, while the tables are still small: they must suit the large ones.
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    # Times and numbers read as text are compared between two sets of tables.
    "timezone": "UTC",
    "datestyle": "ISO",
    "extra_float_digits": "1",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "20s",
    # A backend whose client has vanished must not keep the lock of the one projector.
    "idle_in_transaction_session_timeout": "30s",
}


async def connect(dsn: str) -> Connection:
    """Open a session as smartops_audit."""
    return await asyncpg.connect(
        dsn, timeout=_CONNECT_TIMEOUT, command_timeout=_COMMAND_TIMEOUT, server_settings=_SETTINGS
    )


async def close(conn: Connection) -> None:
    """End a session, whatever state it is in."""
    try:
        await conn.close(timeout=2)
    except AWAY:
        conn.terminate()
