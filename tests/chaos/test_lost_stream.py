"""The event stream is lost, or comes back older: services go on, and outsiders miss nothing."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

from smartops.contracts.catalogue import RUNNER
from smartops.contracts.events import TaskApprovalRequired
from support.event_stream import held_subjects, subject_of
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
