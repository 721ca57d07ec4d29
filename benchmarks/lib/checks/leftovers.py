"""Nothing is left lying about: outbox, inbox, timers, command stream, dead letters."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import asyncpg
from smartops.bus.topology import COMMANDS_STREAM, DLQ_STREAM
from smartops.contracts.catalogue import HANDLERS
from smartops.devstack.stack import Stack

from benchmarks.lib.monitor import stream_states

__all__ = ["settle"]

LOOK_S = 0.25

_OUTBOX = "select role, count(*) from smartops_log.outbox group by role"
_PARKED = "select role, handler, reason from smartops_log.inbox where outcome = 'parked'"
_OVERDUE = (
    "select role, handler, stream, name from smartops_log.timers t "
    "where due_at < clock_timestamp() - interval '3 seconds' and not exists ("
    "select from smartops_log.inbox i where i.role = t.role and i.handler = t.handler "
    "and i.cause = t.timer_id)"
)
# Written without the store's own functions: they are on trial here.
_UNHANDLED = """
select w.handler, e.topic, e.position
  from unnest($1::text[], $2::text[], $3::text[], $4::text[]) as w(role, handler, topic, party)
  join smartops_log.handlers h on h.role = w.role and h.handler = w.handler
  join smartops_log.events e
    on e.topic = w.topic and e.position > h.from_position
   and (w.party is null or e.party = w.party)
  left join smartops_log.inbox i
    on i.role = w.role and i.handler = w.handler and i.cause = e.event_id
 where i.cause is null
 order by e.position
"""


async def settle(
    stack: Stack, patience_s: float, *, await_bus: bool = True
) -> tuple[list[str], float]:
    """Wait until nothing is left, and return what still is, with the seconds it took.

    Args:
        stack: at rest.
        patience_s: how long to wait.
        await_bus: whether messages and acknowledgements that are out count too.
    """
    began = time.monotonic()
    while True:
        left = await _left_in_log(stack)
        if await_bus:
            left += await _left_on_bus(stack)
        took = time.monotonic() - began
        if not left or took > patience_s:
            return left, took
        await asyncio.sleep(LOOK_S)


async def _left_in_log(stack: Stack) -> list[str]:
    connection = await asyncpg.connect(stack.postgres.dsn())
    try:
        outbox = await connection.fetch(_OUTBOX)
        unhandled = await connection.fetch(_UNHANDLED, *_wanted())
        parked = await connection.fetch(_PARKED)
        overdue = await connection.fetch(_OVERDUE)
    finally:
        await connection.close()
    return [
        *(f"{row[1]} events of {row[0]} are not known to be published" for row in outbox),
        *(f"{row[1]} at {row[2]} was never handled by {row[0]}" for row in unhandled),
        *(f"{row[1]} of {row[0]} gave up: {row[2]}" for row in parked),
        *(f"timer {row[3]} of {row[2]} ({row[1]} of {row[0]}) has not fired" for row in overdue),
    ]


def _wanted() -> tuple[Sequence[str | None], ...]:
    rows = [
        (f"smartops_{spec.service}", spec.name, topic, spec.party)
        for spec in HANDLERS
        for topic in spec.topics
    ]
    return tuple(zip(*rows, strict=True))


async def _left_on_bus(stack: Stack) -> list[str]:
    try:
        streams = await stream_states(stack)
    except OSError as error:
        return [f"the bus does not answer: {error}"]
    found = []
    for name, state in streams.items():
        if name in {COMMANDS_STREAM, DLQ_STREAM} and state["messages"]:
            found.append(f"{name} still holds {state['messages']} messages")
        for consumer in state["consumers"]:
            waiting = consumer["num_ack_pending"] + consumer["num_pending"]
            if waiting:
                found.append(f"{waiting} messages of {consumer['name']} are not acknowledged")
    return found
