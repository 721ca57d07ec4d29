"""What the event stream has lost is published again until it has taken all of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import pytest
from smartops.bus.api import ApiError, BusClient
from smartops.bus.relay import Acknowledged, Outgoing, Relay, RelayCounters
from smartops.contracts.catalogue import RUNNER
from smartops.contracts.subjects import Subjects
from smartops.eventstore.rows import StoredRow
from smartops.eventstore.store import EventStore
from smartops.runtime import publisher, republishing
from smartops.runtime.publisher import Publisher
from smartops.runtime.republishing import Republisher
from smartops.runtime.settings import ServiceSettings

NOW = datetime(2026, 1, 2, tzinfo=UTC)
EVENTS = 5


def row(position: int) -> StoredRow:
    task = uuid4()
    state = json.dumps({"subject": str(task)}).encode()
    where = f"acme/run-{task}"
    return StoredRow(
        position=position,
        tenant="acme",
        ordinal=position,
        stream=where,
        version=1,
        event_id=uuid4(),
        topic="task.started.v1",
        task=task,
        cause=None,
        party="-",
        state=state,
        hash=bytes(32),
        recorded_at=NOW,
    )


class Store:
    """A log with some events of the runner; nothing is known of what was published."""

    def __init__(self) -> None:
        self.rows = [row(position) for position in range(1, EVENTS + 1)]

    def on_committed(self, _: object) -> None:
        return

    def db_now(self) -> datetime:
        return NOW

    async def publications(self, *_: object) -> list[object]:
        return []

    async def read_log(self, after: int, limit: int, _topics: list[str]) -> list[StoredRow]:
        return [row for row in self.rows if row.position > after][:limit]

    async def outbox_pending(self, *_: object) -> list[object]:
        return []

    def outbox_done(self, _: list[int]) -> None:
        return


class Taking:
    """A relay to a stream that refuses some publishes, each time fewer."""

    newest: Acknowledged | None = None

    def __init__(self, refusals: list[int]) -> None:
        self.counters = RelayCounters()
        self.refusals = refusals
        self.offered: list[list[int]] = []
        self.whole = asyncio.Event()

    async def start(self) -> None:
        return

    async def stop(self) -> None:
        return

    async def publish(self, events: Sequence[Outgoing]) -> int:
        self.offered.append([event.position for event in events])
        refused = self.refusals.pop(0) if self.refusals else 0
        self.counters.failed += refused
        if not refused:
            self.whole.set()
        return len(events)

    async def settled(self) -> None:
        return


@pytest.fixture(autouse=True)
def stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """The event stream is there, and empty."""

    async def state(*_: object) -> dict[str, Any]:
        return {"created": "anew", "first_seq": 1, "last_seq": 0}

    monkeypatch.setattr(republishing, "stream_state", state)


def republisher(relay: Taking) -> Republisher:
    nc = SimpleNamespace(server_id="one", is_connected=True)
    return Republisher(
        RUNNER,
        cast("EventStore", Store()),
        cast("BusClient", nc),
        cast("Relay", relay),
        Subjects(),
    )


async def test_a_look_that_the_stream_did_not_take_all_of_is_no_look() -> None:
    relay = Taking(refusals=[3, 1])
    looking = republisher(relay)

    for _ in range(2):
        with pytest.raises(ApiError, match="did not take all"):
            await looking.look()

    assert await looking.look() == EVENTS
    # From the first on, each time: nothing remembers which of them were taken.
    assert relay.offered == [list(range(1, EVENTS + 1))] * 3


async def test_a_stream_whose_places_begin_again_is_another_one() -> None:
    relay = Taking(refusals=[])
    looking = republisher(relay)
    await looking.look()
    assert not looking.is_replaced()
    for position, sequence, replaced in [(10, 40, False), (11, 41, False), (12, 1, True)]:
        relay.newest = Acknowledged(position, str(uuid4()), sequence)
        assert looking.is_replaced() is replaced
    relay.newest = Acknowledged(13, str(uuid4()), 2)
    assert not looking.is_replaced(), "told once, until it is looked at"


async def test_no_witness_is_noted_for_a_stream_that_was_made_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    relay = Taking(refusals=[])
    looking = republisher(relay)
    await looking.look()
    relay.newest = Acknowledged(10, str(uuid4()), 5)

    async def another(*_: object) -> dict[str, Any]:
        return {"created": "yet again", "first_seq": 1, "last_seq": 5}

    monkeypatch.setattr(republishing, "stream_state", another)
    with pytest.raises(ApiError, match="made anew"):
        await looking.note()


@pytest.fixture
async def publishing(
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Callable[[Taking], Awaitable[None]]]:
    """Starts a publisher on a relay; it looks after the stream all the time."""
    monkeypatch.setattr(publisher, "_LEFTOVERS_PAUSE_S", 0.001)
    monkeypatch.setattr(publisher, "_NOTE_EVERY_S", 0.0)
    settings = SimpleNamespace(events_enabled=True, events_mode="bus")
    made = Publisher(
        RUNNER, cast("EventStore", Store()), cast("ServiceSettings", settings), Subjects()
    )

    async def start(relay: Taking) -> None:
        monkeypatch.setattr(publisher, "Relay", lambda *_, **__: relay)
        nc = SimpleNamespace(server_id="one", is_connected=True)
        await made.start(cast("BusClient", nc))

    yield start
    await made.stop()


async def test_the_publisher_looks_again_until_all_was_taken(
    publishing: Callable[[Taking], Awaitable[None]],
) -> None:
    relay = Taking(refusals=[5, 2])

    await publishing(relay)

    async with asyncio.timeout(5):
        await relay.whole.wait()
    taken = len(relay.offered)
    for _ in range(20):
        await asyncio.sleep(0.002)
    assert taken == 3
    assert len(relay.offered) == taken, "what was taken is not offered again"


async def test_a_stream_made_anew_while_nothing_is_published_is_filled_again(
    publishing: Callable[[Taking], Awaitable[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    relay = Taking(refusals=[])
    await publishing(relay)
    async with asyncio.timeout(5):
        await relay.whole.wait()
    relay.whole.clear()

    async def another(*_: object) -> dict[str, Any]:
        return {"created": "yet again", "first_seq": 1, "last_seq": 0}

    monkeypatch.setattr(republishing, "stream_state", another)

    async with asyncio.timeout(5):
        await relay.whole.wait()
    assert relay.offered == [list(range(1, EVENTS + 1))] * 2
