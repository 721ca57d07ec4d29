"""Commands that were decided, and lie in their stream all the same.

A work queue removes a message once it is acknowledged. nats-server notes the acknowledgement in
one file and the removal in another: if the disk is full in between, or the stream is closed by
then, the message stays behind for good, below everything that is still to be delivered.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import asyncpg
from smartops.bus.api import API, NOT_FOUND, ApiError, api_request
from smartops.bus.topology import COMMANDS_STREAM
from smartops.contracts.ids import command_key
from smartops.devstack.stack import Stack

from benchmarks.lib.monitor import stream_states
from benchmarks.lib.superuser import bus_superuser

__all__ = ["Left", "clear_decided"]

REST_S = 30.0
LOOK_S = 0.25


@dataclass(slots=True)
class Left:
    """What lay there once nothing was to be delivered any more."""

    decided: int = 0
    """Removed now."""
    undecided: list[str] = field(default_factory=list)
    """Subjects of those of which the log knows nothing: these are lost. Left where they are."""


async def clear_decided(stack: Stack) -> Left:
    """Remove commands that the log knows, as an operator would; the stack has a superuser."""
    left, state = Left(), await _at_rest(stack)
    if not state["messages"]:
        return left
    connection = await asyncpg.connect(stack.postgres.dsn())
    try:
        async with bus_superuser(stack) as nats:
            for place in range(state["first_seq"], state["last_seq"] + 1):
                wanted = {"seq": place}
                try:
                    answer = await api_request(
                        nats, f"{API}.STREAM.MSG.GET.{COMMANDS_STREAM}", wanted
                    )
                except ApiError as error:
                    if error.status != NOT_FOUND:
                        raise
                    continue
                subject = answer["message"]["subject"]
                if await _is_decided(stack, connection, subject):
                    await api_request(nats, f"{API}.STREAM.MSG.DELETE.{COMMANDS_STREAM}", wanted)
                    left.decided += 1
                else:
                    left.undecided.append(subject)
    finally:
        await connection.close()
    return left


async def _at_rest(stack: Stack) -> dict[str, int]:
    """The stream's state, once its consumers have nothing to do, or late."""
    loop = asyncio.get_running_loop()
    give_up = loop.time() + REST_S
    while True:
        state = (await stream_states(stack))[COMMANDS_STREAM]
        busy = sum(it["num_pending"] + it["num_ack_pending"] for it in state["consumers"])
        if not state["messages"] or not busy or loop.time() > give_up:
            return state
        await asyncio.sleep(LOOK_S)


async def _is_decided(
    stack: Stack, connection: asyncpg.Connection[asyncpg.Record], subject: str
) -> bool:
    place = stack.subjects.read_command(subject)
    key = command_key(place.tenant, place.principal, place.name, place.id)
    found = await connection.fetchval(
        "select exists (select from smartops_log.inbox where cause = $1)", key
    )
    return bool(found)
