"""The event stream is lost, or comes back older: services go on, and outsiders miss nothing."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

from nats.aio.client import Client as Nats
from pydantic_core import from_json
from smartops.bus.api import API, api_request
from smartops.bus.connection import close, connect
from smartops.bus.topology import EVENTS_STREAM
from smartops.bus.users import MONITOR, inbox_prefix
from smartops.contracts.catalogue import EVENTS, RUNNER
from smartops.contracts.events import TaskApprovalRequired
from smartops.eventstore.rows import StoredRow
from support.stacks import House, comes_true, house_at, store_of


async def test_a_stream_that_was_wiped_is_filled_again_and_tasks_go_on(tmp_path: Path) -> None:
    home = tmp_path / "house"
    async with house_at(home) as house:
        done = await house.drift("web-01")
        await house.approve(done)
        assert await house.outcome(done) == "completed"
        waiting = await house.drift("web-02")
        await house.until(waiting, TaskApprovalRequired)
        store_dir = house.stack.nats.store_dir

    shutil.rmtree(store_dir)
    async with house_at(home) as house:
        await house.approve(waiting)
        assert await house.outcome(waiting) == "completed"
        await comes_true(lambda: holds_all(house))
        assert house.writes("web-01", "web-02") == house.writes("web-01") + house.writes("web-02")
        assert len(house.writes("web-02")) == 1


async def test_what_an_old_copy_of_the_stream_lacks_is_published_again(tmp_path: Path) -> None:
    home = tmp_path / "house"
    async with house_at(home) as house:
        first = await house.drift("web-01")
        await house.approve(first)
        assert await house.outcome(first) == "completed"
        store_dir = house.stack.nats.store_dir
    copy = tmp_path / "copy"
    shutil.copytree(store_dir, copy)
    async with house_at(home) as house:
        second = await house.drift("web-02")
        await house.approve(second)
        assert await house.outcome(second) == "completed"
        await comes_true(lambda: holds_all(house))

    shutil.rmtree(store_dir)
    shutil.copytree(copy, store_dir)
    async with house_at(home) as house:
        await comes_true(lambda: holds_all(house))
        third = await house.drift("web-03")
        await house.approve(third)
        assert await house.outcome(third) == "completed"


async def test_a_stream_that_has_all_gets_nothing_twice(tmp_path: Path) -> None:
    home = tmp_path / "house"
    async with house_at(home) as house:
        task = await house.drift("web-01")
        await house.approve(task)
        assert await house.outcome(task) == "completed"
        await comes_true(lambda: holds_all(house))
    async with house_at(home) as house:
        again = await house.drift("web-02")
        await house.until(again, TaskApprovalRequired)
        await comes_true(lambda: holds_all(house))


async def holds_all(house: House) -> bool:
    """Whether the stream holds every published event of the log, and each once."""
    async with store_of(house.stack, RUNNER) as store:
        rows = await store.read_log(0, 10_000)
    expected = Counter(subject for row in rows if (subject := subject_of(house, row)) is not None)
    held = await held_subjects(house)
    assert not held - expected, f"more than the log says: {held - expected}"
    return held == expected


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
