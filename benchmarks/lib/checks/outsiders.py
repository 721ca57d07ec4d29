"""Is everything in the event stream that outsiders were promised?"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any, NamedTuple

import asyncpg
from pydantic_core import from_json
from smartops.bus.api import API, api_request
from smartops.bus.connection import close, connect
from smartops.bus.topology import EVENTS_STREAM
from smartops.bus.users import MONITOR, inbox_prefix
from smartops.contracts.catalogue import EVENTS
from smartops.devstack.stack import Stack

__all__ = ["Held", "held_by_stream"]

_LOOK_S = 0.5


class Held(NamedTuple):
    """What the event stream holds, against what the log says was published."""

    missing: int
    """Published events that it does not hold."""
    repeated: int
    """Messages beyond one per event: what came back late and was not recognised as a repeat."""


async def held_by_stream(stack: Stack, patience_s: float) -> Held:
    """Compare by subject, until nothing is missing any more or patience ends."""
    expected = await _published(stack)
    loop = asyncio.get_running_loop()
    end = loop.time() + patience_s
    while True:
        held = await _held(stack)
        found = Held((expected - held).total(), (held - expected).total())
        if not found.missing or loop.time() > end:
            return found
        await asyncio.sleep(_LOOK_S)  # Nothing tells of what comes back.


async def _published(stack: Stack) -> Counter[str]:
    connection = await asyncpg.connect(stack.postgres.dsn())
    try:
        rows = await connection.fetch("select tenant, topic, party, state from smartops_log.events")
    finally:
        await connection.close()
    subjects: Counter[str] = Counter()
    for tenant, topic, party, state in rows:
        spec = EVENTS[topic]
        if spec.published:
            entity = from_json(state)["subject"]
            data = spec.data
            name = stack.subjects.event(tenant, data.topic, data.schema_version, party, entity)
            subjects[name] += 1
    return subjects


async def _held(stack: Stack) -> Counter[str]:
    monitor = await connect(
        stack.nats.url,
        name=MONITOR,
        inbox_prefix=inbox_prefix(MONITOR),
        seed_path=stack.credentials.directory / f"{MONITOR}.nk",
        api=API,
    )
    held: Counter[str] = Counter()
    try:
        while True:
            asked = {"subjects_filter": ">", "offset": len(held)}
            subject = f"{API}.STREAM.INFO.{EVENTS_STREAM}"
            answer: dict[str, Any] = await api_request(monitor, subject, asked)
            page = answer["state"].get("subjects") or {}
            held.update(page)
            if not page or len(held) >= int(answer.get("total", 0)):
                break
    finally:
        await close(monitor)
    return Counter({name: count for name, count in held.items() if ".audit." not in name})
