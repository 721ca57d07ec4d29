"""What the event stream holds, beside what the log says it should."""

from __future__ import annotations

from collections import Counter
from typing import Any

from nats.aio.client import Client as Nats
from pydantic_core import from_json
from smartops.bus.api import API, api_request
from smartops.bus.connection import close, connect
from smartops.bus.topology import EVENTS_STREAM
from smartops.bus.users import MONITOR, inbox_prefix
from smartops.contracts.catalogue import EVENTS
from smartops.eventstore.rows import StoredRow
from support.stacks import House

__all__ = ["held_subjects", "subject_of"]


def subject_of(house: House, row: StoredRow) -> str | None:
    spec = EVENTS[row.topic]
    if not spec.published:
        return None
    data = spec.data
    entity = from_json(row.state)["subject"]
    return house.stack.subjects.event(
        row.tenant, data.topic, data.schema_version, row.party, entity
    )


async def held_subjects(house: House) -> Counter[str]:
    """Messages of the event stream by subject, but for those that are no events of the log."""
    monitor: Nats = await connect(
        house.stack.nats.url,
        name=MONITOR,
        inbox_prefix=inbox_prefix(MONITOR),
        seed_path=house.stack.credentials.directory / f"{MONITOR}.nk",
        api=API,
    )
    try:
        answer: dict[str, Any] = await api_request(
            monitor, f"{API}.STREAM.INFO.{EVENTS_STREAM}", {"subjects_filter": ">"}
        )
    finally:
        await close(monitor)
    held = answer["state"].get("subjects") or {}
    return Counter({name: count for name, count in held.items() if ".audit." not in name})
